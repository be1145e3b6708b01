// Steps for Flux: sources, Kustomizations and Helm releases; reconcile now, suspend, resume.
//
//   - id: app
//     uses: flux/kustomization
//     with: {namespace: team-a, name: shop, source: {kind: GitRepository, name: shop},
//            path: ./deploy, prune: true}
//
// A Kustomization or release is ready once Flux applied the newest version of it; the applied
// revision is an output.
#ifndef PURSER_CONNECTORS_FLUX_FLUX_CONNECTOR_H_
#define PURSER_CONNECTORS_FLUX_FLUX_CONNECTOR_H_

#include <memory>

#include "connectors/connector.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

struct FluxConnector {
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_FLUX_FLUX_CONNECTOR_H_
