// The shape of a blueprint file, as JSON Schema.
#ifndef PURSER_PROVISIONING_BLUEPRINT_SCHEMA_H_
#define PURSER_PROVISIONING_BLUEPRINT_SCHEMA_H_

#include "nlohmann/json.hpp"

namespace purser::provisioning {

// Lives for ever.
const nlohmann::json& BlueprintSchema();

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_BLUEPRINT_SCHEMA_H_
