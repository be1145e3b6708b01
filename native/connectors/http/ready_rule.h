// When an answer counts as "ready", "failed" or "not yet".
#ifndef PURSER_CONNECTORS_HTTP_READY_RULE_H_
#define PURSER_CONNECTORS_HTTP_READY_RULE_H_

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

enum class Readiness { kNotYet, kReady, kFailed };

// Judges `answer` ({"status", "headers", "body"}) by a step's `ready` block:
//   {pointer: /body/state, equals: ACTIVE}       equal JSON values
//   {pointer: /body/state, in: [ACTIVE, READY]}  one of them
//   {expression: "response.body.n > 1"}          the template language, without ${{ }}
//   neither                                      any 2xx status
// and, before that, `failed` of the same forms. INVALID_ARGUMENT when an expression is wrong.
absl::StatusOr<Readiness> Judge(const nlohmann::json& ready, const nlohmann::json& answer,
                                const nlohmann::json& outputs);

// The value at a JSON pointer, or nullptr.
const nlohmann::json* AtPointer(const nlohmann::json& value, const std::string& pointer);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_HTTP_READY_RULE_H_
