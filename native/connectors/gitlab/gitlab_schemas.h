// The config and operations of the gitlab connector.
#ifndef PURSER_CONNECTORS_GITLAB_GITLAB_SCHEMAS_H_
#define PURSER_CONNECTORS_GITLAB_GITLAB_SCHEMAS_H_

#include <vector>

#include "connectors/connector.h"

namespace purser::connectors {

const nlohmann::json& GitlabConfigSchema();
const std::vector<Operation>& GitlabOperations();

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITLAB_GITLAB_SCHEMAS_H_
