#include "workflow/transition.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/writer.h"
#include "workflow/retry.h"

namespace purser::workflow {
namespace {

using nlohmann::json;

std::string Dump(const json& value) {
  std::string text;
  purser::json::AppendValue(value, &text);
  return text;
}

json ParseOr(absl::string_view text, json fallback) {
  json value = json::parse(base::ToStd(text), nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? std::move(fallback) : value;
}

bool IsDone(StepState state) {
  return state == StepState::kSucceeded || state == StepState::kSkipped;
}

}  // namespace

std::string PendingToJson(const CallResult& result) {
  return Dump({{"outputs", result.outputs},
               {"resources", result.resources},
               {"pollAfterMs", absl::ToInt64Milliseconds(result.poll_after)},
               {"progress", result.progress}});
}

CallResult PendingFromJson(absl::string_view text) {
  const json value = ParseOr(text, json::object());
  CallResult result;
  result.ready = false;
  result.outputs = value.value("outputs", json::object());
  result.resources = value.value("resources", json::array());
  result.poll_after = absl::Milliseconds(value.value("pollAfterMs", int64_t{2000}));
  result.progress = value.value("progress", "");
  return result;
}

std::string Task::EffectKey() const {
  const bool undo = kind == TaskKind::kUndo || kind == TaskKind::kUndoObserve;
  return absl::StrCat(run_id, "/", step_id, "/", step.incarnation, undo ? "/undo" : "");
}

Run Transition::NewRun(RunRecord record, std::shared_ptr<const Definition> definition,
                       absl::Time now, const std::map<std::string, json>& done) {
  Run run;
  run.record = std::move(record);
  run.record.outputs = "{}";
  run.record.created_at = now;
  run.record.updated_at = now;
  run.record.version = 1;
  run.definition = std::move(definition);
  for (const StepDefinition& definition_step : run.definition->steps) {
    StepRecord step;
    step.id = definition_step.id;
    step.index = static_cast<int64_t>(run.steps.size());
    if (const auto known = done.find(step.id); known != done.end()) {
      step.state = StepState::kSucceeded;
      step.outputs = Dump(known->second);
      step.message = "taken over from an earlier run";
      step.ended_at = now;
    }
    run.steps.push_back(std::move(step));
  }
  run.outputs.resize(run.steps.size());
  run.input = ParseOr(run.record.input, json::object());
  return run;
}

void Transition::TakeOver() {
  for (StepRecord& step : steps_) {
    if (!step.calling) continue;
    step.calling = false;
    step.due = now_;
  }
}

bool IsCalling(const Run& run) {
  return std::any_of(run.steps.begin(), run.steps.end(),
                     [](const StepRecord& step) { return step.calling; });
}

absl::Time NextDue(const Run& run) {
  absl::Time due = absl::InfiniteFuture();
  for (const StepRecord& step : run.steps) due = std::min(due, step.due);
  return due;
}

StepRecord* Transition::FindStep(absl::string_view id) {
  for (StepRecord& step : steps_) {
    if (step.id == id) return &step;
  }
  return nullptr;
}

void Transition::AppendEvent(absl::string_view step_id, absl::string_view type,
                             absl::string_view message, const json& data) {
  run_.sequence = journal_.Append(step_id, type, message, data);
}

const json& Transition::OutputsOf(const StepRecord& step) {
  json& outputs = whole_.outputs[static_cast<size_t>(step.index)];
  if (outputs.is_null()) outputs = ParseOr(step.outputs, json::object());
  return outputs;
}

RunView Transition::View(const StepDefinition* only_needs_of) {
  RunView view;
  view.id = run_.id;
  view.subject = run_.subject;
  view.definition = whole_.definition;
  view.input = whole_.input;
  for (const StepRecord& step : steps_) {
    if (!IsDone(step.state)) continue;
    if (only_needs_of != nullptr &&
        std::find(only_needs_of->needs.begin(), only_needs_of->needs.end(), step.id) ==
            only_needs_of->needs.end()) {
      continue;
    }
    view.outputs.emplace(step.id, OutputsOf(step));
  }
  return view;
}

bool Transition::NeedsMet(const StepDefinition& definition) {
  return std::all_of(definition.needs.begin(), definition.needs.end(), [this](const auto& need) {
    const StepRecord* step = FindStep(need);
    return step != nullptr && IsDone(step->state);
  });
}

bool Transition::HasUndo(const StepRecord& step) const {
  const StepDefinition* definition = whole_.definition->Find(step.id);
  if (definition == nullptr || !definition->undo) return false;
  const absl::StatusOr<StepTraits> traits = context_.executor.Traits(*definition, Direction::kDo);
  return !traits.ok() || traits->has_undo;
}

void Transition::SetState(RunState state, absl::string_view message) {
  const bool changed = run_.state != state;
  run_.state = state;
  // A copy first: callers pass the run's own message on.
  std::string text(message);
  run_.message = std::move(text);
  if (!changed || state == RunState::kRunning || state == RunState::kWaiting) return;
  AppendEvent("", absl::StrCat(context_.noun, ".", ToString(state)), run_.message, json());
}

absl::Status Transition::StartDue(Tasks* tasks) {
  if (run_.state == RunState::kHeld || IsFinal(run_.state)) return absl::OkStatus();
  bool parked = true;
  while (parked) {
    parked = false;
    for (StepRecord& step : steps_) {
      if (step.due > now_ || step.calling) continue;
      std::shared_ptr<Lanes::Place> place;
      if (!EnterLane(step, &place)) {
        step.due = now_ + Lanes::Pause(context_.rng);
        continue;
      }
      PURSER_RETURN_IF_ERROR(Start(step, std::move(place), tasks));
      parked = parked || !step.calling;
    }
    // What was given up instead of called may end the run, or make it undo.
    if (parked) PURSER_RETURN_IF_ERROR(Advance());
  }
  return absl::OkStatus();
}

bool Transition::EnterLane(const StepRecord& step, std::shared_ptr<Lanes::Place>* place) {
  if (context_.lanes == nullptr) return true;
  const StepDefinition* definition = whole_.definition->Find(step.id);
  return definition == nullptr || context_.lanes->Enter(definition->uses, place);
}

absl::Status Transition::Start(StepRecord& step, std::shared_ptr<Lanes::Place> place,
                               Tasks* tasks) {
  const StepDefinition* definition = whole_.definition->Find(step.id);
  if (definition == nullptr) {
    return absl::DataLossError(absl::StrCat("workflow: the definition of run ", run_.id,
                                            " has no step ", step.id, " but it is due"));
  }
  auto made = std::make_shared<Task>();
  Task& task = *made;
  task.place = std::move(place);
  task.before = step;
  task.recovering = step.state == StepState::kRunning || step.state == StepState::kUndoing;
  switch (step.state) {
    case StepState::kObserving:
      task.kind = TaskKind::kObserve;
      break;
    case StepState::kUndoObserving:
      task.kind = TaskKind::kUndoObserve;
      break;
    case StepState::kUndoDue:
    case StepState::kUndoing:
    case StepState::kUndoRetrying:
      task.kind = TaskKind::kUndo;
      break;
    default:
      task.kind = TaskKind::kCall;
  }
  const bool undo = task.kind == TaskKind::kUndo;
  step.due = absl::InfiniteFuture();
  if (task.recovering && ++step.recoveries > kMaxRecoveries) {
    step.state = undo ? StepState::kUndoFailed : StepState::kUnknown;
    step.message =
        absl::StrCat("the process ended ", kMaxRecoveries, " times during this step's call");
    AppendEvent(step.id, undo ? "step.compensation-failed" : "step.unknown", step.message, json());
    return absl::OkStatus();
  }
  // The call before may have happened, whatever this one comes to.
  if (task.recovering && !undo) step.unknown = true;
  ++step.fence;
  step.calling = true;
  if (undo || task.kind == TaskKind::kCall) {
    if (!undo) {
      ++step.attempts;
      if (!step.started_at.has_value()) step.started_at = now_;
    }
    if (step.deadline == absl::InfiniteFuture()) step.deadline = latest_now_ + definition->timeout;
    step.state = undo ? StepState::kUndoing : StepState::kRunning;
    // Written with every call, so by hand.
    run_.sequence =
        journal_.AppendText(step.id, undo ? "step.compensating" : "step.started", "",
                            absl::StrCat("{\"attempt\":", undo ? step.failures + 1 : step.attempts,
                                         ",\"incarnation\":", step.incarnation,
                                         task.recovering ? ",\"recovering\":true" : "",
                                         ",\"uses\":", json(definition->uses).dump(), "}"));
    if (run_.state == RunState::kWaiting) SetState(RunState::kRunning, "");
  }
  task.run_id = run_.id;
  task.subject = run_.subject;
  task.step_id = step.id;
  task.fence = step.fence;
  task.view = View(definition);
  task.step = step;
  tasks->push_back(std::move(made));
  return absl::OkStatus();
}

bool Transition::IsCurrent(const Task& task) {
  const StepRecord* step = FindStep(task.step_id);
  return step != nullptr && step->calling && step->fence == task.fence;
}

absl::StatusOr<bool> Transition::Complete(const Task& task, const Outcome& outcome) {
  StepRecord* step = FindStep(task.step_id);
  const StepDefinition* definition = whole_.definition->Find(task.step_id);
  if (step == nullptr || definition == nullptr) {
    return absl::DataLossError(
        absl::StrCat("workflow: run ", run_.id, " has no step ", task.step_id));
  }
  if (!IsCurrent(task)) return false;
  step->calling = false;
  if (task.kind == TaskKind::kUndo || task.kind == TaskKind::kUndoObserve) {
    PURSER_RETURN_IF_ERROR(CompleteUndo(*step, *definition, outcome));
  } else {
    PURSER_RETURN_IF_ERROR(CompleteForward(*step, *definition, task, outcome));
  }
  return true;
}

bool Transition::GiveBack(const Task& task, bool began) {
  StepRecord* step = FindStep(task.step_id);
  if (!IsCurrent(task)) return false;
  if (!began) {
    const int64_t fence = step->fence;
    *step = task.before;
    step->fence = fence;
    AppendEvent(step->id, "step.given-back", "", json());
  }
  step->calling = false;
  step->due = now_;
  return true;
}

absl::Status Transition::CompleteForward(StepRecord& step, const StepDefinition& definition,
                                         const Task& task, const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::kSkip:
      step.state = StepState::kSkipped;
      step.ended_at = now_;
      step.message = "its condition is false";
      AppendEvent(step.id, "step.skipped", step.message, json());
      return absl::OkStatus();
    case Outcome::Kind::kUnknown:
      step.state = StepState::kUnknown;
      step.unknown = true;
      step.message =
          absl::StrCat(outcome.error.message(), "; look whether it happened, then retry or cancel");
      AppendEvent(step.id, "step.unknown", step.message, json());
      return absl::OkStatus();
    case Outcome::Kind::kError:
      CompleteError(step, definition, task.kind == TaskKind::kCall, outcome.error);
      return absl::OkStatus();
    case Outcome::Kind::kResult:
      break;
  }
  step.effect = true;
  step.unknown = false;
  PURSER_RETURN_IF_ERROR(context_.observer.OnStepResult(journal_.connection(), run_, definition,
                                                        Direction::kDo, outcome.result));
  CompleteResult(step, definition, outcome.result);
  return absl::OkStatus();
}

void Transition::CompleteResult(StepRecord& step, const StepDefinition& definition,
                                const CallResult& result) {
  step.failures = 0;
  std::string outputs = Dump(result.outputs);
  if (outputs.size() > kMaxOutputsBytes) {
    // The outside thing exists; what is lost is only what the step said about it.
    Fail(step, absl::StrCat("its outputs have ", outputs.size(), " bytes; at most ",
                            kMaxOutputsBytes, " are allowed"));
    return;
  }
  if (result.ready) {
    step.state = StepState::kSucceeded;
    step.outputs = std::move(outputs);
    step.pending.clear();
    step.message = result.progress;
    step.ended_at = now_;
    AppendEvent(step.id, "step.succeeded", step.message, json());
    step.done_order = run_.sequence;
    whole_.outputs[static_cast<size_t>(step.index)] = result.outputs;
    // The event carries them, so that the step's state stays small.
    completed_ = &step;
    return;
  }
  const bool news = step.state != StepState::kObserving || step.message != result.progress;
  step.outputs = std::move(outputs);
  step.output_at = 0;
  step.pending = PendingToJson(result);
  step.message = result.progress;
  const absl::Duration poll = std::clamp(result.poll_after, absl::Milliseconds(1), absl::Hours(24));
  if (now_ >= step.deadline) {
    Fail(step, absl::StrCat("not ready after ", absl::FormatDuration(definition.timeout),
                            step.message.empty() ? "" : ": ", step.message));
    return;
  }
  step.state = StepState::kObserving;
  if (news) AppendEvent(step.id, "step.waiting", step.message, json());
  step.due = std::min(latest_now_ + poll, step.deadline);
}

void Transition::CompleteError(StepRecord& step, const StepDefinition& definition, bool was_call,
                               const absl::Status& error) {
  ++step.failures;
  // A call that was told to stop may have been through already.
  const bool unknown =
      was_call && (base::IsOutcomeUnknown(error) || error.code() == absl::StatusCode::kCancelled);
  step.unknown = step.unknown || unknown;
  const std::string text = absl::StrCat(base::CodeName(error.code()), ": ", error.message());
  const bool again = IsRetryable(error) || unknown;
  const absl::Duration delay =
      RetryDelay(definition.retry, static_cast<int>(step.failures), error, context_.rng);
  if (!again) {
    Fail(step, text);
    return;
  }
  if (step.failures >= definition.retry.attempts) {
    Fail(step, absl::StrCat("gave up after ", step.failures, " failed calls: ", text));
    return;
  }
  if (++run_.retries > kMaxRetriesOfRun) {
    Fail(step, absl::StrCat("the run's ", kMaxRetriesOfRun, " retries are used up: ", text));
    return;
  }
  if (now_ + delay >= step.deadline) {
    Fail(step,
         absl::StrCat("timed out after ", absl::FormatDuration(definition.timeout), ": ", text));
    return;
  }
  step.state = was_call ? StepState::kRetrying : StepState::kObserving;
  step.message = text;
  AppendEvent(step.id, "step.retrying", text,
              {{"failures", step.failures}, {"delayMs", absl::ToInt64Milliseconds(delay)}});
  step.due = latest_now_ + std::max(delay, absl::Milliseconds(1));
}

void Transition::Fail(StepRecord& step, absl::string_view message) {
  step.state = StepState::kFailed;
  step.message = std::string(message);
  step.ended_at = now_;
  AppendEvent(step.id, "step.failed", step.message, json());
  step.done_order = run_.sequence;
  if (run_.goal == Goal::kFinish) {
    run_.goal = Goal::kFail;
    run_.message = absl::StrCat("step ", step.id, ": ", message);
  }
}

absl::Status Transition::CompleteUndo(StepRecord& step, const StepDefinition& definition,
                                      const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::kResult && outcome.result.ready) {
    PURSER_RETURN_IF_ERROR(context_.observer.OnStepResult(journal_.connection(), run_, definition,
                                                          Direction::kUndo, outcome.result));
    step.state = StepState::kCompensated;
    step.effect = false;
    step.message = outcome.result.progress;
    AppendEvent(step.id, "step.compensated", step.message, json());
    return absl::OkStatus();
  }
  if (outcome.kind == Outcome::Kind::kResult && now_ < step.deadline) {
    step.failures = 0;
    step.state = StepState::kUndoObserving;
    step.pending = PendingToJson(outcome.result);
    step.message = outcome.result.progress;
    step.due =
        latest_now_ + std::clamp(outcome.result.poll_after, absl::Milliseconds(1), absl::Hours(24));
    return absl::OkStatus();
  }
  ++step.failures;
  const bool again = outcome.kind == Outcome::Kind::kError &&
                     (IsRetryable(outcome.error) || base::IsOutcomeUnknown(outcome.error));
  if (again && step.failures < std::max(definition.retry.attempts, kMinUndoAttempts)) {
    const absl::Duration delay =
        RetryDelay(definition.retry, static_cast<int>(step.failures), outcome.error, context_.rng);
    const bool observing = step.state == StepState::kUndoObserving;
    if (!observing) step.state = StepState::kUndoRetrying;
    step.message = std::string(outcome.error.message());
    AppendEvent(step.id, "step.retrying", step.message,
                {{"failures", step.failures}, {"delayMs", absl::ToInt64Milliseconds(delay)}});
    step.due = latest_now_ + std::max(delay, absl::Milliseconds(1));
    return absl::OkStatus();
  }
  step.state = StepState::kUndoFailed;
  step.message =
      outcome.kind == Outcome::Kind::kResult
          ? absl::StrCat("not undone after ", absl::FormatDuration(definition.timeout))
          : absl::StrCat(base::CodeName(outcome.error.code()), ": ", outcome.error.message());
  AppendEvent(step.id, "step.compensation-failed", step.message, json());
  return absl::OkStatus();
}

absl::Status Transition::Save(bool is_new) {
  if (run_.state != loaded_state_ || is_new) {
    if (!final_view_.has_value()) final_view_ = View(nullptr);
    PURSER_RETURN_IF_ERROR(context_.observer.OnRunState(journal_.connection(), run_, *final_view_));
  }
  if (completed_ != nullptr) journal_.SetOutputs(completed_->outputs);
  const int64_t row = journal_.EndRow();
  if (completed_ != nullptr) completed_->output_at = row;
  run_.updated_at = now_;
  return absl::OkStatus();
}

}  // namespace purser::workflow
