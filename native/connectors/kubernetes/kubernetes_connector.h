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
// `apply-set` takes several objects and prunes what it no longer names (apply_set.h); `preview`
// says what either would change. Fields that a custom kind does not know are refused before
// anything is sent, with the name that was probably meant.
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
#include "connectors/kubernetes/object_steps.h"

namespace purser::connectors {

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
  // What is there under the names that apply and apply-set give.
  absl::StatusOr<CallResult> Import(absl::string_view operation, const nlohmann::json& input,
                                    const nlohmann::json& told, CallContext& context) override;
  // By a trial of the same apply.
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;
  // A cluster ("" is the default one) for reading what belongs to no run. Lives as long as the
  // connector. NOT_FOUND names the clusters there are.
  absl::StatusOr<KubernetesClient*> ClientOf(const std::string& cluster) const;

  // What the typed connectors above this one work with; lives as long as the connector.
  const ObjectSteps& steps() const { return steps_; }

 private:
  KubernetesConnector(std::string name, std::map<std::string, Cluster> clusters,
                      std::string default_cluster, std::string field_manager,
                      std::vector<nlohmann::json> definitions, base::Clock& clock, base::Rng* rng);

  absl::StatusOr<CallResult> Apply(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> ApplyAll(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Preview(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Wait(const nlohmann::json& input, CallContext& context) const;

  const std::string name_;
  const ObjectSteps steps_;
  const InputCheck inputs_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KUBERNETES_CONNECTOR_H_
