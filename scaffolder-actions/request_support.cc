#include "scaffolder-actions/request_support.h"

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"

namespace purser::actions {
namespace {

action::LogLevel LevelOf(const provisioning::Event& event) {
  if (event.type == "step.failed" || event.type == "step.compensation-failed" ||
      event.type == "request.failed") {
    return action::LogLevel::kError;
  }
  if (event.type == "step.retrying" || event.type == "step.unknown" ||
      event.type == "request.needs-operator") {
    return action::LogLevel::kWarning;
  }
  return action::LogLevel::kInfo;
}

std::string LineOf(const provisioning::Event& event) {
  std::string line =
      event.step_id.empty() ? event.type : absl::StrCat(event.step_id, ": ", event.type);
  if (!event.message.empty()) absl::StrAppend(&line, " - ", event.message);
  return line;
}

bool IsAtRest(provisioning::RequestState state) {
  return provisioning::IsFinal(state) || state == provisioning::RequestState::kNeedsOperator;
}

}  // namespace

absl::Status Follow(provisioning::Service& service, absl::string_view id, absl::Duration timeout,
                    action::Context& context) {
  std::stop_source stop;
  std::atomic<bool> timed_out = false;
  std::stop_callback on_stop(context.stop(), [&stop] { stop.request_stop(); });
  std::jthread timer([&](std::stop_token ended) {
    if (base::Clock::System().SleepFor(timeout, ended)) {
      timed_out = true;
      stop.request_stop();
    }
  });
  int64_t after = 0;
  const absl::Status watched = service.Watch(
      id, after, /*follow=*/true, stop.get_token(), [&](const provisioning::Event& event) {
        after = event.sequence;
        context.Log(LevelOf(event), LineOf(event));
        // A parked request stays open for its operator; the task must not.
        return event.type == "request.needs-operator" ? absl::CancelledError("needs operator")
                                                      : absl::OkStatus();
      });
  timer.request_stop();
  timer.join();
  PURSER_ASSIGN_OR_RETURN(const provisioning::Request request, service.Get(id));
  if (!IsAtRest(request.state)) {
    if (timed_out) {
      return absl::DeadlineExceededError(
          absl::StrCat("request ", id, " is still ", provisioning::ToString(request.state),
                       " after ", absl::FormatDuration(timeout),
                       "; it goes on, wait for it again with purser:request:await"));
    }
    if (context.stop().stop_requested()) return absl::CancelledError("the task was cancelled");
    return watched.ok() ? absl::UnavailableError(absl::StrCat("request ", id, ": its events ended"))
                        : watched;
  }
  OutputRequest(request, context);
  if (request.state == provisioning::RequestState::kSucceeded) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("request ", id, " ", provisioning::ToString(request.state),
                                         ": ", request.message));
}

absl::Status FollowIfWanted(provisioning::Service& service, const provisioning::Request& request,
                            action::Context& context) {
  const nlohmann::json& input = context.input();
  context.Log(action::LogLevel::kInfo,
              absl::StrCat("request ", request.id, " for ", request.blueprint, " is ",
                           provisioning::ToString(request.state)));
  if (!input.value("wait", true)) {
    OutputRequest(request, context);
    return absl::OkStatus();
  }
  const absl::Status followed =
      Follow(service, request.id,
             absl::Minutes(input.value("timeoutMinutes", kDefaultTimeoutMinutes)), context);
  // A user who cancels the task does not want the product any more. A call that merely broke off
  // arrives here as well, so only an explicit cancellation may end the request.
  if (absl::IsCancelled(followed) && context.cancelled_by_user()) {
    const absl::StatusOr<provisioning::Request> cancelled =
        service.Cancel(request.id, {context.user(), "the scaffolder task was cancelled"});
    if (!cancelled.ok()) return base::Annotate(cancelled.status(), "cancel the request");
  }
  return followed;
}

void OutputRequest(const provisioning::Request& request, action::Context& context) {
  context.Output("requestId", request.id);
  context.Output("state", std::string(provisioning::ToString(request.state)));
  context.Output("entityRef", request.entity_ref);
  context.Output("outputs",
                 request.outputs.is_object() ? request.outputs : nlohmann::json::object());
}

nlohmann::json RequestOutputSchema() {
  return {{"type", "object"},
          {"properties",
           {{"requestId",
             {{"type", "string"},
              {"title", "Request id"},
              {"examples", {"req_01jd0000000000000000000000"}}}},
            {"state",
             {{"type", "string"},
              {"title", "State of the request when the action ended"},
              {"examples", {"succeeded"}}}},
            {"entityRef",
             {{"type", "string"},
              {"title", "Catalog entity the request makes; empty when it makes none"},
              {"examples", {"resource:default/workspace-genomics"}}}},
            {"outputs",
             {{"type", "object"},
              {"title", "Outputs of the blueprint; empty until the request succeeded"},
              {"examples", {nlohmann::json::object()}}}}}}};
}

}  // namespace purser::actions
