// One change of one run by the rules of the state machine: in memory, with its events appended to
// the journal that the transaction writes. FORMAT.md describes states and rules.
#ifndef PURSER_WORKFLOW_TRANSITION_H_
#define PURSER_WORKFLOW_TRANSITION_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/rng.h"
#include "store/store.h"
#include "workflow/executor.h"
#include "workflow/journal.h"
#include "workflow/lanes.h"
#include "workflow/observer.h"
#include "workflow/records.h"

namespace purser::workflow {

inline constexpr int64_t kMaxRecoveries = 20;          // of one step; then an operator must look
inline constexpr int64_t kMaxRetriesOfRun = 1000;      // of all its steps together
inline constexpr int kMinUndoAttempts = 10;            // an undo tries harder than a do
inline constexpr size_t kMaxOutputsBytes = 256 << 10;  // of one step

// What the transitions of one engine share.
struct TransitionContext {
  StepExecutor& executor;
  RunObserver& observer;
  base::Rng& rng;
  std::string noun;        // prefix of the run's own events, e.g. "request"
  Lanes* lanes = nullptr;  // null: calls of any connector side by side
};

// A leased piece of work, self-contained.
struct Task {
  std::string run_id;
  std::string subject;
  std::string step_id;
  TaskKind kind = TaskKind::kCall;
  int64_t fence = 0;
  bool recovering = false;  // an earlier call was begun and its result never stored
  RunView view;             // outputs of the step's needs only
  StepRecord step;
  StepRecord before;  // the step as it was, for a call that is given back before it began
  std::shared_ptr<Lanes::Place> place;  // null where there is no limit

  std::string EffectKey() const;
};

using Tasks = std::vector<std::shared_ptr<Task>>;

struct Outcome {
  enum class Kind { kResult, kSkip, kError, kUnknown };
  Kind kind = Kind::kResult;
  CallResult result;
  absl::Status error;
};

struct Actor {
  std::string ref;
  std::string reason;
};

// Changes `run`, which must then be written; after an error other than those of Release, Cancel and
// Retry (which change nothing then) it must be thrown away and loaded again.
class Transition {
 public:
  Transition(TransitionContext& context, Journal& journal, Run& run)
      : context_(context),
        journal_(journal),
        now_(journal.now()),
        latest_now_(journal.latest_now()),
        run_(run.record),
        whole_(run),
        steps_(run.steps),
        loaded_state_(run.record.state) {
    journal_.BeginRow(run_.number, run_.id, run_.sequence);
  }

  // A run that is not in the store yet.
  static Run NewRun(RunRecord record, std::shared_ptr<const Definition> definition, absl::Time now,
                    const std::map<std::string, nlohmann::json>& done);
  // The calls that were under way are those of an engine that is gone: they are due again.
  void TakeOver();

  // The fence: whether the task is the step's latest call, and its result not yet known.
  bool IsCurrent(const Task& task);
  // Stores what a task led to. False when the result is of a call that is no longer the step's.
  absl::StatusOr<bool> Complete(const Task& task, const Outcome& outcome);
  // The call was told to stop, or never began: it is due again.
  bool GiveBack(const Task& task, bool began);
  absl::Status Release(const Actor& actor);
  absl::Status Cancel(const Actor& actor);
  absl::Status Retry(const Actor& actor);
  // An operator's word on a step that does not go on by itself: it failed, its outcome is unknown,
  // it waits or is tried again, or its undo failed. Skipped, it counts as done without outputs, and
  // what it made stays; done, it has `outputs`; of a failed undo, done means that somebody undid it
  // by hand. A failed run goes on as by Retry.
  absl::Status SkipStep(absl::string_view step_id, const Actor& actor);
  absl::Status MarkDone(absl::string_view step_id, const nlohmann::json& outputs,
                        const Actor& actor);
  // Something a waiting step waits for may have come: it is looked at now. False when the step does
  // not wait.
  bool Wake(absl::string_view step_id);
  bool IsWaiting(absl::string_view step_id);
  // Of the transaction, for rows of the domain.
  store::Connection& connection() const { return journal_.connection(); }
  const RunRecord& run() const { return run_; }
  absl::Time now() const { return now_; }
  // Outputs of all completed steps.
  RunView View() { return View(nullptr); }
  void AppendEvent(absl::string_view step_id, absl::string_view type, absl::string_view message,
                   const nlohmann::json& data);
  // Schedules what may go on and settles the run's state.
  absl::Status Advance();
  // Takes the steps that are due for calls, and appends them to `tasks`.
  absl::Status StartDue(Tasks* tasks);
  // Ends the change: tells the observer. `is_new`: of a run that begins.
  absl::Status Save(bool is_new = false);

 private:
  absl::Status AdvanceForward();
  absl::Status AdvanceStopping();
  void StopStep(StepRecord& step, bool* active);
  void UndoNext();
  void BeginUndo(StepRecord& step);
  absl::Status CompleteForward(StepRecord& step, const StepDefinition& definition, const Task& task,
                               const Outcome& outcome);
  absl::Status CompleteUndo(StepRecord& step, const StepDefinition& definition,
                            const Outcome& outcome);
  void CompleteResult(StepRecord& step, const StepDefinition& definition, const CallResult& result);
  void CompleteError(StepRecord& step, const StepDefinition& definition, bool was_call,
                     const absl::Status& error);
  void Fail(StepRecord& step, absl::string_view message);
  void Finish();
  void SetState(RunState state, absl::string_view message);
  void ResetUnfinished(const StepRecord* except);
  absl::StatusOr<StepRecord*> FindStuck(absl::string_view step_id);
  absl::Status GoOn(const StepRecord* settled);
  // False: its connector has as many calls under way as it may.
  bool EnterLane(const StepRecord& step, std::shared_ptr<Lanes::Place>* place);
  absl::Status Start(StepRecord& step, std::shared_ptr<Lanes::Place> place, Tasks* tasks);
  RunView View(const StepDefinition* only_needs_of);
  const nlohmann::json& OutputsOf(const StepRecord& step);
  StepRecord* FindStep(absl::string_view id);
  bool NeedsMet(const StepDefinition& definition);
  // Whether the step can be undone; an error of the executor counts as yes, so that it is seen.
  bool HasUndo(const StepRecord& step) const;

  TransitionContext& context_;
  Journal& journal_;
  const absl::Time now_;
  const absl::Time latest_now_;  // what is put off is put off from here
  RunRecord& run_;
  Run& whole_;
  std::vector<StepRecord>& steps_;
  const RunState loaded_state_;
  std::optional<RunView> final_view_;  // of a run whose steps are all done
  // Its outputs go into the row of this change's events.
  StepRecord* completed_ = nullptr;
};

// Whether a step of the run is being called.
bool IsCalling(const Run& run);
// When the run has something to do next (InfiniteFuture: nothing).
absl::Time NextDue(const Run& run);

// How a result that is not ready yet is kept between looks.
std::string PendingToJson(const CallResult& result);
CallResult PendingFromJson(absl::string_view text);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_TRANSITION_H_
