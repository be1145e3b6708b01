// The inputs of steps: JSON whose strings are templates.
#ifndef PURSER_TEMPLATE_STEP_INPUT_H_
#define PURSER_TEMPLATE_STEP_INPUT_H_

#include <stop_token>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "template/template.h"

namespace purser::tmpl {

// Levels of a step's input.
inline constexpr int kMaxInputDepth = 200;

// As Backstage's workflow runner does it: every string is evaluated (a sole interpolation keeps its
// type), names are not, a member that is undefined is removed, an item becomes null, and a string
// that fails stays as it was written. The result is `discarded` when the value itself is an
// undefined template. Errors: only CANCELLED and an input that is nested too deep.
absl::StatusOr<nlohmann::json> EvaluateJson(const nlohmann::json& value, const Context& context,
                                            const Options& options = {}, const Limits& limits = {},
                                            std::stop_token stop = {});

// The same for blueprints, where a string that fails is an error: the message begins with the JSON
// pointer of the string, then file:line:column as in Template.
absl::StatusOr<nlohmann::json> EvaluateJsonStrict(const nlohmann::json& value,
                                                  const Context& context,
                                                  const Options& options = {},
                                                  const Limits& limits = {},
                                                  std::stop_token stop = {});

// Compiles every string of `value` without evaluating it: the syntax errors a blueprint's author
// should see at once, each as EvaluateJsonStrict words it.
absl::Status CheckJson(const nlohmann::json& value, const Options& options = {});

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_STEP_INPUT_H_
