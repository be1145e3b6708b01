// Outputs that survive the death of the portal.
//
// A step that wrote its files and was killed before it could say so runs again when the task is
// recovered, and finds everything done: by itself it would say that nothing changed, and steps that
// depend on it (`if: ${{ steps.edit.output.changed }}`) would take another way than in an
// undisturbed run. So the outputs go into the task's state before the first write.
#ifndef PURSER_SCAFFOLDER_ACTIONS_KEPT_OUTPUTS_H_
#define PURSER_SCAFFOLDER_ACTIONS_KEPT_OUTPUTS_H_

#include "absl/status/statusor.h"
#include "action/action.h"
#include "nlohmann/json.hpp"

namespace purser::actions {

// Where the wrapper keeps outputs: a name that no network knows.
inline constexpr char kKeepOutputsUrl[] = "http://portal.invalid/keep-outputs";

// What the step is to say: the outputs that an earlier run of it kept, or else `outputs`, which are
// kept from now on. To be called when all that will be written is known, before the first write. A
// dry run keeps nothing, and neither does a host without a memory.
absl::StatusOr<nlohmann::json> KeptOutputs(action::Context& context, nlohmann::json outputs);

// Gives them to the host.
void GiveOutputs(action::Context& context, const nlohmann::json& outputs);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_KEPT_OUTPUTS_H_
