// Steps for network policies, Kubernetes' own and Calico's.
//
//   - id: isolation
//     uses: network-policy/isolate
//     with: {namespace: team-a, name: isolation, allowFromNamespaces: [istio-system]}
#ifndef PURSER_CONNECTORS_NETWORK_POLICY_NETWORK_POLICY_CONNECTOR_H_
#define PURSER_CONNECTORS_NETWORK_POLICY_NETWORK_POLICY_CONNECTOR_H_

#include <memory>

#include "connectors/connector.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

struct NetworkPolicyConnector {
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_NETWORK_POLICY_NETWORK_POLICY_CONNECTOR_H_
