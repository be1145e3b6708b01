// What a blueprint's expressions must give, told before anything runs: the part of its check that
// knows types.
#ifndef PURSER_PROVISIONING_BLUEPRINT_TYPES_H_
#define PURSER_PROVISIONING_BLUEPRINT_TYPES_H_

#include <vector>

#include "connectors/connector.h"
#include "json/json.h"
#include "nlohmann/json.hpp"

namespace purser::provisioning {

// A step's input (`with`) whose values are nothing but one parameter, or one output of a step, and
// of another type than the operation's schema wants there. `spec` is the blueprint's; with
// `open_parameters` its parameters' types are not known. Expressions that do more are judged when
// they have been evaluated, before the call.
std::vector<purser::json::Violation> TypeFaults(const nlohmann::json& spec, bool open_parameters,
                                                const connectors::Connectors& connectors,
                                                const nlohmann::json& input,
                                                const purser::json::Schema& schema);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_BLUEPRINT_TYPES_H_
