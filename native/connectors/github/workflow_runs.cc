#include "connectors/github/workflow_runs.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/time_text.h"
#include "connectors/github/repository_path.h"
#include "http/url.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kPollRun = absl::Seconds(10);
constexpr int64_t kRunSearchSeconds = 3600;  // how far back a run of ours is looked for
constexpr char kRunNotFound[] = "the run has not shown up yet";

int64_t Since(const CallResult& result) { return result.outputs.value("sinceSeconds", int64_t{0}); }

}  // namespace

absl::StatusOr<CallResult> WorkflowRuns::Run(const Json& input, CallContext& context) const {
  const std::string workflow = http::EncodeComponent(input["workflow"].get<std::string>());
  Json inputs = input["inputs"];
  if (input.contains("keyInput")) {
    inputs[input["keyInput"].get<std::string>()] = context.effect_key();
  }
  RestCall call = {
      .method = "POST",
      .path = absl::StrCat(RepositoryPath(input), "/actions/workflows/", workflow, "/dispatches"),
      .body = {{"ref", input["ref"]}, {"inputs", std::move(inputs)}, {"return_run_details", true}},
      .accept = {400, 422},
      .what = absl::StrCat("run workflow ", workflow)};
  PURSER_ASSIGN_OR_RETURN(RestAnswer answer, api_.Send(call, context));
  if (answer.status == 400 || answer.status == 422) {
    // An older server does not know the wish for the run's number; it did nothing yet.
    call.body.erase("return_run_details");
    call.accept.clear();
    PURSER_ASSIGN_OR_RETURN(answer, api_.Send(call, context));
  }
  CallResult result;
  result.outputs = {{"repository", input["repository"]},
                    {"sinceSeconds", absl::ToUnixSeconds(api_.clock().Now())}};
  const std::string run = RestText(answer.body, {"workflow_run_id"});
  int64_t id = 0;
  if (absl::SimpleAtoi(run, &id)) result.outputs["runId"] = id;
  if (id == 0 && !input.contains("keyInput")) {
    // Which run it is cannot be told from others of the same moment.
    context.Log(
        action::LogLevel::kWarning,
        "the server does not tell the run's number and the step has no keyInput: its end is "
        "not waited for");
    return result;
  }
  result.ready = false;
  result.poll_after = kPollRun;
  result.progress = "the workflow was asked to run";
  return result;
}

absl::StatusOr<std::optional<CallResult>> WorkflowRuns::Probe(const Json& input,
                                                              CallContext& context) const {
  if (!input.contains("keyInput")) {
    return absl::FailedPreconditionError(
        "github/workflow: whether the run was begun cannot be told: give the step a keyInput that "
        "stands in the workflow's run-name");
  }
  CallResult seen;
  seen.outputs = {{"repository", input["repository"]},
                  {"sinceSeconds", absl::ToUnixSeconds(api_.clock().Now())}};
  seen.ready = false;
  seen.poll_after = kPollRun;
  PURSER_ASSIGN_OR_RETURN(CallResult found, Observe(input, seen, context));
  if (found.progress == kRunNotFound) return std::optional<CallResult>();
  return std::optional<CallResult>(std::move(found));
}

absl::StatusOr<CallResult> WorkflowRuns::Observe(const Json& input, const CallResult& previous,
                                                 CallContext& context) const {
  CallResult result = previous;
  const std::string path = RepositoryPath(input);
  Json run;
  if (previous.outputs.contains("runId")) {
    PURSER_ASSIGN_OR_RETURN(
        run, api_.Json({.path = absl::StrCat(path, "/actions/runs/",
                                             previous.outputs["runId"].get<int64_t>()),
                        .what = "read the workflow's run"},
                       context));
  } else {
    const absl::Time from = absl::FromUnixSeconds(
        previous.outputs.value("sinceSeconds", int64_t{0}) - kRunSearchSeconds);
    PURSER_ASSIGN_OR_RETURN(
        const Json list,
        api_.Json(
            {.path = absl::StrCat(path, "/actions/workflows/",
                                  http::EncodeComponent(input["workflow"].get<std::string>()),
                                  "/runs?event=workflow_dispatch&per_page=100&created=",
                                  http::EncodeComponent(absl::StrCat(">=", base::TimeText(from)))),
             .what = "find the workflow's run"},
            context));
    for (const Json& one : list.value("workflow_runs", Json::array())) {
      if (absl::StrContains(RestText(one, {"display_title"}), context.effect_key())) run = one;
    }
  }
  if (run.is_null()) {
    result.ready = false;
    result.progress = kRunNotFound;
    PURSER_RETURN_IF_ERROR(
        CheckRestPatience(input, Since(result), api_.clock().Now(), result.progress));
    return result;
  }
  result.outputs["runId"] = run.value("id", int64_t{0});
  result.outputs["url"] = RestText(run, {"html_url"});
  result.outputs["state"] = RestText(run, {"status"});
  result.ready = RestText(run, {"status"}) == "completed";
  result.poll_after = kPollRun;
  if (!result.ready) {
    result.progress =
        absl::StrCat("run ", RestText(run, {"html_url"}), " is ", RestText(run, {"status"}));
    PURSER_RETURN_IF_ERROR(
        CheckRestPatience(input, Since(result), api_.clock().Now(), result.progress));
    return result;
  }
  result.outputs["conclusion"] = RestText(run, {"conclusion"});
  result.outputs.erase("sinceSeconds");
  result.progress.clear();
  if (RestText(run, {"conclusion"}) != "success") {
    return absl::FailedPreconditionError(absl::StrCat(
        "run ", RestText(run, {"html_url"}), " ended with ", RestText(run, {"conclusion"})));
  }
  return result;
}

}  // namespace purser::connectors
