// Objects of Kubernetes clusters: applied by their server, waited for, deleted.
//
//   - id: notebook
//     uses: kubernetes/apply
//     with:
//       cluster: analytics
//       object:
//         apiVersion: apps/v1
//         kind: Deployment
//         metadata: {name: "${{ parameters.name }}", namespace: team-a}
//         spec: …
//
// All operations are of class `put`: server-side apply with one field manager gives the same state
// however often it is sent. An object that was there before us is changed, but never deleted by the
// compensation: whether we made it is read from its annotation kEffectAnnotation, so that a repeat
// after a crash still knows. A resource's id is "<cluster>/<group>/<kind>/<namespace>/<name>", with
// "core" for the core group and "-" for no namespace.
#ifndef PURSER_CONNECTORS_KUBERNETES_KUBERNETES_CONNECTOR_H_
#define PURSER_CONNECTORS_KUBERNETES_KUBERNETES_CONNECTOR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/input_check.h"
#include "connectors/kubernetes/kubernetes_client.h"

namespace purser::connectors {

inline constexpr char kEffectAnnotation[] = "purser.dev/effect-key";
inline constexpr size_t kMaxKubernetesOutputBytes = 64 << 10;  // of a step's mapped outputs

// One cluster as the connector sees it.
struct Cluster {
  std::unique_ptr<KubernetesClient> client;
  std::string default_namespace = "default";
  // Allowed namespaces, "*" at the end matches any rest; empty: all of them.
  std::vector<std::string> namespaces;
  bool cluster_scoped = true;  // objects without namespace are allowed
};

// Thread-safe.
class KubernetesConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  // For tests and for clusters reached in other ways. `clock` outlives the connector.
  KubernetesConnector(std::string name, std::map<std::string, Cluster> clusters,
                      std::string default_cluster, std::string field_manager, base::Clock& clock);

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override;
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  absl::StatusOr<CallResult> Observe(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& previous, CallContext& context) override;
  // A cluster ("" is the default one) for reading what belongs to no run. Lives as long as the
  // connector. NOT_FOUND names the clusters there are.
  absl::StatusOr<KubernetesClient*> ClientOf(const std::string& cluster) const;

 private:
  struct Target;  // a cluster and an object in it

  absl::StatusOr<const Cluster*> FindCluster(const nlohmann::json& input, std::string* name) const;
  absl::StatusOr<Target> TargetOf(const nlohmann::json& where, const std::string& api_version,
                                  const std::string& kind, const std::string& namespace_name,
                                  const std::string& name, CallContext& context) const;
  absl::StatusOr<CallResult> Apply(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Wait(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Delete(const nlohmann::json& input, CallContext& context) const;
  // Judges `object` by the input and completes `result`.
  absl::Status Settle(const nlohmann::json& input, const Target& target,
                      const nlohmann::json& object, CallResult* result) const;
  absl::Status CheckPatience(const nlohmann::json& input, const CallResult& result) const;

  const std::string name_;
  const std::map<std::string, Cluster> clusters_;
  const std::string default_cluster_;
  const std::string field_manager_;
  base::Clock& clock_;
  const InputCheck inputs_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KUBERNETES_CONNECTOR_H_
