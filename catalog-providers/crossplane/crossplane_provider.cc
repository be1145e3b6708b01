#include "catalog-providers/crossplane/crossplane_provider.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "catalog-providers/cluster_source.h"
#include "catalog-providers/crossplane/definition.h"
#include "catalog-providers/crossplane/offer_template.h"
#include "connectors/kubernetes/object_readiness.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

constexpr char kGroup[] = "apiextensions.crossplane.io/*";
constexpr char kDefinition[] = "CompositeResourceDefinition";
// What an object says of itself goes before what its owner says of it.
constexpr int64_t kOwnRank = 1;

constexpr char kTemplates[] = R"json({
  "type": "object", "additionalProperties": false, "default": {},
  "description": "How definitions are offered as templates.",
  "properties": {
    "way": {"enum": ["pullRequest", "request", "none"], "default": "pullRequest",
      "description": "A manifest by pull or merge request, a request of a blueprint, or no templates."},
    "repoUrl": {"type": "string", "minLength": 1,
      "description": "Repository of the manifests, as RepoUrlPicker gives it; without it people pick one."},
    "host": {"enum": ["github", "gitlab"], "default": "github"},
    "path": {"type": "string", "minLength": 1,
      "description": "Folder of the manifests; the plural of the kind when not given."},
    "targetBranch": {"type": "string", "minLength": 1},
    "blueprint": {"type": "string", "minLength": 1,
      "description": "Of requests: gets apiVersion, kind, name, namespace and spec."}
  },
  "if": {"properties": {"way": {"const": "request"}}, "required": ["way"]},
  "then": {"required": ["blueprint"]}
})json";

class CrossplaneMapper final : public ClusterMapper {
 public:
  CrossplaneMapper(const ClusterOptions& options, OfferOptions offer)
      : options_(options), offer_(std::move(offer)) {}

  absl::StatusOr<std::vector<FollowedKind>> Kinds(const std::string&, connectors::KubernetesReader&,
                                                  std::stop_token) override {
    connectors::FieldSelection fields = CommonFields(options_);
    for (const char* field : {"group", "names", "claimNames", "scope", "versions"}) {
      fields.Add({"spec", field});
    }
    connectors::AddReadinessFields(&fields);
    std::vector<FollowedKind> kinds;
    kinds.push_back({{.api_version = kGroup, .kind = kDefinition}, fields});
    return kinds;
  }

  std::vector<FollowedKind> KindsOf(const ClusterObject& object) override {
    std::vector<FollowedKind> kinds;
    if (!IsDefinition(object)) return kinds;
    const absl::StatusOr<CompositeDefinition> definition = CompositeDefinition::Read(object);
    if (!definition.ok()) return kinds;
    connectors::FieldSelection fields = CommonFields(options_);
    for (const char* field : {"resourceRef", "resourceRefs", "compositionRef"}) {
      fields.Add({"spec", field});
      fields.Add({"spec", "crossplane", field});
    }
    connectors::AddReadinessFields(&fields);
    const auto add = [&](const OfferedKind& kind) {
      for (FollowedKind& followed :
           FollowedKinds(options_, {.api_version = definition->api_version(), .kind = kind.kind},
                         fields, kind.namespaced)) {
        kinds.push_back(std::move(followed));
      }
    };
    {
      base::MutexLock lock(mutex_);
      composites_.insert(
          KindKey(object.cluster, definition->api_version(), definition->composite.kind));
    }
    add(definition->composite);
    if (definition->claim.has_value()) add(*definition->claim);
    return kinds;
  }

  absl::Status Map(const ClusterObject& object, std::vector<MappedEntity>* entities) override {
    return IsDefinition(object) ? MapDefinition(object, entities) : MapObject(object, entities);
  }

 private:
  static bool IsDefinition(const ClusterObject& object) {
    return object.kind == kDefinition && absl::StartsWith(object.api_version, "apiextensions.");
  }

  absl::Status MapDefinition(const ClusterObject& object,
                             std::vector<MappedEntity>* entities) const {
    PURSER_ASSIGN_OR_RETURN(const CompositeDefinition definition,
                            CompositeDefinition::Read(object));
    const OfferedKind& offered = definition.offered();
    const std::string description = json::TextAt(definition.schema, {"description"});
    const auto begin = [&](const char* kind, const char* type) {
      Json draft = DraftOf(object, kind, type, /*health=*/false);
      if (!draft["metadata"].contains("description") && !description.empty()) {
        draft["metadata"]["description"] = description;
      }
      draft["metadata"]["title"] = offered.kind;
      Json& annotations = draft["metadata"]["annotations"];
      annotations["purser.dev/crossplane-kind"] = offered.kind;
      annotations["purser.dev/crossplane-api-version"] = definition.api_version();
      return draft;
    };
    Json api = begin("API", "openapi");
    api["spec"]["definition"] = ApiDefinitionOf(definition);
    PURSER_ASSIGN_OR_RETURN(const bool api_wanted, CompleteDraft(options_, object, &api));
    if (api_wanted) entities->push_back({.entity = std::move(api)});
    if (offer_.way == OfferOptions::Way::kNone) return absl::OkStatus();
    Json offer = begin("Template", "resource");
    const int64_t left_out = AddOffer(definition, offer_, &offer);
    if (left_out > 0) {
      offer["metadata"]["annotations"]["purser.dev/crossplane-fields-left-out"] =
          absl::StrCat(left_out);
    }
    PURSER_ASSIGN_OR_RETURN(const bool offer_wanted, CompleteDraft(options_, object, &offer));
    if (offer_wanted) entities->push_back({.entity = std::move(offer)});
    return absl::OkStatus();
  }

  // Claims and composites: what they are made of hangs below them.
  absl::Status MapObject(const ClusterObject& object, std::vector<MappedEntity>* entities) const {
    Json draft = DraftOf(object, "Resource", absl::AsciiStrToLower(object.kind), /*health=*/true);
    std::string composition = object.TextAt({"spec", "crossplane", "compositionRef", "name"});
    if (composition.empty()) composition = object.TextAt({"spec", "compositionRef", "name"});
    if (!composition.empty()) {
      draft["metadata"]["annotations"]["purser.dev/crossplane-composition"] = composition;
    }
    std::vector<MappedEntity> parts;
    // A claim has one composite.
    if (const Json* const composite = object.At({"spec", "resourceRef"})) {
      AddPart(object, *composite, &draft, nullptr);
    }
    for (const Json* const list :
         {object.At({"spec", "resourceRefs"}), object.At({"spec", "crossplane", "resourceRefs"})}) {
      if (list == nullptr || !list->is_array()) continue;
      for (const Json& reference : *list) AddPart(object, reference, &draft, &parts);
    }
    PURSER_ASSIGN_OR_RETURN(const bool wanted, CompleteDraft(options_, object, &draft));
    if (!wanted) return absl::OkStatus();
    // Composed resources belong to whom the composite belongs.
    for (MappedEntity& part : parts) {
      part.entity["spec"]["owner"] = draft["spec"]["owner"];
      if (draft["spec"].contains("system")) part.entity["spec"]["system"] = draft["spec"]["system"];
    }
    entities->push_back({std::move(draft), kOwnRank, /*shared=*/false});
    for (MappedEntity& part : parts) {
      if (entities->size() < kMaxEntitiesOfObject) entities->push_back(std::move(part));
    }
    return absl::OkStatus();
  }

  static std::string KindKey(const std::string& cluster, const std::string& api_version,
                             const std::string& kind) {
    return absl::StrCat(cluster, "/", api_version.substr(0, api_version.find('/')), "/", kind);
  }
  bool IsComposite(const ClusterObject& object) const {
    base::MutexLock lock(mutex_);
    return composites_.contains(KindKey(object.cluster, object.api_version, object.kind));
  }

  // `parts` gets an entity that says what the reference says. A part that is a composite itself is
  // followed, and says more of itself.
  void AddPart(const ClusterObject& object, const Json& reference, Json* draft,
               std::vector<MappedEntity>* parts) const {
    Json value = {{"apiVersion", json::TextAt(reference, {"apiVersion"})},
                  {"kind", json::TextAt(reference, {"kind"})},
                  {"metadata", {{"name", json::TextAt(reference, {"name"})}}}};
    std::string namespace_name = json::TextAt(reference, {"namespace"});
    // Composites of namespaces have their parts beside them; others live in none.
    if (namespace_name.empty() && object.At({"spec", "crossplane"}) != nullptr) {
      namespace_name = object.namespace_name;
    }
    if (!namespace_name.empty()) value["metadata"]["namespace"] = namespace_name;
    const ClusterObject part(object.cluster, std::move(value));
    // Named when Crossplane gets to it.
    if (part.kind.empty() || part.name.empty()) return;
    AddRelation("dependsOn",
                absl::StrCat("resource:default/",
                             EntityNameOf(part.cluster, part.kind, part.namespace_name, part.name)),
                draft);
    if (parts == nullptr || IsComposite(part)) return;
    parts->push_back({DraftOf(part, "Resource", absl::AsciiStrToLower(part.kind), false), 0,
                      /*shared=*/true});
  }

  const ClusterOptions& options_;
  const OfferOptions offer_;
  mutable base::Mutex mutex_;
  std::set<std::string> composites_ ABSL_GUARDED_BY(mutex_);  // kinds that definitions define
};

OfferOptions ReadOffer(const Json& config) {
  OfferOptions offer;
  const Json templates = config.value("templates", Json::object());
  const std::string way = templates.value("way", "pullRequest");
  offer.way = way == "none"      ? OfferOptions::Way::kNone
              : way == "request" ? OfferOptions::Way::kRequest
                                 : OfferOptions::Way::kPullRequest;
  offer.repo_url = templates.value("repoUrl", "");
  offer.host_kind = templates.value("host", "github");
  offer.path = templates.value("path", "");
  offer.target_branch = templates.value("targetBranch", "");
  offer.blueprint = templates.value("blueprint", "");
  return offer;
}

}  // namespace

CrossplaneProvider::CrossplaneProvider() {
  description_.id = "crossplane";
  description_.description =
      "Crossplane's definitions as templates and APIs; claims and composites as trees of "
      "resources.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kWatch;
  description_.kinds = {"API", "Component", "Resource", "System", "Template"};
  description_.config_schema = ClusterConfigSchema({{"templates", Json::parse(kTemplates)}},
                                                   {{"excludeNamespaces", Json::array()}});
}

absl::Status CrossplaneProvider::Watch(provider::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const ClusterOptions options, ReadClusterOptions(context));
  CrossplaneMapper mapper(options, ReadOffer(context.config()));
  return FollowClusters(context, options, mapper);
}

}  // namespace purser::catalog_providers
