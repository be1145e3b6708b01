#include "connectors/kubernetes/kind_schemas.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// Groups that no definition can claim, which saves asking for one.
bool IsBuiltIn(const std::string& group) {
  return group.find('.') == std::string::npos ||
         (absl::EndsWith(group, ".k8s.io") && group != "gateway.networking.k8s.io" &&
          group != "snapshot.storage.k8s.io");
}

}  // namespace

absl::StatusOr<std::vector<Json>> KindSchemas::ReadFiles(const std::vector<std::string>& paths) {
  std::vector<Json> definitions;
  for (const std::string& path : paths) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxDefinitionFileBytes));
    PURSER_ASSIGN_OR_RETURN(std::vector<document::Document> documents,
                            document::ParseYaml(text, path));
    for (document::Document& one : documents) {
      if (one.value.is_object()) definitions.push_back(std::move(one.value));
    }
  }
  return definitions;
}

absl::StatusOr<KindSchemas::Known> KindSchemas::Of(KubernetesClient& client, const ObjectRef& ref,
                                                   absl::Duration max_age,
                                                   const ClientLimits& limits) {
  const auto key = std::make_pair(static_cast<const KubernetesClient*>(&client),
                                  absl::StrCat(ref.api_version, " ", ref.kind));
  const absl::Duration now = clock_.Monotonic();
  {
    base::MutexLock lock(mutex_);
    const auto found = known_.find(key);
    if (found != known_.end() && (found->second.from_file || now - found->second.at <= max_age)) {
      return found->second;
    }
  }
  Known known;
  known.at = now;
  if (!files_.empty()) {
    absl::StatusOr<json::CrdSchema> schema =
        json::CrdSchema::Find(files_, ref.api_version, ref.kind);
    if (schema.ok()) {
      known.schema = std::make_shared<const json::CrdSchema>(*std::move(schema));
      known.from_file = true;
    }
  }
  if (!known.from_file && !IsBuiltIn(ref.group())) {
    const absl::StatusOr<Json> definition = client.Definition(ref.api_version, ref.kind, limits);
    if (definition.ok()) {
      PURSER_ASSIGN_OR_RETURN(json::CrdSchema schema,
                              json::CrdSchema::Find({*definition}, ref.api_version, ref.kind));
      known.schema = std::make_shared<const json::CrdSchema>(std::move(schema));
    } else if (!absl::IsNotFound(definition.status()) &&
               !absl::IsPermissionDenied(definition.status())) {
      return definition.status();
    }
  }
  base::MutexLock lock(mutex_);
  known_[key] = known;
  return known;
}

absl::Status KindSchemas::Check(KubernetesClient& client, const ObjectRef& ref, const Json& object,
                                ObjectCheck check, absl::string_view what, absl::string_view prefix,
                                const ClientLimits& limits) {
  std::vector<json::Violation> faults;
  for (const absl::Duration max_age : {kKindSchemaLifetime, kKindSchemaDoubt}) {
    PURSER_ASSIGN_OR_RETURN(const Known known, Of(client, ref, max_age, limits));
    if (known.schema == nullptr) return absl::OkStatus();
    faults = check == ObjectCheck::kWhole ? known.schema->Validate(object)
                                          : known.schema->UnknownFields(object);
    if (faults.empty()) return absl::OkStatus();
  }
  for (json::Violation& fault : faults) fault.pointer.insert(0, std::string(prefix));
  return json::ToStatus(faults, what);
}

}  // namespace purser::connectors
