// What the providers that read Kubernetes clusters share: they name kinds and turn objects into
// entities; lists, watches, many clusters, failures and removals are handled here.
//
//   class CertificateMapper final : public ClusterMapper { … };
//   absl::Status Watch(provider::Context& context) override {
//     PURSER_ASSIGN_OR_RETURN(const ClusterOptions options, ReadClusterOptions(context));
//     CertificateMapper mapper(options);
//     return FollowClusters(context, options, mapper);
//   }
#ifndef PURSER_CATALOG_PROVIDERS_CLUSTER_SOURCE_H_
#define PURSER_CATALOG_PROVIDERS_CLUSTER_SOURCE_H_

#include <initializer_list>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "connectors/kubernetes/kubeconfig.h"
#include "connectors/kubernetes/kubernetes_reader.h"
#include "nlohmann/json.hpp"
#include "provider/mapping.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

inline constexpr size_t kMaxClusters = 100;           // of one instance
inline constexpr size_t kMaxFollowedKinds = 500;      // of one instance: each is one connection
inline constexpr size_t kMaxEntitiesOfObject = 100;   // that one object may stand for
inline constexpr int kMaxLoggedObjectProblems = 200;  // of one run; the rest is counted

// Annotations that all entities of clusters have.
inline constexpr char kClusterAnnotation[] = "purser.dev/cluster";
inline constexpr char kObjectAnnotation[] = "purser.dev/resource-ids";  // a JSON list
inline constexpr char kHealthAnnotation[] = "purser.dev/health";
inline constexpr char kHealthMessageAnnotation[] = "purser.dev/health-message";

// One object of a cluster, with what rules match by.
struct ClusterObject {
  std::string cluster;
  std::string api_version;
  std::string kind;
  std::string namespace_name;  // "" for kinds that live in none
  std::string name;
  nlohmann::json object;

  ClusterObject(std::string cluster_name, nlohmann::json value);
  const nlohmann::json* labels() const;
  const nlohmann::json* annotations() const;
  // "<cluster>/<group or core>/<kind>/<namespace or ->/<name>": as provisioning names its
  // resources.
  std::string Id() const;
  // The value at a path, or nullptr.
  const nlohmann::json* At(std::initializer_list<absl::string_view> path) const;
  std::string TextAt(std::initializer_list<absl::string_view> path) const;  // "" when no text
};

// Config that all these providers have.
struct ClusterOptions {
  std::map<std::string, nlohmann::json> clusters;  // how to reach each (AccessFromConfig)
  std::vector<std::string> namespaces;             // patterns; empty: all
  std::vector<std::string> excluded_namespaces;
  std::string label_selector;
  int64_t max_objects = connectors::kDefaultMaxListObjects;
  provider::Mapping rules;
  nlohmann::json defaults;  // "owner", "system", "lifecycle"
  bool only_matched = false;

  bool TakesNamespace(absl::string_view name) const;
};

// Adds those options to the `properties` of a provider's config schema.
nlohmann::json ClusterConfigSchema(nlohmann::json properties,
                                   const nlohmann::json& defaults = nlohmann::json::object());
// From the context's config. Clusters are opened later: one that cannot be is no reason to stop.
absl::StatusOr<ClusterOptions> ReadClusterOptions(provider::Context& context);

// A kind to follow; the fields needed beside the metadata that every mapper gets.
struct FollowedKind {
  connectors::KindQuery query;
  connectors::FieldSelection fields;
};
// The fields of metadata that all mappers get, and those the rules of `options` read.
connectors::FieldSelection CommonFields(const ClusterOptions& options);
// The kind in all namespaces, or in each of those the options name.
std::vector<FollowedKind> FollowedKinds(const ClusterOptions& options,
                                        const connectors::KindQuery& query,
                                        const connectors::FieldSelection& fields, bool namespaced);

struct MappedEntity {
  nlohmann::json entity;
  // Of several objects that give an entity of the same ref, the one of the highest rank counts.
  int64_t rank = 0;
  // Several objects give this ref as a rule: their entities are kept in memory.
  bool shared = false;
};

// Turns objects into entities. Called from several threads at a time.
class ClusterMapper {
 public:
  virtual ~ClusterMapper() = default;
  // What is followed in a cluster from the start. An error is the cluster's failure.
  virtual absl::StatusOr<std::vector<FollowedKind>> Kinds(const std::string& cluster,
                                                          connectors::KubernetesReader& reader,
                                                          std::stop_token stop) = 0;
  // The entities that an object stands for. INVALID_ARGUMENT: none can be made of it; that is
  // logged and counted, and what this run told of the object before stays.
  virtual absl::Status Map(const ClusterObject& object, std::vector<MappedEntity>* entities) = 0;
  // Kinds that are followed as long as this object is there: those that a definition defines.
  virtual std::vector<FollowedKind> KindsOf(const ClusterObject&) { return {}; }
};

// Runs until stop, or until the host ends it. A cluster or kind that cannot be read is kept as the
// catalog has it, and read again with growing pauses.
absl::Status FollowClusters(provider::Context& context, const ClusterOptions& options,
                            ClusterMapper& mapper);

// --- Entities of objects.

// "<name>.<kind>.<namespace>.<cluster>": unique among all objects of all clusters.
std::string EntityNameOf(absl::string_view cluster, absl::string_view kind,
                         absl::string_view namespace_name, absl::string_view name);
// An entity that says which object it is: name, title, the annotations above, those of Backstage's
// Kubernetes plugin, its health when `health` is set; and what the object's well-known labels and
// annotations say.
nlohmann::json DraftOf(const ClusterObject& object, absl::string_view entity_kind,
                       absl::string_view type, bool health);
// Lets the rules change the draft and fills in what is required. False when the object becomes no
// entity. `extra` are variables for expressions beside object and cluster.
absl::StatusOr<bool> CompleteDraft(const ClusterOptions& options, const ClusterObject& object,
                                   nlohmann::json* draft,
                                   const nlohmann::json& extra = nlohmann::json::object());
// Adds refs to a list of the spec ("dependsOn"), each once.
void AddRelation(absl::string_view list, const std::string& ref, nlohmann::json* draft);
void AddLink(const std::string& url, const std::string& title, nlohmann::json* draft);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CLUSTER_SOURCE_H_
