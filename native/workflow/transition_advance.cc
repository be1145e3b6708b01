// What may go on: forwards along the graph, or backwards once a run stops early.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "workflow/transition.h"

namespace purser::workflow {
namespace {

using nlohmann::json;

bool IsForwardActive(StepState state) {
  return state == StepState::kDue || state == StepState::kRunning ||
         state == StepState::kRetrying || state == StepState::kObserving;
}

bool IsUndoActive(StepState state) {
  return state == StepState::kUndoDue || state == StepState::kUndoing ||
         state == StepState::kUndoRetrying || state == StepState::kUndoObserving;
}

bool IsBusy(StepState state) {
  return state == StepState::kDue || state == StepState::kRunning || state == StepState::kUndoDue ||
         state == StepState::kUndoing;
}

// What is not done, and what lies behind such a step. Only after an operator settled a step whose
// predecessors were undone may a step have all its needs done and still lie behind an open one.
absl::flat_hash_set<absl::string_view> OpenSteps(const Run& run) {
  absl::flat_hash_set<absl::string_view> open;
  for (const StepRecord& step : run.steps) {
    if (step.state != StepState::kSucceeded && step.state != StepState::kSkipped) {
      open.insert(step.id);
    }
  }
  for (bool grew = true; grew;) {
    grew = false;
    for (const StepDefinition& step : run.definition->steps) {
      if (open.contains(step.id)) continue;
      grew |= std::any_of(step.needs.begin(), step.needs.end(), [&](const std::string& need) {
        return open.contains(need) && open.insert(step.id).second;
      });
    }
  }
  return open;
}

// Whether something is done anew that was undone, or failed, before.
bool IsRedoing(const Run& run) {
  return std::any_of(run.steps.begin(), run.steps.end(), [](const StepRecord& step) {
    return step.incarnation > 1 &&
           (step.state == StepState::kPending || IsForwardActive(step.state));
  });
}

}  // namespace

absl::Status Transition::Advance() {
  if (run_.goal == Goal::kFinish) PURSER_RETURN_IF_ERROR(AdvanceForward());
  if (run_.goal != Goal::kFinish && !IsFinal(run_.state)) return AdvanceStopping();
  return absl::OkStatus();
}

absl::Status Transition::AdvanceForward() {
  if (run_.state == RunState::kHeld || IsFinal(run_.state)) return absl::OkStatus();
  const auto under_way = std::count_if(steps_.begin(), steps_.end(), [](const StepRecord& step) {
    return IsForwardActive(step.state);
  });
  const int64_t limit = whole_.definition->parallel;
  int64_t room = limit == 0 ? static_cast<int64_t>(steps_.size()) : limit - under_way;
  absl::flat_hash_set<absl::string_view> open;
  if (IsRedoing(whole_)) open = OpenSteps(whole_);
  const auto is_open = [&open](const std::string& need) { return open.contains(need); };
  for (const StepDefinition& definition : whole_.definition->steps) {
    StepRecord* step = FindStep(definition.id);
    if (step == nullptr) {
      return absl::DataLossError(
          absl::StrCat("workflow: run ", run_.id, " has no step ", definition.id));
    }
    if (room <= 0) break;
    if (step->state != StepState::kPending || !NeedsMet(definition)) continue;
    if (std::any_of(definition.needs.begin(), definition.needs.end(), is_open)) continue;
    step->state = StepState::kDue;
    step->due = now_;
    --room;
  }
  bool all_done = true;
  bool active = false;
  bool busy = false;
  const StepRecord* unknown = nullptr;
  for (const StepRecord& step : steps_) {
    if (step.state != StepState::kSucceeded && step.state != StepState::kSkipped) all_done = false;
    active = active || IsForwardActive(step.state);
    busy = busy || IsBusy(step.state);
    if (step.state == StepState::kUnknown) unknown = &step;
  }
  if (all_done) {
    Finish();
  } else if (active) {
    SetState(busy ? RunState::kRunning : RunState::kWaiting, "");
  } else if (unknown != nullptr) {
    SetState(RunState::kNeedsOperator, absl::StrCat("step ", unknown->id, ": ", unknown->message));
  } else {
    return absl::InternalError(
        absl::StrCat("workflow: run ", run_.id, " can neither go on nor end"));
  }
  return absl::OkStatus();
}

void Transition::Finish() {
  final_view_ = View(nullptr);
  absl::StatusOr<json> outputs = context_.executor.Finish(*final_view_);
  if (!outputs.ok()) {
    run_.goal = Goal::kFail;
    run_.message = absl::StrCat("outputs: ", outputs.status().message());
    return;
  }
  run_.outputs = outputs->dump(-1, ' ', false, json::error_handler_t::replace);
  SetState(RunState::kSucceeded, "");
}

// Ends a step that has not completed, unless what it did must be known first.
void Transition::StopStep(StepRecord& step, bool* active) {
  if (step.calling) {
    *active = true;
    return;
  }
  // With a call that may have happened and can be undone: its result is fetched (by probe, or by
  // repeating it under the same effect key), then undone.
  const bool finish_first =
      (step.state == StepState::kRetrying || step.state == StepState::kRunning) &&
      (step.unknown || step.state == StepState::kRunning) && HasUndo(step);
  if (finish_first) {
    *active = true;
    return;
  }
  step.due = absl::InfiniteFuture();
  step.ended_at = now_;
  if (step.state == StepState::kObserving) {
    step.state = StepState::kFailed;
    step.message = "not ready when the run was stopped";
    AppendEvent(step.id, "step.failed", step.message, json());
    step.done_order = run_.sequence;
    return;
  }
  step.unknown = step.unknown || step.state == StepState::kRunning;
  step.message = step.unknown ? "stopped; whether its last call happened is not known"
                              : "the run ended before it";
  step.state = StepState::kSkipped;
  AppendEvent(step.id, "step.skipped", step.message, json());
}

absl::Status Transition::AdvanceStopping() {
  bool active = false;
  for (StepRecord& step : steps_) {
    if (step.state == StepState::kPending) {
      step.state = StepState::kSkipped;
      step.ended_at = now_;
      step.message = "the run ended before it";
      AppendEvent(step.id, "step.skipped", step.message, json());
    } else if (IsForwardActive(step.state)) {
      StopStep(step, &active);
    }
  }
  const StepRecord* unknown = nullptr;
  const StepRecord* undo_failed = nullptr;
  bool undoing = false;
  bool busy = false;
  for (const StepRecord& step : steps_) {
    if (step.state == StepState::kUnknown) unknown = &step;
    if (step.state == StepState::kUndoFailed) undo_failed = &step;
    undoing = undoing || IsUndoActive(step.state);
    busy = busy || IsBusy(step.state);
  }
  if (active || undoing) {
    SetState(busy ? RunState::kRunning : RunState::kWaiting, run_.message);
  } else if (unknown != nullptr) {
    SetState(RunState::kNeedsOperator, absl::StrCat("step ", unknown->id, ": ", unknown->message));
  } else if (undo_failed != nullptr) {
    SetState(RunState::kNeedsOperator,
             absl::StrCat("undoing step ", undo_failed->id, " failed: ", undo_failed->message));
  } else {
    UndoNext();
  }
  return absl::OkStatus();
}

void Transition::UndoNext() {
  StepRecord* next = nullptr;
  for (StepRecord& step : steps_) {
    const bool ended = step.state == StepState::kSucceeded || step.state == StepState::kFailed;
    if (!ended || !step.effect || !HasUndo(step)) continue;
    if (next == nullptr || step.done_order > next->done_order) next = &step;
  }
  if (next == nullptr) {
    SetState(run_.goal == Goal::kCancel ? RunState::kCancelled : RunState::kFailed, run_.message);
    return;
  }
  BeginUndo(*next);
  next->pending.clear();
  SetState(RunState::kRunning, run_.message);
}

void Transition::BeginUndo(StepRecord& step) {
  step.state = StepState::kUndoDue;
  step.failures = 0;
  step.recoveries = 0;
  step.deadline = absl::InfiniteFuture();
  step.due = now_;
}

absl::Status Transition::Release(const Actor& actor) {
  if (run_.state != RunState::kHeld) {
    return absl::FailedPreconditionError(absl::StrCat(context_.noun, " ", run_.subject, " is ",
                                                      ToString(run_.state),
                                                      " and waits for no approval"));
  }
  AppendEvent("", absl::StrCat(context_.noun, ".approved"), actor.reason, {{"actor", actor.ref}});
  SetState(RunState::kRunning, "");
  return Advance();
}

absl::Status Transition::Cancel(const Actor& actor) {
  if (run_.goal == Goal::kCancel && run_.state != RunState::kNeedsOperator) {
    return absl::OkStatus();  // asked for already
  }
  if (IsFinal(run_.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat(context_.noun, " ", run_.subject, " has already ",
                     run_.state == RunState::kFailed ? "failed" : ToString(run_.state),
                     "; nothing is left to cancel"));
  }
  run_.goal = Goal::kCancel;
  run_.message = actor.reason.empty()
                     ? absl::StrCat("cancelled by ", actor.ref)
                     : absl::StrCat("cancelled by ", actor.ref, ": ", actor.reason);
  AppendEvent("", absl::StrCat(context_.noun, ".cancel-requested"), actor.reason,
              {{"actor", actor.ref}});
  const bool parked = run_.state == RunState::kNeedsOperator;
  for (StepRecord& step : steps_) {
    if (!parked) break;
    // An operator looked and decided: what nobody could know is left as it is, and an undo that
    // failed is tried once more.
    if (step.state == StepState::kUnknown) {
      step.state = StepState::kFailed;
      step.ended_at = now_;
    } else if (step.state == StepState::kUndoFailed) {
      BeginUndo(step);
    }
  }
  return Advance();
}

absl::Status Transition::Retry(const Actor& actor) {
  if (run_.state != RunState::kFailed && run_.state != RunState::kNeedsOperator) {
    return absl::FailedPreconditionError(
        absl::StrCat(context_.noun, " ", run_.subject, " is ", ToString(run_.state),
                     "; only failed ones and those that need an operator can be retried"));
  }
  AppendEvent("", absl::StrCat(context_.noun, ".retried"), actor.reason, {{"actor", actor.ref}});
  bool undo_began = false;
  for (const StepRecord& step : steps_) {
    undo_began = undo_began || step.state == StepState::kUndoFailed;
  }
  run_.retries = 0;
  if (undo_began) {
    // Half undone: going forward again would run on what is no longer there. Undo on.
    for (StepRecord& step : steps_) {
      if (step.state != StepState::kUndoFailed) continue;
      BeginUndo(step);
    }
    SetState(RunState::kRunning, run_.message);
    return Advance();
  }
  ResetUnfinished(nullptr);
  SetState(RunState::kRunning, "");
  return Advance();
}

void Transition::ResetUnfinished(const StepRecord* except) {
  run_.goal = Goal::kFinish;
  run_.retries = 0;
  for (StepRecord& step : steps_) {
    if (step.state == StepState::kSucceeded || &step == except) continue;
    // A call known to have failed, or undone since, is a new effect; one that happened, or of which
    // nobody knows, keeps its key, so that the other side can tell the repeat.
    if (!step.unknown && !step.effect && step.attempts > 0) ++step.incarnation;
    step.state = StepState::kPending;
    step.failures = 0;
    step.recoveries = 0;
    step.deadline = absl::InfiniteFuture();
    step.started_at.reset();
    step.ended_at.reset();
    step.due = absl::InfiniteFuture();
    step.pending.clear();
    step.outputs.clear();
    step.output_at = 0;
    step.message.clear();
    whole_.outputs[static_cast<size_t>(step.index)] = json();
  }
}

}  // namespace purser::workflow
