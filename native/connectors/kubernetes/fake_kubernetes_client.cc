#include "connectors/kubernetes/fake_kubernetes_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// Leaf pointer → value of what a manager may own.
void Flatten(const Json& value, const std::string& pointer, std::map<std::string, Json>* out) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, member] : value.items()) {
      Flatten(member, absl::StrCat(pointer, "/", json::PointerToken(key)), out);
    }
    return;
  }
  (*out)[pointer] = value;
}

std::map<std::string, Json> Leaves(Json object) {
  for (const char* key : {"apiVersion", "kind", "status"}) object.erase(key);
  if (object.contains("metadata")) {
    for (const char* key : {"name", "namespace", "uid", "resourceVersion", "generation",
                            "creationTimestamp", "deletionTimestamp"}) {
      object["metadata"].erase(key);
    }
    if (object["metadata"].empty()) object.erase("metadata");
  }
  std::map<std::string, Json> out;
  for (const auto& [key, member] : object.items()) {
    Flatten(member, absl::StrCat("/", json::PointerToken(key)), &out);
  }
  return out;
}

}  // namespace

FakeKubernetesClient::FakeKubernetesClient() {
  for (const char* kind : {"ConfigMap", "Secret", "Service"}) AddKind("v1", kind, true);
  for (const char* kind : {"ResourceQuota", "LimitRange", "ServiceAccount"}) {
    AddKind("v1", kind, true);
  }
  for (const char* kind : {"Role", "RoleBinding"}) {
    AddKind("rbac.authorization.k8s.io/v1", kind, true);
  }
  AddKind("networking.k8s.io/v1", "NetworkPolicy", true);
  AddKind("apiextensions.k8s.io/v1", "CustomResourceDefinition", false);
  AddKind("v1", "Namespace", false);
  AddKind("apps/v1", "Deployment", true);
}

void FakeKubernetesClient::AddKind(absl::string_view api_version, absl::string_view kind,
                                   bool namespaced) {
  base::MutexLock lock(mutex_);
  kinds_[absl::StrCat(api_version, " ", kind)] = namespaced;
}

void FakeKubernetesClient::Learn(const Json& definition) {
  const Json& spec = definition.at("spec");
  const std::string group = spec.at("group").get<std::string>();
  const std::string kind = spec.at("names").at("kind").get<std::string>();
  for (const Json& version : spec.at("versions")) {
    kinds_[absl::StrCat(group, "/", version.at("name").get<std::string>(), " ", kind)] =
        spec.at("scope") == "Namespaced";
  }
  definitions_[absl::StrCat(group, " ", kind)] = definition;
}

void FakeKubernetesClient::AddDefinition(const Json& definition) {
  base::MutexLock lock(mutex_);
  Learn(definition);
}

void FakeKubernetesClient::Forbid(absl::string_view verb, absl::string_view kind) {
  base::MutexLock lock(mutex_);
  forbidden_.insert(absl::StrCat(verb, " ", kind));
}

std::string FakeKubernetesClient::KeyOf(const ObjectRef& ref) {
  return absl::StrCat(ref.group(), " ", ref.kind, " ", ref.namespace_name, " ", ref.name);
}

absl::Status FakeKubernetesClient::TakeFailure() {
  if (failures_.empty()) return absl::OkStatus();
  absl::Status status = failures_.front();
  failures_.erase(failures_.begin());
  return status;
}

absl::Status FakeKubernetesClient::PatchStatus(const ObjectRef& ref, const Json& status) {
  base::MutexLock lock(mutex_);
  const auto found = objects_.find(KeyOf(ref));
  if (found == objects_.end()) return absl::NotFoundError(ref.ToString());
  found->second.object["status"].merge_patch(status);
  found->second.object["metadata"]["resourceVersion"] = absl::StrCat(++version_);
  return absl::OkStatus();
}

void FakeKubernetesClient::FailNext(absl::Status status) {
  base::MutexLock lock(mutex_);
  failures_.push_back(std::move(status));
}

void FakeKubernetesClient::KeepDeleted(bool keep) {
  base::MutexLock lock(mutex_);
  keep_deleted_ = keep;
}

void FakeKubernetesClient::Finalize(const ObjectRef& ref) {
  base::MutexLock lock(mutex_);
  objects_.erase(KeyOf(ref));
}

int FakeKubernetesClient::applies() const {
  base::MutexLock lock(mutex_);
  return applies_;
}

size_t FakeKubernetesClient::size() const {
  base::MutexLock lock(mutex_);
  return objects_.size();
}

std::vector<std::pair<std::string, std::string>> FakeKubernetesClient::conflicts() const {
  base::MutexLock lock(mutex_);
  return conflicts_;
}

absl::StatusOr<bool> FakeKubernetesClient::IsNamespaced(absl::string_view api_version,
                                                        absl::string_view kind,
                                                        const ClientLimits&) {
  base::MutexLock lock(mutex_);
  const auto found = kinds_.find(absl::StrCat(api_version, " ", kind));
  if (found == kinds_.end()) {
    return absl::FailedPreconditionError(absl::StrCat("serves no kind ", kind));
  }
  return found->second;
}

absl::StatusOr<Json> FakeKubernetesClient::Get(const ObjectRef& ref, const ClientLimits&) {
  base::MutexLock lock(mutex_);
  PURSER_RETURN_IF_ERROR(TakeFailure());
  const auto found = objects_.find(KeyOf(ref));
  if (found == objects_.end()) return absl::NotFoundError(ref.ToString());
  return found->second.object;
}

absl::StatusOr<Json> FakeKubernetesClient::Apply(const ObjectRef& ref, const Json& object,
                                                 const ApplyOptions& options, const ClientLimits&) {
  base::MutexLock lock(mutex_);
  PURSER_RETURN_IF_ERROR(TakeFailure());
  ++applies_;
  conflicts_.clear();
  const std::string& manager = options.field_manager;
  const std::map<std::string, Json> leaves = Leaves(object);
  const auto existing = objects_.find(KeyOf(ref));
  const bool created = existing == objects_.end();
  Kept next = created ? Kept{} : existing->second;
  for (const auto& [pointer, value] : leaves) {
    const auto owners = next.owners.find(pointer);
    const Json::json_pointer place(pointer);
    if (owners == next.owners.end() || !next.object.contains(place) ||
        next.object.at(place) == value) {
      continue;
    }
    for (const std::string& owner : owners->second) {
      if (owner != manager) conflicts_.emplace_back(pointer, owner);
    }
  }
  if (!conflicts_.empty() && !options.force) {
    return absl::FailedPreconditionError(
        absl::StrCat(ref.ToString(), ": ", conflicts_.size(), " fields in conflict"));
  }
  if (created) {
    next.object = {{"apiVersion", ref.api_version}, {"kind", ref.kind}};
    next.object["metadata"] = {
        {"name", ref.name}, {"uid", absl::StrCat("uid-", version_ + 1)}, {"generation", 0}};
    if (!ref.namespace_name.empty()) next.object["metadata"]["namespace"] = ref.namespace_name;
  }
  const Json spec_before = next.object.value("spec", Json());
  // What this manager owned alone and no longer gives goes.
  for (auto owned = next.owners.begin(); owned != next.owners.end();) {
    owned->second.erase(leaves.contains(owned->first) ? "" : manager);
    if (owned->second.empty()) {
      const Json::json_pointer place(owned->first);
      if (next.object.contains(place)) next.object.at(place.parent_pointer()).erase(place.back());
      owned = next.owners.erase(owned);
    } else {
      ++owned;
    }
  }
  for (const auto& [pointer, value] : leaves) {
    const Json::json_pointer place(pointer);
    const bool changes = !next.object.contains(place) || next.object.at(place) != value;
    next.object[place] = value;
    if (changes && options.force) next.owners[pointer].clear();
    next.owners[pointer].insert(manager);
  }
  if (created || next.object.value("spec", Json()) != spec_before) {
    next.object["metadata"]["generation"] = next.object["metadata"]["generation"].get<int>() + 1;
  }
  if (options.dry_run) return next.object;
  if (ref.kind == "CustomResourceDefinition") {
    Learn(next.object);
    next.object["status"]["conditions"] =
        Json::array({{{"type", "Established"}, {"status", "True"}}});
  }
  // There is no controller that would do it.
  if (created && ref.kind == "Namespace") next.object["status"]["phase"] = "Active";
  next.object["metadata"]["resourceVersion"] = absl::StrCat(++version_);
  Kept& kept = objects_[KeyOf(ref)] = std::move(next);
  return kept.object;
}

absl::Status FakeKubernetesClient::Delete(const ObjectRef& ref, absl::string_view uid,
                                          const ClientLimits&) {
  base::MutexLock lock(mutex_);
  PURSER_RETURN_IF_ERROR(TakeFailure());
  const auto found = objects_.find(KeyOf(ref));
  if (found == objects_.end()) return absl::NotFoundError(ref.ToString());
  if (!uid.empty() && found->second.object["metadata"]["uid"] != std::string(uid)) {
    return absl::FailedPreconditionError(
        absl::StrCat(ref.ToString(), ": the object under that name is another one (uid differs)"));
  }
  if (keep_deleted_) {
    found->second.object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  } else {
    objects_.erase(found);
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> FakeKubernetesClient::Merge(const ObjectRef& ref, const Json& patch,
                                                 absl::string_view subresource,
                                                 const ApplyOptions& options, const ClientLimits&) {
  base::MutexLock lock(mutex_);
  PURSER_RETURN_IF_ERROR(TakeFailure());
  const auto found = objects_.find(KeyOf(ref));
  if (found == objects_.end()) return absl::NotFoundError(ref.ToString());
  Json object = found->second.object;
  const Json metadata = object["metadata"];
  if (subresource.empty()) {
    object.merge_patch(patch);
    if (object.value("spec", Json()) != found->second.object.value("spec", Json())) {
      object["metadata"]["generation"] = metadata["generation"].get<int>() + 1;
    }
  } else {
    object[std::string(subresource)].merge_patch(
        patch.value(std::string(subresource), Json::object()));
  }
  if (options.dry_run) return object;
  object["metadata"]["resourceVersion"] = absl::StrCat(++version_);
  found->second.object = std::move(object);
  return found->second.object;
}

absl::StatusOr<Json> FakeKubernetesClient::Definition(absl::string_view api_version,
                                                      absl::string_view kind, const ClientLimits&) {
  base::MutexLock lock(mutex_);
  const std::string group = ObjectRef{std::string(api_version), "", "", ""}.group();
  const auto found = definitions_.find(absl::StrCat(group, " ", kind));
  if (found == definitions_.end()) return absl::NotFoundError(absl::StrCat("definition of ", kind));
  return found->second;
}

absl::StatusOr<AccessAnswer> FakeKubernetesClient::MayI(absl::string_view verb,
                                                        const ObjectRef& ref, const ClientLimits&) {
  base::MutexLock lock(mutex_);
  const bool no = forbidden_.contains(absl::StrCat(verb, " ", ref.kind)) ||
                  forbidden_.contains(absl::StrCat(verb, " "));
  return AccessAnswer{!no, no ? "no RBAC policy matched" : ""};
}

absl::StatusOr<std::vector<FoundObject>> FakeKubernetesClient::Find(
    absl::string_view api_version, absl::string_view kind, absl::string_view namespace_name,
    absl::string_view label_selector, const ClientLimits&) {
  base::MutexLock lock(mutex_);
  PURSER_RETURN_IF_ERROR(TakeFailure());
  const std::pair<std::string, std::string> label = absl::StrSplit(label_selector, '=');
  std::vector<FoundObject> found;
  for (const auto& [key, kept] : objects_) {
    const Json& metadata = kept.object["metadata"];
    const ObjectRef ref{std::string(api_version), std::string(kind),
                        metadata.value("namespace", ""), metadata.value("name", "")};
    if (KeyOf(ref) != key || (!namespace_name.empty() && ref.namespace_name != namespace_name) ||
        metadata.value("labels", Json::object()).value(label.first, "") != label.second) {
      continue;
    }
    found.push_back({ref, metadata.value("uid", "")});
  }
  return found;
}

}  // namespace purser::connectors
