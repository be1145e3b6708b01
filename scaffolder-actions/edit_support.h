// What editing YAML and editing JSON have in common: their inputs and what is done with them.
#ifndef PURSER_SCAFFOLDER_ACTIONS_EDIT_SUPPORT_H_
#define PURSER_SCAFFOLDER_ACTIONS_EDIT_SUPPORT_H_

#include "absl/status/status.h"
#include "action/action.h"
#include "edit/tree.h"
#include "nlohmann/json.hpp"

namespace purser::actions {

// Inputs `path`, `operations`, `create` and, for YAML, `document`.
nlohmann::json EditInputSchema(edit::Syntax syntax);
absl::Status RunEdit(edit::Syntax syntax, action::Context& context);

// Inputs `path`, `value` or `from`, `at`, `lists`, `create` and, for YAML, `document`.
nlohmann::json MergeInputSchema(edit::Syntax syntax);
absl::Status RunMerge(edit::Syntax syntax, action::Context& context);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_EDIT_SUPPORT_H_
