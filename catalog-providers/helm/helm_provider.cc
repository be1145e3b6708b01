#include "catalog-providers/helm/helm_provider.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog-providers/cluster_source.h"
#include "catalog-providers/helm/helm_release.h"
#include "catalog/entity.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

// What Helm says of a release, in the words of kHealthAnnotation.
std::string HealthOf(const std::string& status) {
  if (status == "deployed") return "ready";
  if (status == "failed") return "failed";
  if (status == "uninstalling") return "deleting";
  return "progressing";  // pending-install, pending-upgrade, pending-rollback
}

class HelmMapper final : public ClusterMapper {
 public:
  explicit HelmMapper(const ClusterOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<FollowedKind>> Kinds(const std::string&, connectors::KubernetesReader&,
                                                  std::stop_token) override {
    connectors::KindQuery query{.api_version = "v1", .kind = "Secret"};
    query.field_selector = connectors::kHelmSecretSelector;
    // Ten superseded revisions are kept of each release: nobody needs to read them.
    query.label_selector = "owner=helm,status!=superseded,status!=uninstalled";
    if (!options_.label_selector.empty()) {
      absl::StrAppend(&query.label_selector, ",", options_.label_selector);
    }
    // Not what the rules ask for: they see the release, not the Secret.
    connectors::FieldSelection fields;
    for (const char* field : {"name", "namespace", "labels"}) fields.Add({"metadata", field});
    fields.Add({"data", "release"});
    return FollowedKinds(options_, query, fields, /*namespaced=*/true);
  }

  absl::Status Map(const ClusterObject& object, std::vector<MappedEntity>* entities) override {
    absl::StatusOr<Json> release = DecodeHelmRelease(object.TextAt({"data", "release"}));
    PURSER_RETURN_IF_ERROR(release.status());
    const std::string name = json::TextAt(*release, {"name"});
    if (name.empty()) return absl::InvalidArgumentError("the release has no name");
    const std::string status = json::TextAt(*release, {"info", "status"});
    if (status == "superseded" || status == "uninstalled") return absl::OkStatus();
    const Json* const version = json::ValueAt(*release, {"version"});
    const int64_t revision =
        version != nullptr && version->is_number_integer() ? version->get<int64_t>() : 0;

    // As if there were objects of kind Release; nothing of the Secret goes on.
    Json value = {{"apiVersion", "helm.sh/v3"},
                  {"kind", "Release"},
                  {"metadata", {{"name", name}, {"namespace", object.namespace_name}}},
                  {"release", *release}};
    if (object.labels() != nullptr) value["metadata"]["labels"] = *object.labels();
    const ClusterObject shown(object.cluster, std::move(value));
    Json draft = DraftOf(shown, "Resource", "helm-release", /*health=*/false);
    Json& metadata = draft["metadata"];
    Json& annotations = metadata["annotations"];
    annotations[kHealthAnnotation] = HealthOf(status);
    annotations["purser.dev/helm-status"] = status;
    annotations["purser.dev/helm-revision"] = absl::StrCat(revision);
    const auto note = [&](const char* annotation, const std::string& text) {
      if (!text.empty()) annotations[annotation] = text;
    };
    note("purser.dev/helm-chart", json::TextAt(*release, {"chart", "metadata", "name"}));
    note("purser.dev/helm-chart-version", json::TextAt(*release, {"chart", "metadata", "version"}));
    note("purser.dev/helm-app-version",
         json::TextAt(*release, {"chart", "metadata", "appVersion"}));
    note("purser.dev/deployed-at", json::TextAt(*release, {"info", "last_deployed"}));
    const std::string description = json::TextAt(*release, {"chart", "metadata", "description"});
    if (!description.empty()) metadata["description"] = description;
    const std::string home = json::TextAt(*release, {"chart", "metadata", "home"});
    if (absl::StartsWith(home, "https://")) AddLink(home, "Home of the chart", &draft);
    PURSER_ASSIGN_OR_RETURN(const bool wanted, CompleteDraft(options_, shown, &draft));
    // Each revision is a Secret of its own; the newest counts.
    if (wanted) entities->push_back({std::move(draft), revision, /*shared=*/true});
    return absl::OkStatus();
  }

 private:
  const ClusterOptions& options_;
};

}  // namespace

HelmProvider::HelmProvider() {
  description_.id = "helm";
  description_.description =
      "Releases of Helm in Kubernetes clusters: chart, version and status, never values.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kWatch;
  description_.kinds = {"Component", "Resource", "System"};
  description_.config_schema =
      ClusterConfigSchema(Json::object(), {{"excludeNamespaces", Json::array()}});
}

absl::Status HelmProvider::Watch(provider::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const ClusterOptions options, ReadClusterOptions(context));
  HelmMapper mapper(options);
  return FollowClusters(context, options, mapper);
}

}  // namespace purser::catalog_providers
