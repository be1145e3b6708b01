// What operators say about steps that do not go on by themselves, and what wakes those that wait.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "workflow/transition.h"

namespace purser::workflow {
namespace {

using nlohmann::json;

std::string By(const Actor& actor) {
  return absl::StrCat("by ", actor.ref, actor.reason.empty() ? "" : ": ", actor.reason);
}

}  // namespace

absl::StatusOr<StepRecord*> Transition::FindStuck(absl::string_view step_id) {
  StepRecord* const step = FindStep(step_id);
  if (step == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(context_.noun, " ", run_.subject, " has no step ", step_id));
  }
  const bool ended = run_.state == RunState::kHeld || run_.state == RunState::kSucceeded ||
                     run_.state == RunState::kCancelled;
  if (ended) {
    return absl::FailedPreconditionError(absl::StrCat(
        context_.noun, " ", run_.subject, " is ", ToString(run_.state), "; its steps are settled"));
  }
  switch (step->state) {
    case StepState::kRetrying:
    case StepState::kObserving:
      // On the way to undo what was done, nothing can be counted as done instead.
      if (run_.goal == Goal::kFinish && !step->calling) return step;
      break;
    case StepState::kUnknown:
    case StepState::kUndoFailed:
      return step;
    case StepState::kFailed:
    case StepState::kSkipped:
      // Of a run that ended with it, or before it.
      if (run_.state == RunState::kFailed) return step;
      break;
    default:
      break;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("step ", step_id, " of ", context_.noun, " ", run_.subject, " is ",
                   step->calling ? "being called" : ToString(step->state),
                   "; only one that failed, waits or is tried again can be settled by hand"));
}

absl::Status Transition::GoOn(const StepRecord* settled) {
  if (run_.state == RunState::kFailed) {
    ResetUnfinished(settled);
    SetState(RunState::kRunning, "");
  } else if (run_.state == RunState::kNeedsOperator) {
    SetState(RunState::kRunning, run_.goal == Goal::kFinish ? "" : run_.message);
  }
  return Advance();
}

absl::Status Transition::SkipStep(absl::string_view step_id, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(StepRecord* const step, FindStuck(step_id));
  AppendEvent(step->id, "step.skipped-by-operator", actor.reason,
              {{"actor", actor.ref}, {"was", std::string(ToString(step->state))}});
  // What it may have made is left to whoever skips it: nothing undoes it any more.
  step->effect = false;
  step->state = StepState::kSkipped;
  step->message = absl::StrCat("skipped ", By(actor));
  step->due = absl::InfiniteFuture();
  step->ended_at = now_;
  step->pending.clear();
  step->outputs.clear();
  step->output_at = 0;
  whole_.outputs[static_cast<size_t>(step->index)] = json();
  return GoOn(step);
}

absl::Status Transition::MarkDone(absl::string_view step_id, const json& outputs,
                                  const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(StepRecord* const step, FindStuck(step_id));
  const StepDefinition* const definition = whole_.definition->Find(step_id);
  if (definition == nullptr) {
    return absl::DataLossError(absl::StrCat("workflow: run ", run_.id, " has no step ", step_id));
  }
  std::string text = outputs.dump(-1, ' ', false, json::error_handler_t::replace);
  if (!outputs.is_object() || text.size() > kMaxOutputsBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "outputs of step ", step_id, " must be an object of at most ", kMaxOutputsBytes, " bytes"));
  }
  AppendEvent(step->id, "step.marked-done", actor.reason,
              {{"actor", actor.ref}, {"was", std::string(ToString(step->state))}});
  step->message = absl::StrCat("marked as done ", By(actor));
  step->due = absl::InfiniteFuture();
  step->ended_at = now_;
  CallResult result;
  result.outputs = outputs;
  if (step->state == StepState::kUndoFailed) {
    step->state = StepState::kCompensated;
    step->effect = false;
    PURSER_RETURN_IF_ERROR(context_.observer.OnStepResult(journal_.connection(), run_, *definition,
                                                          Direction::kUndo, result));
    return GoOn(step);
  }
  step->state = StepState::kSucceeded;
  step->effect = true;
  step->unknown = false;
  step->pending.clear();
  step->outputs = std::move(text);
  step->done_order = run_.sequence;
  whole_.outputs[static_cast<size_t>(step->index)] = outputs;
  completed_ = step;
  PURSER_RETURN_IF_ERROR(context_.observer.OnStepResult(journal_.connection(), run_, *definition,
                                                        Direction::kDo, result));
  return GoOn(step);
}

bool Transition::IsWaiting(absl::string_view step_id) {
  const StepRecord* const step = FindStep(step_id);
  return step != nullptr && step->state == StepState::kObserving && !step->calling;
}

bool Transition::Wake(absl::string_view step_id) {
  StepRecord* const step = FindStep(step_id);
  const bool undone = step != nullptr && step->state == StepState::kUndoObserving && !step->calling;
  if (!undone && !IsWaiting(step_id)) return false;
  step->due = now_;
  return true;
}

}  // namespace purser::workflow
