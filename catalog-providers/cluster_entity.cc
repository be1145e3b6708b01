// Entities of objects: what all providers of clusters say about them.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/cluster_source.h"
#include "catalog/entity.h"
#include "connectors/kubernetes/object_readiness.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxHealthMessageBytes = 300;

}  // namespace

std::string EntityNameOf(absl::string_view cluster, absl::string_view kind,
                         absl::string_view namespace_name, absl::string_view name) {
  std::string text = absl::StrCat(name, ".", absl::AsciiStrToLower(kind));
  if (!namespace_name.empty()) absl::StrAppend(&text, ".", namespace_name);
  return catalog::SanitizeName(absl::StrCat(text, ".", cluster));
}

Json DraftOf(const ClusterObject& object, absl::string_view entity_kind, absl::string_view type,
             bool health) {
  Json draft = {{"apiVersion", entity_kind == "Template" ? "scaffolder.backstage.io/v1beta3"
                                                         : "backstage.io/v1alpha1"},
                {"kind", std::string(entity_kind)},
                {"metadata", Json::object()},
                {"spec", Json::object()}};
  Json& metadata = draft["metadata"];
  metadata["name"] = EntityNameOf(object.cluster, object.kind, object.namespace_name, object.name);
  metadata["title"] = object.name;
  if (!type.empty()) draft["spec"]["type"] = std::string(type);
  provider::ApplyWellKnownMetadata(object.labels(), object.annotations(), &draft);
  Json& annotations = metadata["annotations"];
  if (!annotations.is_object()) annotations = Json::object();
  const std::string id = object.Id();
  const std::string location = absl::StrCat("kubernetes:", id);
  annotations["backstage.io/managed-by-location"] = location;
  annotations["backstage.io/managed-by-origin-location"] = location;
  annotations[kClusterAnnotation] = object.cluster;
  annotations[kObjectAnnotation] = Json::array({id}).dump();
  annotations["backstage.io/kubernetes-cluster"] = object.cluster;
  if (!object.namespace_name.empty()) {
    annotations["backstage.io/kubernetes-namespace"] = object.namespace_name;
  }
  const connectors::ObjectReadiness readiness = connectors::AssessObject(object.object);
  // Of a kind that has no conditions nothing is known, which is not the same as waiting.
  const bool told = readiness.state != connectors::ObjectState::kWaiting ||
                    !absl::StrContains(object.api_version, '.') ||
                    object.At({"status", "conditions"}) != nullptr;
  if (health && told) {
    const bool deleting = object.At({"metadata", "deletionTimestamp"}) != nullptr;
    annotations[kHealthAnnotation] = deleting ? "deleting"
                                     : readiness.state == connectors::ObjectState::kReady ? "ready"
                                     : readiness.state == connectors::ObjectState::kFailed
                                         ? "failed"
                                         : "progressing";
    if (!readiness.reason.empty()) {
      annotations[kHealthMessageAnnotation] =
          base::EscapeForDisplay(readiness.reason, kMaxHealthMessageBytes);
    }
  }
  return draft;
}

absl::StatusOr<bool> CompleteDraft(const ClusterOptions& options, const ClusterObject& object,
                                   Json* draft, const Json& extra) {
  if (options.rules.size() > 0) {
    Json variables = extra;
    variables["object"] = object.object;
    variables["cluster"] = object.cluster;
    provider::MappingItem item;
    item.api_version = object.api_version;
    item.kind = object.kind;
    item.namespace_name = object.namespace_name;
    item.name = object.name;
    item.labels = object.labels();
    item.annotations = object.annotations();
    item.variables = &variables;
    PURSER_ASSIGN_OR_RETURN(const provider::MappingOutcome outcome,
                            options.rules.Apply(item, draft));
    if (outcome == provider::MappingOutcome::kDropped) return false;
    if (outcome == provider::MappingOutcome::kUnmatched && options.only_matched) return false;
  } else if (options.only_matched) {
    return false;
  }
  provider::FillRequired(options.defaults, draft);
  return true;
}

void AddRelation(absl::string_view list, const std::string& ref, Json* draft) {
  Json& refs = (*draft)["spec"][std::string(list)];
  if (!refs.is_array()) refs = Json::array();
  if (std::find(refs.begin(), refs.end(), ref) == refs.end()) refs.push_back(ref);
}

void AddLink(const std::string& url, const std::string& title, Json* draft) {
  Json& links = (*draft)["metadata"]["links"];
  if (!links.is_array()) links = Json::array();
  if (links.size() >= provider::kMaxEntityLinks) return;
  for (const Json& link : links) {
    if (link.value("url", "") == url) return;
  }
  links.push_back({{"url", url}, {"title", title}});
}

}  // namespace purser::catalog_providers
