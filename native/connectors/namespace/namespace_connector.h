// A namespace for a team: with labels that costs are told by, quota, limits, rights, service
// accounts and, if wished, mesh and network policy; all of it as one set (apply_set.h), so that
// what a change no longer names goes away.
//
//   - id: namespace
//     uses: namespace/make
//     with: {name: team-a, costLabels: {cost-centre: cc-12}, quota: {requests.cpu: "4"},
//            bindings: [{clusterRole: edit, subjects: [{kind: Group, name: team-a}]}]}
#ifndef PURSER_CONNECTORS_NAMESPACE_NAMESPACE_CONNECTOR_H_
#define PURSER_CONNECTORS_NAMESPACE_NAMESPACE_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/input_check.h"
#include "connectors/kubernetes/apply_set.h"
#include "connectors/kubernetes/object_steps.h"

namespace purser::connectors {

// Thread-safe.
class NamespaceConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  // `steps` outlives the connector; `home` is the namespace in which the sets' records stand.
  NamespaceConnector(std::string name, const ObjectSteps& steps, std::string home);

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override;
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  absl::StatusOr<CallResult> Observe(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& previous, CallContext& context) override;
  // What is there of the objects that make would apply.
  absl::StatusOr<CallResult> Import(absl::string_view operation, const nlohmann::json& input,
                                    const nlohmann::json& told, CallContext& context) override;
  // By a trial of the same apply.
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;

 private:
  absl::StatusOr<SetWish> WishOf(const nlohmann::json& input) const;

  const std::string name_;
  const ObjectSteps& steps_;
  const std::string home_;
  const InputCheck inputs_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_NAMESPACE_NAMESPACE_CONNECTOR_H_
