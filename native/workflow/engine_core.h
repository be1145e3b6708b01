// The engine without its threads: what is due, what is under way, and the rounds in which changes
// are stored. The engine's threads drive it; a simulation drives several of them in one thread.
//
// Work flows in a circle: a round claims runs and hands out tasks, somebody performs them, results
// gather in the inbox, the next round stores them all in one transaction and hands out what
// follows. A round is performed by whoever finds the inbox full and nobody at it, so that one
// worker alone needs no other thread, and many share one commit.
#ifndef PURSER_WORKFLOW_ENGINE_CORE_H_
#define PURSER_WORKFLOW_ENGINE_CORE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "workflow/definition_cache.h"
#include "workflow/engine.h"
#include "workflow/journal.h"
#include "workflow/lanes.h"
#include "workflow/running.h"
#include "workflow/timeline.h"
#include "workflow/transition.h"

namespace purser::workflow {

// Results that one round stores.
inline constexpr size_t kMaxRoundItems = 256;
// Runs that one engine has under way while its calls are quick; with slow ones, as many as workers.
inline constexpr int64_t kMaxRunsInFlight = 512;
// After a round that the store refused; doubled with each that follows.
inline constexpr absl::Duration kFirstStorePause = absl::Milliseconds(20);

// A change asked for from outside, and its answer.
struct ControlCall {
  std::string run_id;
  std::function<absl::Status(Transition&)> act;
  bool done = false;  // both under the core's mutex
  absl::Status status;
};

// Thread-safe.
class EngineCore {
 public:
  // `stop_run` is told of runs whose calls should end because another engine cancelled them.
  EngineCore(const EngineOptions& options, std::function<void(const std::string&)> stop_run);

  absl::Status Init();
  // Takes over what an engine before left, when nobody else can; work may be claimed from now on.
  absl::Status Start();
  // Nothing new is claimed or begun.
  void Drain();
  // After the last round: gives up what is still leased, so that others need not wait.
  void Retire();

  absl::Status Begin(store::Connection& connection, const NewRun& run);
  // After Begin's transaction: its runs may be claimed, its events read.
  void Submitted();

  // The next task to perform; nullptr: none is ready. It counts as under way until Finish.
  std::shared_ptr<const Task> Pop();
  // `took`: how long the call was, by which the engine learns how many runs to have under way.
  void Finish(std::shared_ptr<const Task> task, Outcome outcome, bool abandoned,
              std::vector<LogBatch> log, absl::Duration took);
  void AddLog(std::shared_ptr<const Task> task, std::vector<LogBatch> log);
  // Gives back what nobody begins: all of it, or what has waited longer than kMaxReadyWait.
  void GiveBackReady(bool all);
  std::shared_ptr<ControlCall> Control(absl::string_view run_id,
                                       std::function<absl::Status(Transition&)> act);
  bool IsDone(const ControlCall& call) const;

  // Performs a round when there is something to store or claim and nobody else is at it. False
  // otherwise.
  bool TryRound();
  // Whether TryRound would do something.
  bool WantsRound() const;
  bool HasReady() const;
  // How many threads have something to do: tasks, and a round.
  int64_t WorkFor() const;
  // Results wait, and nobody is at a round.
  bool HasInbox() const;
  // By the monotonic clock: when to call OnTime (InfiniteDuration: never).
  absl::Duration NextWake() const;
  void OnTime();

  // Shared stores only: says that this engine lives, takes over from those that do not, and looks
  // for what others changed of its runs. Called every second or so.
  absl::Status Beat();

  absl::Status Health() const;
  EngineStats Stats() const;
  absl::Time Now() const { return time_.Now(); }
  bool exclusive() const { return exclusive_; }
  // Grows with every change of anything that waiters may wait for.
  uint64_t EventMark() const;
  // Told after each change of the above, without locks held.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

 private:
  struct Item {
    enum class Kind { kResult, kGiveBack, kLog, kControl, kLook, kWake };
    Kind kind = Kind::kResult;
    std::string run_id;
    std::shared_ptr<const Task> task;
    Outcome outcome;
    bool began = true;
    std::vector<LogBatch> log;
    std::shared_ptr<ControlCall> control;
  };
  struct ReadyTask {
    std::shared_ptr<const Task> task;
    absl::Duration since;
  };
  // A run that this engine has leased.
  struct Owned {
    Run run;
    bool stale = false;  // differs from the store: load it again
    // Tasks handed out and not finished: step → fence.
    std::map<std::string, int64_t> under_way;
  };
  // A run that the present round changes.
  struct Touched {
    Run* run = nullptr;
    bool owned = false;
    bool claimed = false;  // in this round
    bool changed = false;
    bool released = false;
    std::unique_ptr<Run> loaded;  // of runs that are not owned yet
  };
  // What a round did, for when it is committed.
  struct RoundState {
    std::vector<Item> items;
    std::map<std::string, Touched> touched;
    Tasks tasks;
    std::vector<std::string> stop_runs;
    // Runs that stay with this engine and have something to do later, beside a call under way.
    std::vector<std::pair<absl::Time, std::string>> wakes;
    std::vector<std::string> lost_runs;
    std::vector<std::pair<std::shared_ptr<ControlCall>, absl::Status>> answers;
    int64_t refused = 0;
    int64_t busy = 0;  // UnderWay when the round began, without the results that it stores
    bool claim = false;
    bool look_at_leases = false;
    bool claim_more = false;
    bool claimed = false;
    bool stored = false;  // results
    bool controlled = false;
    absl::Time due = absl::InfiniteFuture();
  };

  absl::Status Round(RoundState& round);
  absl::Status Process(RoundState& round, Journal& journal, Item& item);
  absl::Status ProcessResult(RoundState& round, Journal& journal, Item& item);
  absl::Status ProcessControl(RoundState& round, Journal& journal, Item& item);
  absl::Status ProcessLook(RoundState& round, Journal& journal, Item& item);
  absl::Status ProcessWake(RoundState& round, Journal& journal, const Item& item);
  absl::Status Claim(RoundState& round, Journal& journal);
  // Finds what this engine holds and does not know of, or knows and holds no more.
  absl::Status LookAtLeases(RoundState& round, Journal& journal);
  absl::Status ClaimOne(RoundState& round, Journal& journal, Run run);
  absl::Status Postpone(RoundState& round, Journal& journal, int64_t run, absl::Time queued);
  void Settle(RoundState& round, Journal& journal);
  void Committed(RoundState& round);
  void Failed(RoundState& round, const absl::Status& status);
  absl::StatusOr<Journal> OpenJournal(store::Connection& connection);
  absl::StatusOr<Touched*> Touch(RoundState& round, Journal& journal, const std::string& run_id);
  absl::StatusOr<Run> Load(store::Connection& connection, const std::string& run_id);
  void NoteHealth(const absl::Status& status);
  absl::Status TakeOver(store::Connection& connection, absl::string_view boots_condition,
                        std::vector<store::Value> parameters);
  int64_t Target() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tasks handed out whose results no round has taken up.
  int64_t UnderWay() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WantsRoundLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Changed();

  const EngineOptions options_;
  const bool exclusive_;
  const std::function<void(const std::string&)> stop_run_;
  std::function<void()> listener_;
  store::Database& database_;
  base::Clock& clock_;
  DefinitionCache definitions_;
  Lanes lanes_;  // before all that holds tasks: they give up their places
  TransitionContext context_;
  const std::string boot_;
  const size_t rows_per_statement_;
  Timeline time_;

  // Of the round under way; touched by nobody else.
  absl::flat_hash_map<std::string, std::unique_ptr<Owned>> owned_;

  mutable base::Mutex mutex_;
  bool in_round_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool claim_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool look_at_leases_ ABSL_GUARDED_BY(mutex_) = false;
  bool all_lost_ ABSL_GUARDED_BY(mutex_) = false;  // another engine declared this one dead
  std::deque<Item> inbox_ ABSL_GUARDED_BY(mutex_);
  std::deque<ReadyTask> ready_ ABSL_GUARDED_BY(mutex_);
  std::multimap<absl::Time, std::string> timers_ ABSL_GUARDED_BY(mutex_);  // of runs held
  int64_t performing_ ABSL_GUARDED_BY(mutex_) = 0;
  double call_micros_ ABSL_GUARDED_BY(mutex_);  // moving average
  size_t item_limit_ ABSL_GUARDED_BY(mutex_) = kMaxRoundItems;
  absl::Duration confirmed_ ABSL_GUARDED_BY(mutex_);  // when this engine last said that it lives
  absl::Time due_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Duration not_before_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  // A round failed, and nobody has been woken yet to try again.
  bool try_again_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  EngineStats stats_ ABSL_GUARDED_BY(mutex_);
  uint64_t event_mark_ ABSL_GUARDED_BY(mutex_) = 1;

  // Of Beat, which is called by one thread.
  struct Neighbour {
    int64_t beats = 0;
    absl::Duration seen;
    bool heard = false;    // its number has changed since we know of it
    absl::Duration ahead;  // its time of ours, at most
  };
  struct BeatState {
    bool tells = false;                // that this engine lives
    bool seeks_unknown = false;        // leases of engines that are not even known
    bool buried = false;               // others took it for dead
    std::optional<absl::Time> others;  // when it was buried: their latest time
    store::Rows engines;               // the others: boot, beats, at
    std::vector<std::string> dead;
    std::vector<std::string> looks;  // runs that somebody else changed
  };
  absl::Status BeatIn(store::Connection& connection, absl::Duration now, BeatState& beat);
  // Notes who was heard of, and agrees with them on the time.
  void KeepTime(absl::Duration now, const BeatState& beat);
  absl::StatusOr<absl::Time> StoreTime();
  // Engines are known of, and whether they live is not: see Init. Nothing is claimed meanwhile:
  // what would be put off would be due too soon for whoever has the right time.
  std::atomic<bool> finding_time_{false};
  // While the time of those who buried this engine is looked for: its own, less the monotonic
  // clock's.
  std::optional<absl::Time> before_burial_;
  // By how much the time of others may be ahead of ours, microseconds.
  std::atomic<int64_t> others_ahead_{0};
  int64_t burials_ = 0;  // how often others took this engine for dead
  std::map<std::string, Neighbour> neighbours_;
  absl::Duration beaten_ = -absl::InfiniteDuration();
  absl::Duration sought_unknown_ = -absl::InfiniteDuration();
  absl::Duration looked_ = -absl::InfiniteDuration();  // when the last Beat that succeeded began
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_ENGINE_CORE_H_
