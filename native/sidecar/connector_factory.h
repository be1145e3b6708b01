// Connectors from configuration: the one list of connector types.
#ifndef PURSER_SIDECAR_CONNECTOR_FACTORY_H_
#define PURSER_SIDECAR_CONNECTOR_FACTORY_H_

#include "absl/status/statusor.h"
#include "connectors/connector.h"
#include "sidecar/config.h"

namespace purser::sidecar {

// INVALID_ARGUMENT lists the faults of all connectors, each with the place of its block.
absl::StatusOr<connectors::Connectors> MakeConnectors(
    const Config& config, const connectors::ConnectorDependencies& dependencies);

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_CONNECTOR_FACTORY_H_
