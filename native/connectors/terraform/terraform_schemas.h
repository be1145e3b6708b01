// What the terraform connector's config, its operations' inputs and outputs look like.
#ifndef PURSER_CONNECTORS_TERRAFORM_TERRAFORM_SCHEMAS_H_
#define PURSER_CONNECTORS_TERRAFORM_TERRAFORM_SCHEMAS_H_

#include <vector>

#include "connectors/connector.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

const nlohmann::json& TerraformConfigSchema();
const std::vector<Operation>& TerraformOperations();

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_TERRAFORM_TERRAFORM_SCHEMAS_H_
