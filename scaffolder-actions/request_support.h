// Following a request from inside an action: events become log lines, the end becomes outputs.
#ifndef PURSER_SCAFFOLDER_ACTIONS_REQUEST_SUPPORT_H_
#define PURSER_SCAFFOLDER_ACTIONS_REQUEST_SUPPORT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "action/action.h"
#include "nlohmann/json.hpp"
#include "provisioning/service.h"

namespace purser::actions {

inline constexpr int kDefaultTimeoutMinutes = 60;
inline constexpr int kMaxTimeoutMinutes = 7 * 24 * 60;

// Waits until the request is final or needs an operator. OK when it succeeded; ABORTED with the
// request's own message when it failed, was cancelled or needs an operator; DEADLINE_EXCEEDED when
// `timeout` passed first (the request goes on); CANCELLED when the context was stopped.
absl::Status Follow(provisioning::Service& service, absl::string_view id, absl::Duration timeout,
                    action::Context& context);

// What an action does with a request it made: follows it for the input's `timeoutMinutes` unless
// its `wait` is false, and cancels it when a person cancelled the task.
absl::Status FollowIfWanted(provisioning::Service& service, const provisioning::Request& request,
                            action::Context& context);

// The outputs that the request actions give.
void OutputRequest(const provisioning::Request& request, action::Context& context);

// JSON Schema of those outputs, with examples so that a dry run can show them.
nlohmann::json RequestOutputSchema();

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_REQUEST_SUPPORT_H_
