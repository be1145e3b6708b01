// Steps for cert-manager: issuers and certificates, with their expiry; renewal before it is due.
//
//   - id: certificate
//     uses: cert-manager/certificate
//     with: {namespace: team-a, name: shop, dnsNames: [shop.example.com],
//            issuer: {name: letsencrypt, kind: ClusterIssuer}}
#ifndef PURSER_CONNECTORS_CERT_MANAGER_CERT_MANAGER_CONNECTOR_H_
#define PURSER_CONNECTORS_CERT_MANAGER_CERT_MANAGER_CONNECTOR_H_

#include <memory>

#include "connectors/connector.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

struct CertManagerConnector {
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_CERT_MANAGER_CERT_MANAGER_CONNECTOR_H_
