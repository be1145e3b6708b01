// One transaction on one run: loads its rows, changes them by the rules of the state machine, and
// writes what changed together with its events. FORMAT.md describes states and rules.
#ifndef PURSER_WORKFLOW_TRANSITION_H_
#define PURSER_WORKFLOW_TRANSITION_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/rng.h"
#include "store/store.h"
#include "workflow/definition_cache.h"
#include "workflow/events.h"
#include "workflow/executor.h"
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
  DefinitionCache& definitions;
  std::string boot;      // of this engine; leases carry it
  absl::Duration lease;  // how long one lasts without a beat
  std::string noun;      // prefix of the run's own events, e.g. "request"
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

  std::string EffectKey() const;
};

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

class Transition {
 public:
  static absl::StatusOr<std::unique_ptr<Transition>> Open(TransitionContext& context,
                                                          store::Connection& connection,
                                                          absl::string_view run_id, absl::Time now);
  // A run that is not in the store yet.
  static absl::StatusOr<std::unique_ptr<Transition>> Begin(
      TransitionContext& context, store::Connection& connection, RunRecord run,
      std::shared_ptr<const Definition> definition, absl::Time now);

  // Takes the lease of a queued step. nullopt when there is nothing to do after all.
  absl::StatusOr<std::optional<Task>> Claim(absl::string_view step_id, TaskKind kind);
  // Stores what a task led to. The lease must have been checked and removed.
  absl::Status Complete(const Task& task, const Outcome& outcome);
  absl::Status Release(const Actor& actor);
  absl::Status Cancel(const Actor& actor);
  absl::Status Retry(const Actor& actor);
  absl::Status AppendEvent(absl::string_view step_id, absl::string_view type,
                           absl::string_view message, const nlohmann::json& data);
  // Schedules what may go on and settles the run's state.
  absl::Status Advance();
  // Claims one of the steps that became due in this transaction, sparing a trip by the queue.
  absl::StatusOr<std::optional<Task>> ClaimNext();
  absl::Status Save();
  // Whether steps are due that ClaimNext did not take.
  bool has_due_now() const { return !due_now_.empty(); }

  const RunRecord& run() const { return run_; }
  const std::vector<StepRecord>& steps() const { return steps_; }
  // The earliest queue row written (InfiniteFuture: none).
  absl::Time earliest_due() const { return earliest_due_; }

 private:
  Transition(TransitionContext& context, store::Connection& connection, absl::Time now)
      : context_(context), connection_(connection), now_(now) {}

  absl::Status AdvanceForward();
  absl::Status AdvanceStopping();
  absl::Status StopStep(StepRecord& step, bool* active);
  absl::Status UndoNext();
  absl::Status CompleteForward(StepRecord& step, const StepDefinition& definition, const Task& task,
                               const Outcome& outcome);
  absl::Status CompleteUndo(StepRecord& step, const StepDefinition& definition,
                            const Outcome& outcome);
  absl::Status CompleteResult(StepRecord& step, const StepDefinition& definition,
                              const CallResult& result);
  absl::Status CompleteError(StepRecord& step, const StepDefinition& definition, bool was_call,
                             const absl::Status& error);
  absl::Status Fail(StepRecord& step, absl::string_view message);
  absl::Status Finish();
  absl::Status SetState(RunState state, absl::string_view message);
  absl::Status Schedule(StepRecord& step, TaskKind kind, absl::Time due);
  absl::Status Dequeue(const StepRecord& step);
  absl::StatusOr<const std::set<std::string>*> Leased();
  absl::StatusOr<RunView> View(const StepDefinition* only_needs_of) const;
  StepRecord* FindStep(absl::string_view id);
  bool NeedsMet(const StepDefinition& definition);
  // Whether the step can be undone; an error of the executor counts as yes, so that it is seen.
  bool HasUndo(const StepRecord& step) const;

  TransitionContext& context_;
  store::Connection& connection_;
  const absl::Time now_;
  RunRecord run_;
  RunState loaded_state_ = RunState::kHeld;
  bool is_new_ = false;
  std::vector<StepRecord> steps_;
  std::shared_ptr<const Definition> definition_;
  std::optional<EventWriter> events_;
  std::optional<std::set<std::string>> leased_;
  // Due now in this transaction, not yet written to the queue: ClaimNext may take one.
  std::vector<std::pair<std::string, TaskKind>> due_now_;
  absl::Time earliest_due_ = absl::InfiniteFuture();
};

// How a result that is not ready yet is kept between looks.
std::string PendingToJson(const CallResult& result);
CallResult PendingFromJson(absl::string_view text);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_TRANSITION_H_
