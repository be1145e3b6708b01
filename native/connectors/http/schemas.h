// The JSON Schemas of the http connector's config and operations.
#ifndef PURSER_CONNECTORS_HTTP_SCHEMAS_H_
#define PURSER_CONNECTORS_HTTP_SCHEMAS_H_

#include <vector>

#include "connectors/connector.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

const nlohmann::json& HttpConfigSchema();
const std::vector<Operation>& HttpOperations();

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_HTTP_SCHEMAS_H_
