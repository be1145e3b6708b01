// What a change would do, worked out before anything is done.
#ifndef PURSER_PROVISIONING_CHANGE_PLAN_H_
#define PURSER_PROVISIONING_CHANGE_PLAN_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "provisioning/connector_executor.h"
#include "workflow/executor.h"

namespace purser::provisioning {

inline constexpr size_t kMaxShownChanges = 500;

// [{"path", "from", "to"}] by JSON pointers; `from` or `to` is missing where
// there was or will be nothing.
nlohmann::json Differences(const nlohmann::json& before, const nlohmann::json& after);

// [{"step", "effect", "paths"}] of the new run's steps: "new", "changes" (with
// the pointers of its input that do), "same", "skipped", or "unknown" when it
// depends on what a call will give. Outputs of the run before stand for those
// to come.
nlohmann::json StepEffects(ConnectorExecutor& executor, const workflow::RunView& before,
                           const workflow::RunView& after);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_CHANGE_PLAN_H_
