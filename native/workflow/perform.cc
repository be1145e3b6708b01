#include "workflow/perform.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "workflow/fault.h"

namespace purser::workflow {
namespace {

using nlohmann::json;

Outcome FromStatus(absl::Status status) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kError;
  outcome.error = std::move(status);
  return outcome;
}

Outcome FromResult(absl::StatusOr<CallResult> result) {
  if (!result.ok()) return FromStatus(std::move(result).status());
  Outcome outcome;
  outcome.result = *std::move(result);
  return outcome;
}

Outcome Unknown(absl::Status status) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kUnknown;
  outcome.error = std::move(status);
  return outcome;
}

bool MayHaveHappened(const absl::Status& status) {
  return base::IsOutcomeUnknown(status) || status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kCancelled;
}

Outcome DoCall(StepExecutor& executor, const StepCall& call, CallClass call_class,
               bool called_before, CallContext& context) {
  const bool undo = call.direction == Direction::kUndo;
  if (call_class == CallClass::kProbe && called_before) {
    PURSER_FAULT_POINT("probe.before");
    absl::StatusOr<std::optional<CallResult>> found = executor.Probe(call, context);
    if (!found.ok()) {
      absl::Status status = base::Annotate(found.status(), "probe");
      // The look failed; whether the call happened is as unknown as before.
      base::SetOutcomeUnknown(status);
      return FromStatus(std::move(status));
    }
    if (found->has_value()) {
      context.Log(LogLevel::kInfo, "an earlier call had happened; its result is taken");
      return FromResult(**std::move(found));
    }
  }
  if (undo) {
    PURSER_FAULT_POINT("undo.before");
  } else {
    PURSER_FAULT_POINT("call.before");
  }
  absl::StatusOr<CallResult> result = executor.Call(call, context);
  if (undo) {
    PURSER_FAULT_POINT("undo.after");
  } else {
    PURSER_FAULT_POINT("call.after");
  }
  if (!result.ok() && call_class == CallClass::kUnsafe && MayHaveHappened(result.status())) {
    return Unknown(std::move(result).status());
  }
  return FromResult(std::move(result));
}

}  // namespace

Outcome Perform(StepExecutor& executor, const Task& task, CallContext& context) {
  const StepDefinition* step = task.view.definition->Find(task.step_id);
  if (step == nullptr) {
    return FromStatus(absl::DataLossError(absl::StrCat("no step ", task.step_id)));
  }
  const bool undo = task.kind == TaskKind::kUndo || task.kind == TaskKind::kUndoObserve;
  const Direction direction = undo ? Direction::kUndo : Direction::kDo;
  const absl::StatusOr<StepTraits> traits = executor.Traits(*step, direction);
  if (!traits.ok()) return FromStatus(traits.status());

  const bool observe = task.kind == TaskKind::kObserve || task.kind == TaskKind::kUndoObserve;
  if (!observe && task.recovering && traits->call_class == CallClass::kUnsafe) {
    // Before anything that may fail and be tried again: the next try would not know.
    return Unknown(
        absl::UnknownError("the process ended during the call, which must not be "
                           "repeated blindly"));
  }
  json input;
  if (undo) {
    input = json::parse(task.step.outputs, nullptr, /*allow_exceptions=*/false);
    if (input.is_discarded()) input = json::object();
  } else {
    absl::StatusOr<Prepared> prepared = executor.Prepare(task.view, *step);
    if (!prepared.ok()) return FromStatus(std::move(prepared).status());
    if (prepared->skip) {
      Outcome outcome;
      outcome.kind = Outcome::Kind::kSkip;
      return outcome;
    }
    input = std::move(prepared->input);
  }
  const StepCall call{task.view, *step, direction, input};
  if (observe) {
    PURSER_FAULT_POINT("observe.before");
    absl::StatusOr<CallResult> result =
        executor.Observe(call, PendingFromJson(task.step.pending), context);
    PURSER_FAULT_POINT("observe.after");
    return FromResult(std::move(result));
  }
  // An undo's earlier tries are counted by its failures, a do's by its attempts.
  const bool called_before =
      task.recovering || (undo ? task.step.failures > 0 : task.step.attempts > 1);
  return DoCall(executor, call, traits->call_class, called_before, context);
}

}  // namespace purser::workflow
