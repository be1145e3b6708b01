// The config and operations of the github connector.
#ifndef PURSER_CONNECTORS_GITHUB_GITHUB_SCHEMAS_H_
#define PURSER_CONNECTORS_GITHUB_GITHUB_SCHEMAS_H_

#include <vector>

#include "connectors/connector.h"

namespace purser::connectors {

const nlohmann::json& GithubConfigSchema();
const std::vector<Operation>& GithubOperations();

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_GITHUB_SCHEMAS_H_
