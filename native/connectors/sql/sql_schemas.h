// The config and operations of the sql connector.
#ifndef PURSER_CONNECTORS_SQL_SQL_SCHEMAS_H_
#define PURSER_CONNECTORS_SQL_SQL_SCHEMAS_H_

#include <vector>

#include "connectors/connector.h"

namespace purser::connectors {

const nlohmann::json& SqlConfigSchema();
const std::vector<Operation>& SqlOperations();

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_SQL_SQL_SCHEMAS_H_
