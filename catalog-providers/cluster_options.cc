// The config that providers of clusters share, and what they read of objects.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/cluster_source.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;
using connectors::KindQuery;

constexpr char kConfig[] = R"json({
  "clusters": {
    "type": "object", "minProperties": 1, "maxProperties": 100,
    "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 40},
    "description": "The clusters to read, by the name they have in entities.",
    "additionalProperties": {"type": "object", "additionalProperties": false}
  },
  "namespaces": {
    "type": "array", "maxItems": 200, "default": [], "items": {"type": "string", "minLength": 1},
    "description": "Namespaces to read, * for any characters; all when empty. Without any * each is read for itself, so that rights in just these do."
  },
  "excludeNamespaces": {
    "type": "array", "maxItems": 200, "items": {"type": "string", "minLength": 1},
    "default": ["kube-system", "kube-public", "kube-node-lease"],
    "description": "Namespaces to leave out."
  },
  "labelSelector": {
    "type": "string", "maxLength": 2000, "default": "",
    "description": "Of objects to read, as kubectl takes it."
  },
  "defaults": {
    "type": "object", "additionalProperties": false, "default": {},
    "description": "For entities whose object does not say.",
    "properties": {
      "owner": {"type": "string", "minLength": 1, "default": "unknown"},
      "system": {"type": "string", "minLength": 1},
      "lifecycle": {"type": "string", "minLength": 1, "default": "production"}
    }
  },
  "onlyMatched": {
    "type": "boolean", "default": false,
    "description": "Objects that no rule takes become no entity."
  },
  "maxObjects": {
    "type": "integer", "minimum": 1, "maximum": 1000000, "default": 200000,
    "description": "More objects of one kind in a cluster fail the kind: what the catalog has of it stays."
  }
})json";

}  // namespace

ClusterObject::ClusterObject(std::string cluster_name, Json value)
    : cluster(std::move(cluster_name)), object(std::move(value)) {
  api_version = TextAt({"apiVersion"});
  kind = TextAt({"kind"});
  namespace_name = TextAt({"metadata", "namespace"});
  name = TextAt({"metadata", "name"});
}

const Json* ClusterObject::labels() const { return At({"metadata", "labels"}); }
const Json* ClusterObject::annotations() const { return At({"metadata", "annotations"}); }
const Json* ClusterObject::At(std::initializer_list<absl::string_view> path) const {
  return json::ValueAt(object, path);
}
std::string ClusterObject::TextAt(std::initializer_list<absl::string_view> path) const {
  return json::TextAt(object, path);
}

std::string ClusterObject::Id() const {
  const size_t slash = api_version.find('/');
  return absl::StrCat(cluster, "/",
                      slash == std::string::npos ? "core" : api_version.substr(0, slash), "/", kind,
                      "/", namespace_name.empty() ? "-" : namespace_name, "/", name);
}

bool ClusterOptions::TakesNamespace(absl::string_view name) const {
  const auto any = [name](const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(), [name](const std::string& pattern) {
      return provider::WildcardMatches(pattern, name);
    });
  };
  return (namespaces.empty() || any(namespaces)) && !any(excluded_namespaces);
}

Json ClusterConfigSchema(Json properties, const Json& defaults) {
  Json all = Json::parse(kConfig);
  connectors::AddAccessSchema(&all["clusters"]["additionalProperties"]);
  all["rules"] = provider::Mapping::Schema();
  for (const auto& [name, value] : defaults.items()) all[name]["default"] = value;
  all.update(properties);
  return {{"$schema", "http://json-schema.org/draft-07/schema#"},
          {"type", "object"},
          {"required", {"clusters"}},
          {"additionalProperties", false},
          {"properties", std::move(all)}};
}

absl::StatusOr<ClusterOptions> ReadClusterOptions(provider::Context& context) {
  const Json& config = context.config();
  ClusterOptions options;
  for (const auto& [name, block] : config["clusters"].items()) options.clusters[name] = block;
  options.namespaces = config.value("namespaces", std::vector<std::string>());
  options.excluded_namespaces = config.value("excludeNamespaces", std::vector<std::string>());
  options.label_selector = config.value("labelSelector", "");
  options.max_objects = config.value("maxObjects", connectors::kDefaultMaxListObjects);
  options.only_matched = config.value("onlyMatched", false);
  options.defaults = config.value("defaults", Json::object());
  if (!options.defaults.contains("owner")) options.defaults["owner"] = "unknown";
  if (!options.defaults.contains("lifecycle")) options.defaults["lifecycle"] = "production";
  PURSER_ASSIGN_OR_RETURN(options.rules,
                          provider::Mapping::Compile(config.value("rules", Json::array())));
  return options;
}

connectors::FieldSelection CommonFields(const ClusterOptions& options) {
  connectors::FieldSelection fields;
  for (const char* field : {"name", "namespace", "labels", "annotations", "creationTimestamp",
                            "deletionTimestamp", "generation", "ownerReferences"}) {
    fields.Add({"metadata", field});
  }
  for (const provider::FieldPath& path : options.rules.FieldsOf("object")) fields.Add(path);
  fields.Drop({"metadata", "managedFields"});
  // The whole object once more, and at times what was meant to be secret.
  fields.Drop({"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"});
  return fields;
}

std::vector<FollowedKind> FollowedKinds(const ClusterOptions& options, const KindQuery& query,
                                        const connectors::FieldSelection& fields, bool namespaced) {
  FollowedKind kind{query, fields};
  if (kind.query.label_selector.empty()) kind.query.label_selector = options.label_selector;
  const bool each = namespaced && !options.namespaces.empty() &&
                    std::none_of(options.namespaces.begin(), options.namespaces.end(),
                                 [](const std::string& pattern) {
                                   return pattern.find_first_of("*?") != std::string::npos;
                                 });
  if (!each) return {std::move(kind)};
  std::vector<FollowedKind> kinds;
  for (const std::string& name : options.namespaces) {
    kind.query.namespace_name = name;
    kinds.push_back(kind);
  }
  return kinds;
}

}  // namespace purser::catalog_providers
