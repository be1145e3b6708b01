#include "catalog-providers/kubernetes/kubernetes_provider.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "catalog-providers/cluster_source.h"
#include "connectors/kubernetes/object_readiness.h"
#include "json/fields.h"
#include "provider/mapping.h"

namespace purser::catalog_providers {
namespace {

using connectors::FieldSelection;
using connectors::KindQuery;
using Json = nlohmann::json;

constexpr char kKinds[] = R"json({
  "type": "array", "minItems": 1, "maxItems": 200,
  "description": "Kinds to follow. With * in apiVersion or kind: the custom resources whose definition fits, as definitions come and go.",
  "items": {
    "type": "object", "additionalProperties": false, "required": ["apiVersion", "kind"],
    "properties": {
      "apiVersion": {"type": "string", "minLength": 1, "maxLength": 300},
      "kind": {"type": "string", "minLength": 1, "maxLength": 100},
      "labelSelector": {"type": "string", "maxLength": 2000}
    }
  },
  "default": [
    {"apiVersion": "v1", "kind": "Namespace"},
    {"apiVersion": "apps/v1", "kind": "Deployment"},
    {"apiVersion": "apps/v1", "kind": "StatefulSet"},
    {"apiVersion": "apps/v1", "kind": "DaemonSet"},
    {"apiVersion": "batch/v1", "kind": "CronJob"},
    {"apiVersion": "v1", "kind": "Service"},
    {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}
  ]
})json";

constexpr char kDefinitionVersion[] = "apiextensions.k8s.io/v1";
constexpr char kDefinitionKind[] = "CustomResourceDefinition";

// Kinds that never become entities: their values are secret, or they change all the time.
bool IsRefused(absl::string_view kind) { return kind == "Secret" || kind == "Event"; }

bool IsNamespaced(const std::string& kind) {
  static constexpr absl::string_view kCluster[] = {"Namespace", "Node", "PersistentVolume",
                                                   "StorageClass", kDefinitionKind};
  return std::find(std::begin(kCluster), std::end(kCluster), kind) == std::end(kCluster);
}

struct WantedKind {
  std::string api_version;
  std::string kind;
  std::string label_selector;
  bool is_pattern() const { return absl::StrContains(absl::StrCat(api_version, kind), '*'); }
};

class KubernetesMapper final : public ClusterMapper {
 public:
  KubernetesMapper(const ClusterOptions& options, std::vector<WantedKind> wanted)
      : options_(options), wanted_(std::move(wanted)), fields_(CommonFields(options)) {
    connectors::AddReadinessFields(&fields_);
    fields_.Add({"spec", "selector", "matchLabels"});
    for (const char* field : {"rules", "tls"}) fields_.Add({"spec", field});
    follows_namespaces_ = Follows("v1", "Namespace");
    follows_services_ = Follows("v1", "Service");
  }

  absl::StatusOr<std::vector<FollowedKind>> Kinds(const std::string&, connectors::KubernetesReader&,
                                                  std::stop_token) override {
    std::vector<FollowedKind> kinds;
    bool patterns = false;
    for (const WantedKind& wanted : wanted_) {
      if (wanted.is_pattern()) {
        patterns = true;
        continue;
      }
      Append(Followed(wanted.api_version, wanted.kind, wanted.label_selector,
                      IsNamespaced(wanted.kind)),
             &kinds);
    }
    if (patterns) {
      FieldSelection fields;
      for (const char* field : {"name", "labels", "annotations"}) fields.Add({"metadata", field});
      for (const char* field : {"group", "names", "scope"}) fields.Add({"spec", field});
      for (const char* field : {"name", "served", "storage"}) {
        fields.Add({"spec", "versions", field});
      }
      kinds.push_back({{.api_version = kDefinitionVersion, .kind = kDefinitionKind}, fields});
    }
    return kinds;
  }

  std::vector<FollowedKind> KindsOf(const ClusterObject& object) override {
    if (!IsDefinition(object)) return {};
    const std::string group = object.TextAt({"spec", "group"});
    const std::string kind = object.TextAt({"spec", "names", "kind"});
    const std::string version = VersionOf(object);
    if (group.empty() || kind.empty() || version.empty() || IsRefused(kind)) return {};
    const std::string api_version = absl::StrCat(group, "/", version);
    for (const WantedKind& wanted : wanted_) {
      if (wanted.is_pattern() && provider::WildcardMatches(wanted.api_version, api_version) &&
          provider::WildcardMatches(wanted.kind, kind)) {
        return Followed(api_version, kind, wanted.label_selector,
                        object.TextAt({"spec", "scope"}) == "Namespaced");
      }
    }
    return {};
  }

  absl::Status Map(const ClusterObject& object, std::vector<MappedEntity>* entities) override {
    if (IsRefused(object.kind)) return absl::OkStatus();
    if (IsDefinition(object) && !Follows(object.api_version, object.kind)) return absl::OkStatus();
    if (object.kind == "Namespace" && !options_.TakesNamespace(object.name)) {
      return absl::OkStatus();
    }
    // What another object made and keeps is a part of that one.
    const bool job_of_cron = object.kind == "Job" && HasOwner(object);
    const bool replica_set = object.kind == "ReplicaSet" && HasOwner(object);
    const bool pod = object.kind == "Pod" && HasOwner(object);
    if (job_of_cron || replica_set || pod) return absl::OkStatus();

    static constexpr absl::string_view kWorkloads[] = {"Deployment", "StatefulSet", "DaemonSet"};
    static constexpr absl::string_view kJobs[] = {"CronJob", "Job"};
    const auto is = [&object](const auto& kinds) {
      return std::find(std::begin(kinds), std::end(kinds), object.kind) != std::end(kinds);
    };
    const bool is_job = is(kJobs);
    const bool is_component = is_job || is(kWorkloads);
    const std::string type = is_job         ? "job"
                             : is_component ? "service"
                                            : absl::AsciiStrToLower(object.kind);
    Json draft = DraftOf(object, is_component ? "Component" : "Resource", type, /*health=*/true);
    AddSelector(object, &draft);
    if (object.kind == "Ingress") AddHosts(object, &draft);
    if (follows_namespaces_ && !object.namespace_name.empty()) {
      AddRelation("dependsOn",
                  absl::StrCat("resource:default/", EntityNameOf(object.cluster, "namespace", "",
                                                                 object.namespace_name)),
                  &draft);
    }
    PURSER_ASSIGN_OR_RETURN(const bool wanted, CompleteDraft(options_, object, &draft));
    if (wanted) entities->push_back({.entity = std::move(draft)});
    return absl::OkStatus();
  }

 private:
  static void Append(std::vector<FollowedKind> more, std::vector<FollowedKind>* kinds) {
    for (FollowedKind& kind : more) kinds->push_back(std::move(kind));
  }

  static bool IsDefinition(const ClusterObject& object) {
    return object.kind == kDefinitionKind && absl::StartsWith(object.api_version, "apiextensions");
  }

  static bool HasOwner(const ClusterObject& object) {
    const Json* const owners = object.At({"metadata", "ownerReferences"});
    return owners != nullptr && owners->is_array() && !owners->empty();
  }

  // The version that is stored, which is what the others are converted from.
  static std::string VersionOf(const ClusterObject& definition) {
    const Json* const versions = definition.At({"spec", "versions"});
    std::string served;
    if (versions == nullptr || !versions->is_array()) return served;
    for (const Json& version : *versions) {
      if (!version.is_object() || version.value("served", Json()) != true) continue;
      const std::string name = json::TextAt(version, {"name"});
      if (served.empty() || version.value("storage", Json()) == true) served = name;
    }
    return served;
  }

  bool Follows(absl::string_view api_version, absl::string_view kind) const {
    return std::any_of(wanted_.begin(), wanted_.end(), [&](const WantedKind& wanted) {
      return wanted.api_version == api_version && wanted.kind == kind;
    });
  }

  std::vector<FollowedKind> Followed(const std::string& api_version, const std::string& kind,
                                     const std::string& label_selector, bool namespaced) const {
    KindQuery query{.api_version = api_version, .kind = kind};
    query.label_selector = label_selector;
    return FollowedKinds(options_, query, fields_, namespaced);
  }

  // By which Backstage's Kubernetes plugin finds the pods, where no id was given.
  static void AddSelector(const ClusterObject& object, Json* draft) {
    const Json* const labels = object.At({"spec", "selector", "matchLabels"});
    if (labels == nullptr || !labels->is_object() || labels->empty()) return;
    Json& annotations = (*draft)["metadata"]["annotations"];
    if (annotations.contains("backstage.io/kubernetes-id")) return;
    std::vector<std::string> pairs;
    for (const auto& [name, value] : labels->items()) {
      if (value.is_string()) pairs.push_back(absl::StrCat(name, "=", value.get<std::string>()));
    }
    annotations["backstage.io/kubernetes-label-selector"] = absl::StrJoin(pairs, ",");
  }

  void AddHosts(const ClusterObject& object, Json* draft) const {
    const Json* const rules = object.At({"spec", "rules"});
    if (rules == nullptr || !rules->is_array()) return;
    const bool tls = object.At({"spec", "tls"}) != nullptr;
    for (const Json& rule : *rules) {
      const std::string host = json::TextAt(rule, {"host"});
      if (!host.empty() && !absl::StrContains(host, '*')) {
        AddLink(absl::StrCat(tls ? "https://" : "http://", host), host, draft);
      }
      const Json* const paths = json::ValueAt(rule, {"http", "paths"});
      if (!follows_services_ || paths == nullptr || !paths->is_array()) continue;
      for (const Json& path : *paths) {
        const std::string service = json::TextAt(path, {"backend", "service", "name"});
        if (service.empty()) continue;
        AddRelation("dependsOn",
                    absl::StrCat("resource:default/", EntityNameOf(object.cluster, "service",
                                                                   object.namespace_name, service)),
                    draft);
      }
    }
  }

  const ClusterOptions& options_;
  const std::vector<WantedKind> wanted_;
  FieldSelection fields_;
  bool follows_namespaces_ = false;
  bool follows_services_ = false;
};

}  // namespace

KubernetesProvider::KubernetesProvider() {
  description_.id = "kubernetes";
  description_.description =
      "Workloads, namespaces, services, ingresses and custom resources of Kubernetes clusters.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kWatch;
  description_.kinds = {"Component", "Resource", "API", "System", "Domain"};
  description_.config_schema = ClusterConfigSchema({{"kinds", Json::parse(kKinds)}});
}

absl::Status KubernetesProvider::Watch(provider::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const ClusterOptions options, ReadClusterOptions(context));
  std::vector<WantedKind> wanted;
  for (const Json& kind : context.config()["kinds"]) {
    wanted.push_back({kind["apiVersion"].get<std::string>(), kind["kind"].get<std::string>(),
                      kind.value("labelSelector", "")});
    if (IsRefused(wanted.back().kind)) {
      return absl::InvalidArgumentError(
          absl::StrCat("kinds: ", wanted.back().kind, " objects never become entities"));
    }
  }
  KubernetesMapper mapper(options, std::move(wanted));
  return FollowClusters(context, options, mapper);
}

}  // namespace purser::catalog_providers
