#include "catalog-providers/flux/flux_provider.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "catalog-providers/cluster_source.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

constexpr char kSourceGroup[] = "source.toolkit.fluxcd.io/*";
constexpr char kKustomizeGroup[] = "kustomize.toolkit.fluxcd.io/*";
constexpr char kHelmGroup[] = "helm.toolkit.fluxcd.io/*";

struct FluxKind {
  const char* group;
  const char* kind;
  const char* type;  // of the entity
};
constexpr FluxKind kKinds[] = {
    {kSourceGroup, "GitRepository", "git-repository"},
    {kSourceGroup, "OCIRepository", "oci-repository"},
    {kSourceGroup, "HelmRepository", "helm-repository"},
    {kSourceGroup, "Bucket", "bucket"},
    {kKustomizeGroup, "Kustomization", "kustomization"},
    {kHelmGroup, "HelmRelease", "helm-release"},
};

// A web address people may look at: without a user's name and password.
std::string WebUrl(std::string url) {
  const size_t scheme = url.find("://");
  if (!absl::StartsWith(url, "https://") && !absl::StartsWith(url, "http://")) return "";
  const size_t authority = scheme + 3;
  const size_t slash = url.find('/', authority);
  const size_t user = url.rfind('@', slash == std::string::npos ? url.size() : slash);
  if (user != std::string::npos && user >= authority) url.erase(authority, user + 1 - authority);
  return std::string(absl::StripSuffix(url, ".git"));
}

class FluxMapper final : public ClusterMapper {
 public:
  explicit FluxMapper(const ClusterOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<FollowedKind>> Kinds(const std::string&, connectors::KubernetesReader&,
                                                  std::stop_token) override {
    connectors::FieldSelection fields = CommonFields(options_);
    for (const char* field :
         {"url", "ref", "path", "sourceRef", "dependsOn", "suspend", "targetNamespace",
          "releaseName", "chartRef", "endpoint", "bucketName"}) {
      fields.Add({"spec", field});
    }
    fields.Add({"spec", "chart", "spec", "chart"});
    fields.Add({"spec", "chart", "spec", "version"});
    fields.Add({"spec", "chart", "spec", "sourceRef"});
    for (const char* field :
         {"conditions", "observedGeneration", "lastAppliedRevision", "lastAttemptedRevision"}) {
      fields.Add({"status", field});
    }
    fields.Add({"status", "artifact", "revision"});
    for (const char* field : {"chartName", "chartVersion", "appVersion", "status"}) {
      fields.Add({"status", "history", field});
    }
    std::vector<FollowedKind> kinds;
    for (const FluxKind& kind : kKinds) {
      for (FollowedKind& followed :
           FollowedKinds(options_, {.api_version = kind.group, .kind = kind.kind}, fields,
                         /*namespaced=*/true)) {
        kinds.push_back(std::move(followed));
      }
    }
    return kinds;
  }

  absl::Status Map(const ClusterObject& object, std::vector<MappedEntity>* entities) override {
    const char* type = nullptr;
    for (const FluxKind& kind : kKinds) {
      if (object.kind == kind.kind) type = kind.type;
    }
    if (type == nullptr) return absl::OkStatus();
    Json draft = DraftOf(object, "Resource", type, /*health=*/true);
    Json& annotations = draft["metadata"]["annotations"];
    const auto note = [&](const char* name, const std::string& text) {
      if (!text.empty()) annotations[name] = text;
    };
    const Json* const suspend = object.At({"spec", "suspend"});
    if (suspend != nullptr && *suspend == true) annotations[kHealthAnnotation] = "suspended";
    std::string revision = object.TextAt({"status", "artifact", "revision"});
    if (revision.empty()) revision = object.TextAt({"status", "lastAppliedRevision"});
    if (revision.empty()) revision = object.TextAt({"status", "lastAttemptedRevision"});
    note("purser.dev/flux-revision", revision);
    note("purser.dev/flux-path", object.TextAt({"spec", "path"}));
    const std::string url = WebUrl(object.TextAt({"spec", "url"}));
    if (!url.empty()) AddLink(url, "Source", &draft);

    AddReference(object, object.At({"spec", "sourceRef"}), &draft);
    AddReference(object, object.At({"spec", "chartRef"}), &draft);
    AddReference(object, object.At({"spec", "chart", "spec", "sourceRef"}), &draft);
    const Json* const needed = object.At({"spec", "dependsOn"});
    if (needed != nullptr && needed->is_array()) {
      for (const Json& other : *needed) AddReference(object, &other, &draft);
    }
    if (object.kind == "HelmRelease") {
      std::string chart = object.TextAt({"spec", "chart", "spec", "chart"});
      std::string version = object.TextAt({"spec", "chart", "spec", "version"});
      const Json* const history = object.At({"status", "history"});
      if (history != nullptr && history->is_array() && !history->empty()) {
        // The newest comes first.
        const std::string installed = json::TextAt((*history)[0], {"chartVersion"});
        if (!installed.empty()) version = installed;
        if (chart.empty()) chart = json::TextAt((*history)[0], {"chartName"});
        note("purser.dev/helm-app-version", json::TextAt((*history)[0], {"appVersion"}));
        note("purser.dev/helm-status", json::TextAt((*history)[0], {"status"}));
      }
      note("purser.dev/helm-chart", chart);
      note("purser.dev/helm-chart-version", version);
    }
    PURSER_ASSIGN_OR_RETURN(const bool wanted, CompleteDraft(options_, object, &draft));
    if (wanted) entities->push_back({.entity = std::move(draft)});
    return absl::OkStatus();
  }

 private:
  // {kind, name, namespace}; the kind is the object's own where none is said.
  static void AddReference(const ClusterObject& object, const Json* reference, Json* draft) {
    if (reference == nullptr) return;
    const std::string name = json::TextAt(*reference, {"name"});
    if (name.empty()) return;
    std::string kind = json::TextAt(*reference, {"kind"});
    if (kind.empty()) kind = object.kind;
    std::string namespace_name = json::TextAt(*reference, {"namespace"});
    if (namespace_name.empty()) namespace_name = object.namespace_name;
    AddRelation(
        "dependsOn",
        absl::StrCat("resource:default/", EntityNameOf(object.cluster, kind, namespace_name, name)),
        draft);
  }

  const ClusterOptions& options_;
};

}  // namespace

FluxProvider::FluxProvider() {
  description_.id = "flux";
  description_.description =
      "Sources, kustomizations and Helm releases of Flux, with revision and health.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kWatch;
  description_.kinds = {"Component", "Resource", "System"};
  description_.config_schema =
      ClusterConfigSchema(Json::object(), {{"excludeNamespaces", Json::array()}});
}

absl::Status FluxProvider::Watch(provider::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const ClusterOptions options, ReadClusterOptions(context));
  FluxMapper mapper(options);
  return FollowClusters(context, options, mapper);
}

}  // namespace purser::catalog_providers
