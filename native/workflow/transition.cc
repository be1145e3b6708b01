#include "workflow/transition.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "workflow/retry.h"

namespace purser::workflow {
namespace {

using nlohmann::json;
using store::Connection;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
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

absl::StatusOr<std::unique_ptr<Transition>> Transition::Open(TransitionContext& context,
                                                             Connection& connection,
                                                             absl::string_view run_id,
                                                             absl::Time now) {
  std::unique_ptr<Transition> self(new Transition(context, connection, now));
  PURSER_ASSIGN_OR_RETURN(self->run_, LoadRun(connection, run_id));
  self->loaded_state_ = self->run_.state;
  PURSER_ASSIGN_OR_RETURN(self->steps_, LoadSteps(connection, run_id));
  PURSER_ASSIGN_OR_RETURN(self->definition_,
                          context.definitions.Get(connection, self->run_.definition_hash));
  PURSER_ASSIGN_OR_RETURN(self->events_, EventWriter::Open(connection, now));
  return self;
}

absl::StatusOr<std::unique_ptr<Transition>> Transition::Begin(
    TransitionContext& context, Connection& connection, RunRecord run,
    std::shared_ptr<const Definition> definition, absl::Time now) {
  std::unique_ptr<Transition> self(new Transition(context, connection, now));
  self->run_ = std::move(run);
  self->run_.outputs = "{}";
  self->run_.created_at = now;
  self->run_.updated_at = now;
  self->definition_ = std::move(definition);
  self->is_new_ = true;
  self->loaded_state_ = self->run_.state;
  for (const StepDefinition& definition_step : self->definition_->steps) {
    StepRecord step;
    step.id = definition_step.id;
    step.index = static_cast<int64_t>(self->steps_.size());
    self->steps_.push_back(std::move(step));
  }
  PURSER_ASSIGN_OR_RETURN(self->events_, EventWriter::Open(connection, now));
  // Inserted at once, so that the observer and the queue find the rows they refer to.
  PURSER_RETURN_IF_ERROR(InsertRun(connection, self->run_));
  for (const StepRecord& step : self->steps_) {
    PURSER_RETURN_IF_ERROR(InsertStep(connection, self->run_.id, step));
  }
  return self;
}

StepRecord* Transition::FindStep(absl::string_view id) {
  for (StepRecord& step : steps_) {
    if (step.id == id) return &step;
  }
  return nullptr;
}

absl::Status Transition::AppendEvent(absl::string_view step_id, absl::string_view type,
                                     absl::string_view message, const json& data) {
  PURSER_ASSIGN_OR_RETURN(run_.sequence,
                          events_->Append(run_.id, run_.subject, step_id, type, message, data));
  return absl::OkStatus();
}

absl::StatusOr<RunView> Transition::View(const StepDefinition* only_needs_of) const {
  RunView view;
  view.id = run_.id;
  view.subject = run_.subject;
  view.definition = definition_;
  view.input = ParseOr(run_.input, json::object());
  for (const StepRecord& step : steps_) {
    if (!IsDone(step.state)) continue;
    if (only_needs_of != nullptr &&
        std::find(only_needs_of->needs.begin(), only_needs_of->needs.end(), step.id) ==
            only_needs_of->needs.end()) {
      continue;
    }
    view.outputs.emplace(step.id, ParseOr(step.outputs, json::object()));
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
  const StepDefinition* definition = definition_->Find(step.id);
  if (definition == nullptr) return false;
  const absl::StatusOr<StepTraits> traits = context_.executor.Traits(*definition, Direction::kDo);
  return !traits.ok() || traits->has_undo;
}

absl::Status Transition::Schedule(StepRecord& step, TaskKind kind, absl::Time due) {
  step.dirty = true;
  if (due <= now_) {
    due_now_.emplace_back(step.id, kind);
    earliest_due_ = std::min(earliest_due_, now_);
    return absl::OkStatus();
  }
  earliest_due_ = std::min(earliest_due_, due);
  return connection_
      .Execute("INSERT INTO workflow_queue (run_id, step_id, kind, due) VALUES ($1,$2,$3,$4)",
               {run_.id, step.id, static_cast<int64_t>(kind), ToStored(due)})
      .status();
}

absl::Status Transition::Dequeue(const StepRecord& step) {
  due_now_.erase(std::remove_if(due_now_.begin(), due_now_.end(),
                                [&](const auto& entry) { return entry.first == step.id; }),
                 due_now_.end());
  return connection_
      .Execute("DELETE FROM workflow_queue WHERE run_id = $1 AND step_id = $2", {run_.id, step.id})
      .status();
}

absl::StatusOr<const std::set<std::string>*> Transition::Leased() {
  if (!leased_.has_value()) {
    PURSER_ASSIGN_OR_RETURN(
        const store::Rows rows,
        connection_.Query("SELECT step_id FROM workflow_lease WHERE run_id = $1", {run_.id}));
    leased_.emplace();
    for (const store::Row& row : rows) leased_->insert(row.Text(0));
  }
  return &*leased_;
}

absl::Status Transition::SetState(RunState state, absl::string_view message) {
  const bool changed = run_.state != state;
  run_.state = state;
  // A copy first: callers pass the run's own message on.
  std::string text(message);
  run_.message = std::move(text);
  if (!changed || state == RunState::kRunning || state == RunState::kWaiting) {
    return absl::OkStatus();
  }
  return AppendEvent("", absl::StrCat(context_.noun, ".", ToString(state)), run_.message, json());
}

absl::StatusOr<std::optional<Task>> Transition::Claim(absl::string_view step_id, TaskKind kind) {
  StepRecord* step = FindStep(step_id);
  const StepDefinition* definition = definition_->Find(step_id);
  if (step == nullptr || definition == nullptr) {
    return absl::DataLossError(
        absl::StrCat("workflow: run ", run_.id, " has no step ", step_id, " but it is queued"));
  }
  Task task;
  task.kind = kind;
  task.recovering = (kind == TaskKind::kCall && step->state == StepState::kRunning) ||
                    (kind == TaskKind::kUndo && step->state == StepState::kUndoing);
  step->dirty = true;
  if (task.recovering && ++step->recoveries > kMaxRecoveries) {
    const bool undo = kind == TaskKind::kUndo;
    step->state = undo ? StepState::kUndoFailed : StepState::kUnknown;
    step->message =
        absl::StrCat("the process ended ", kMaxRecoveries, " times during this step's call");
    PURSER_RETURN_IF_ERROR(AppendEvent(step->id, undo ? "step.compensation-failed" : "step.unknown",
                                       step->message, json()));
    return std::nullopt;
  }
  ++step->fence;
  if (kind == TaskKind::kCall || kind == TaskKind::kUndo) {
    const bool undo = kind == TaskKind::kUndo;
    if (!undo) {
      ++step->attempts;
      if (!step->started_at.has_value()) step->started_at = now_;
    }
    if (step->deadline == absl::InfiniteFuture()) step->deadline = now_ + definition->timeout;
    step->state = undo ? StepState::kUndoing : StepState::kRunning;
    json data = {{"uses", definition->uses},
                 {"attempt", undo ? step->failures + 1 : step->attempts},
                 {"incarnation", step->incarnation}};
    if (task.recovering) data["recovering"] = true;
    PURSER_RETURN_IF_ERROR(
        AppendEvent(step->id, undo ? "step.compensating" : "step.started", "", data));
    if (run_.state == RunState::kWaiting) {
      PURSER_RETURN_IF_ERROR(SetState(RunState::kRunning, ""));
    }
  }
  PURSER_RETURN_IF_ERROR(
      connection_
          .Execute("INSERT INTO workflow_lease (run_id, step_id, kind, fence, boot, expires) "
                   "VALUES ($1,$2,$3,$4,$5,$6)",
                   {run_.id, step->id, static_cast<int64_t>(kind), step->fence, context_.boot,
                    ToStored(now_ + context_.lease)})
          .status());
  if (leased_.has_value()) leased_->insert(step->id);
  task.run_id = run_.id;
  task.subject = run_.subject;
  task.step_id = step->id;
  task.fence = step->fence;
  PURSER_ASSIGN_OR_RETURN(task.view, View(definition));
  task.step = *step;
  return task;
}

absl::StatusOr<std::optional<Task>> Transition::ClaimNext() {
  if (due_now_.empty()) return std::nullopt;
  const auto [step_id, kind] = due_now_.front();
  due_now_.erase(due_now_.begin());
  return Claim(step_id, kind);
}

absl::Status Transition::Complete(const Task& task, const Outcome& outcome) {
  StepRecord* step = FindStep(task.step_id);
  const StepDefinition* definition = definition_->Find(task.step_id);
  if (step == nullptr || definition == nullptr) {
    return absl::DataLossError(
        absl::StrCat("workflow: run ", run_.id, " has no step ", task.step_id));
  }
  step->dirty = true;
  if (task.kind == TaskKind::kUndo || task.kind == TaskKind::kUndoObserve) {
    return CompleteUndo(*step, *definition, outcome);
  }
  return CompleteForward(*step, *definition, task, outcome);
}

absl::Status Transition::CompleteForward(StepRecord& step, const StepDefinition& definition,
                                         const Task& task, const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::kSkip:
      step.state = StepState::kSkipped;
      step.ended_at = now_;
      step.message = "its condition is false";
      return AppendEvent(step.id, "step.skipped", step.message, json());
    case Outcome::Kind::kUnknown:
      step.state = StepState::kUnknown;
      step.unknown = true;
      step.message =
          absl::StrCat(outcome.error.message(), "; look whether it happened, then retry or cancel");
      return AppendEvent(step.id, "step.unknown", step.message, json());
    case Outcome::Kind::kError:
      return CompleteError(step, definition, task.kind == TaskKind::kCall, outcome.error);
    case Outcome::Kind::kResult:
      break;
  }
  step.effect = true;
  step.unknown = false;
  PURSER_RETURN_IF_ERROR(context_.observer.OnStepResult(connection_, run_, definition,
                                                        Direction::kDo, outcome.result));
  return CompleteResult(step, definition, outcome.result);
}

absl::Status Transition::CompleteResult(StepRecord& step, const StepDefinition& definition,
                                        const CallResult& result) {
  step.failures = 0;
  std::string outputs = Dump(result.outputs);
  if (outputs.size() > kMaxOutputsBytes) {
    // The outside thing exists; what is lost is only what the step said about it.
    return Fail(step, absl::StrCat("its outputs have ", outputs.size(), " bytes; at most ",
                                   kMaxOutputsBytes, " are allowed"));
  }
  if (result.ready) {
    step.state = StepState::kSucceeded;
    step.outputs = std::move(outputs);
    step.pending.clear();
    step.message = result.progress;
    step.ended_at = now_;
    PURSER_RETURN_IF_ERROR(AppendEvent(step.id, "step.succeeded", step.message, json()));
    step.done_order = run_.sequence;
    return absl::OkStatus();
  }
  const bool news = step.state != StepState::kObserving || step.message != result.progress;
  step.outputs = std::move(outputs);
  step.pending = PendingToJson(result);
  step.message = result.progress;
  const absl::Duration poll = std::clamp(result.poll_after, absl::Milliseconds(1), absl::Hours(24));
  if (now_ >= step.deadline) {
    return Fail(step, absl::StrCat("not ready after ", absl::FormatDuration(definition.timeout),
                                   step.message.empty() ? "" : ": ", step.message));
  }
  step.state = StepState::kObserving;
  if (news) PURSER_RETURN_IF_ERROR(AppendEvent(step.id, "step.waiting", step.message, json()));
  return Schedule(step, TaskKind::kObserve, std::min(now_ + poll, step.deadline));
}

absl::Status Transition::CompleteError(StepRecord& step, const StepDefinition& definition,
                                       bool was_call, const absl::Status& error) {
  ++step.failures;
  // A call that was told to stop may have been through already.
  const bool unknown =
      was_call && (base::IsOutcomeUnknown(error) || error.code() == absl::StatusCode::kCancelled);
  step.unknown = step.unknown || unknown;
  const std::string text = absl::StrCat(base::CodeName(error.code()), ": ", error.message());
  const bool again = IsRetryable(error) || unknown;
  const absl::Duration delay =
      RetryDelay(definition.retry, static_cast<int>(step.failures), error, context_.rng);
  if (!again) return Fail(step, text);
  if (step.failures >= definition.retry.attempts) {
    return Fail(step, absl::StrCat("gave up after ", step.failures, " failed calls: ", text));
  }
  if (++run_.retries > kMaxRetriesOfRun) {
    return Fail(step, absl::StrCat("the run's ", kMaxRetriesOfRun, " retries are used up: ", text));
  }
  if (now_ + delay >= step.deadline) {
    return Fail(step, absl::StrCat("timed out after ", absl::FormatDuration(definition.timeout),
                                   ": ", text));
  }
  step.state = was_call ? StepState::kRetrying : StepState::kObserving;
  step.message = text;
  PURSER_RETURN_IF_ERROR(
      AppendEvent(step.id, "step.retrying", text,
                  {{"failures", step.failures}, {"delayMs", absl::ToInt64Milliseconds(delay)}}));
  return Schedule(step, was_call ? TaskKind::kCall : TaskKind::kObserve,
                  now_ + std::max(delay, absl::Milliseconds(1)));
}

absl::Status Transition::Fail(StepRecord& step, absl::string_view message) {
  step.state = StepState::kFailed;
  step.message = std::string(message);
  step.ended_at = now_;
  PURSER_RETURN_IF_ERROR(AppendEvent(step.id, "step.failed", message, json()));
  step.done_order = run_.sequence;
  if (run_.goal == Goal::kFinish) {
    run_.goal = Goal::kFail;
    run_.message = absl::StrCat("step ", step.id, ": ", message);
  }
  return absl::OkStatus();
}

absl::Status Transition::CompleteUndo(StepRecord& step, const StepDefinition& definition,
                                      const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::kResult && outcome.result.ready) {
    PURSER_RETURN_IF_ERROR(context_.observer.OnStepResult(connection_, run_, definition,
                                                          Direction::kUndo, outcome.result));
    step.state = StepState::kCompensated;
    step.effect = false;
    step.message = outcome.result.progress;
    return AppendEvent(step.id, "step.compensated", step.message, json());
  }
  if (outcome.kind == Outcome::Kind::kResult && now_ < step.deadline) {
    step.failures = 0;
    step.state = StepState::kUndoObserving;
    step.pending = PendingToJson(outcome.result);
    step.message = outcome.result.progress;
    return Schedule(
        step, TaskKind::kUndoObserve,
        now_ + std::clamp(outcome.result.poll_after, absl::Milliseconds(1), absl::Hours(24)));
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
    PURSER_RETURN_IF_ERROR(
        AppendEvent(step.id, "step.retrying", step.message,
                    {{"failures", step.failures}, {"delayMs", absl::ToInt64Milliseconds(delay)}}));
    return Schedule(step, observing ? TaskKind::kUndoObserve : TaskKind::kUndo,
                    now_ + std::max(delay, absl::Milliseconds(1)));
  }
  step.state = StepState::kUndoFailed;
  step.message =
      outcome.kind == Outcome::Kind::kResult
          ? absl::StrCat("not undone after ", absl::FormatDuration(definition.timeout))
          : absl::StrCat(base::CodeName(outcome.error.code()), ": ", outcome.error.message());
  return AppendEvent(step.id, "step.compensation-failed", step.message, json());
}

absl::Status Transition::Save() {
  if (run_.state != loaded_state_ || is_new_) {
    PURSER_ASSIGN_OR_RETURN(const RunView view, View(nullptr));
    PURSER_RETURN_IF_ERROR(context_.observer.OnRunState(connection_, run_, view));
  }
  for (const auto& [step_id, kind] : due_now_) {
    PURSER_RETURN_IF_ERROR(
        connection_
            .Execute("INSERT INTO workflow_queue (run_id, step_id, kind, due) VALUES ($1,$2,$3,$4)",
                     {run_.id, step_id, static_cast<int64_t>(kind), ToStored(now_)})
            .status());
  }
  for (StepRecord& step : steps_) {
    if (!step.dirty) continue;
    PURSER_RETURN_IF_ERROR(UpdateStep(connection_, run_.id, step));
    step.dirty = false;
  }
  run_.updated_at = now_;
  PURSER_RETURN_IF_ERROR(UpdateRun(connection_, run_));
  return events_->Close();
}

}  // namespace purser::workflow
