// The JSON Schemas of the kubernetes connector's config and operations.
#ifndef PURSER_CONNECTORS_KUBERNETES_KUBERNETES_SCHEMAS_H_
#define PURSER_CONNECTORS_KUBERNETES_KUBERNETES_SCHEMAS_H_

#include <vector>

#include "connectors/connector.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

const nlohmann::json& KubernetesConfigSchema();
const std::vector<Operation>& KubernetesOperations();

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KUBERNETES_SCHEMAS_H_
