// Steps for Istio: routes, gateways, mutual TLS, who may call whom.
//
//   - id: route
//     uses: istio/virtual-service
//     with: {namespace: team-a, name: shop, hosts: [shop.example.com], gateways: [shop],
//            routes: [{prefix: /, service: shop, port: 8080}]}
//
// Istio confirms little: objects are ready once they are there, unless its analysis (condition
// Reconciled) says that they are not.
#ifndef PURSER_CONNECTORS_ISTIO_ISTIO_CONNECTOR_H_
#define PURSER_CONNECTORS_ISTIO_ISTIO_CONNECTOR_H_

#include <memory>

#include "connectors/connector.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

struct IstioConnector {
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_ISTIO_ISTIO_CONNECTOR_H_
