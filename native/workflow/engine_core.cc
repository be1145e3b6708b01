#include "workflow/engine_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/id.h"
#include "base/status.h"
#include "workflow/fault.h"

namespace purser::workflow {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

// A task that nobody could begin for so long is given back, for an engine that has a worker free.
constexpr absl::Duration kMaxReadyWait = absl::Seconds(2);
// Work that the workers should have before them, by which the number of runs under way is chosen.
constexpr double kWorkAheadMicros = 20'000;
constexpr double kCallWeight = 1.0 / 16;
// Rows of one statement where each statement is a message.
constexpr size_t kRowsPerMessage = 32;

}  // namespace

EngineCore::EngineCore(const EngineOptions& options,
                       std::function<void(const std::string&)> stop_run)
    : options_(options),
      exclusive_(options.exclusive && !options.database->IsShared()),
      stop_run_(std::move(stop_run)),
      database_(*options.database),
      clock_(*options.clock),
      definitions_(*options.executor),
      lanes_(options.concurrency),
      context_{*options.executor, *options.observer, *options.rng, options.noun, &lanes_},
      boot_(base::NewId("boot", *options.clock, *options.rng)),
      rows_per_statement_(options.database->IsShared() ? kRowsPerMessage : 1),
      time_(*options.clock),
      call_micros_(kWorkAheadMicros),
      pause_(kFirstStorePause) {}

void EngineCore::Drain() {
  base::MutexLock lock(mutex_);
  draining_ = true;
}

absl::StatusOr<Journal> EngineCore::OpenJournal(Connection& connection) {
  return Journal::Open(connection, Now(), absl::Microseconds(others_ahead_.load()),
                       rows_per_statement_);
}

absl::Status EngineCore::Begin(Connection& connection, const NewRun& run) {
  PURSER_RETURN_IF_ERROR(DefinitionCache::Put(connection, run.definition->hash, run.body));
  RunRecord record;
  record.id = run.id;
  record.subject = run.subject;
  record.definition_hash = run.definition->hash;
  record.state = run.held ? RunState::kHeld : RunState::kRunning;
  record.message = run.message;
  record.input = run.input.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  PURSER_ASSIGN_OR_RETURN(Journal journal, OpenJournal(connection));
  Run whole = Transition::NewRun(std::move(record), run.definition, journal.now(), run.done);
  whole.record.number = journal.sequence() + 1;
  Transition transition(context_, journal, whole);
  transition.AppendEvent("", absl::StrCat(options_.noun, ".created"), run.message, run.event_data);
  PURSER_RETURN_IF_ERROR(transition.Advance());
  PURSER_RETURN_IF_ERROR(transition.Save(/*is_new=*/true));
  whole.record.queued = NextDue(whole);
  journal.InsertRun(whole.record);
  journal.InsertState(whole);
  if (whole.record.queued < absl::InfiniteFuture()) {
    journal.Enqueue(whole.record.number, whole.record.queued);
  }
  PURSER_RETURN_IF_ERROR(journal.Write());
  PURSER_FAULT_POINT("begin.in-transaction");
  return absl::OkStatus();
}

void EngineCore::Submitted() {
  PURSER_FAULT_POINT("begin.after-commit");
  {
    base::MutexLock lock(mutex_);
    claim_wanted_ = true;
    ++event_mark_;
  }
  Changed();
}

void EngineCore::Changed() {
  if (listener_) listener_();
}

// ---- tasks ----

std::shared_ptr<const Task> EngineCore::Pop() {
  base::MutexLock lock(mutex_);
  if (ready_.empty() || draining_) return nullptr;
  // What is ready was claimed before others took this engine's runs over: the next round drops it.
  if (all_lost_) return nullptr;
  // Others may have taken over by now what this engine could not say it lives for: nothing begins
  // before the next beat has told whether they did.
  if (!exclusive_ && clock_.Monotonic() - confirmed_ >= options_.lease) return nullptr;
  std::shared_ptr<const Task> task = std::move(ready_.front().task);
  ready_.pop_front();
  ++performing_;
  ++stats_.calls;
  return task;
}

void EngineCore::Finish(std::shared_ptr<const Task> task, Outcome outcome, bool abandoned,
                        std::vector<LogBatch> log, absl::Duration took) {
  Item item;
  item.kind = abandoned ? Item::Kind::kGiveBack : Item::Kind::kResult;
  item.run_id = task->run_id;
  // The call is over, whenever its result is stored: the next one of its lane may follow at once.
  if (task->place != nullptr) task->place->GiveUp();
  item.task = std::move(task);
  item.outcome = std::move(outcome);
  item.log = std::move(log);
  base::MutexLock lock(mutex_);
  --performing_;
  call_micros_ += (absl::ToDoubleMicroseconds(took) - call_micros_) * kCallWeight;
  inbox_.push_back(std::move(item));
}

void EngineCore::AddLog(std::shared_ptr<const Task> task, std::vector<LogBatch> log) {
  Item item;
  item.kind = Item::Kind::kLog;
  item.run_id = task->run_id;
  item.task = std::move(task);
  item.log = std::move(log);
  base::MutexLock lock(mutex_);
  inbox_.push_back(std::move(item));
}

void EngineCore::GiveBackReady(bool all) {
  const absl::Duration now = clock_.Monotonic();
  base::MutexLock lock(mutex_);
  while (!ready_.empty() && (all || now - ready_.front().since > kMaxReadyWait)) {
    Item item;
    item.kind = Item::Kind::kGiveBack;
    item.began = false;
    item.run_id = ready_.front().task->run_id;
    item.task = std::move(ready_.front().task);
    ready_.pop_front();
    inbox_.push_back(std::move(item));
    // The calls have become slow: learn it at once rather than claim the same runs again.
    call_micros_ = std::max(call_micros_, kWorkAheadMicros);
  }
}

std::shared_ptr<ControlCall> EngineCore::Control(absl::string_view run_id,
                                                 std::function<absl::Status(Transition&)> act) {
  auto call = std::make_shared<ControlCall>();
  call->run_id = std::string(run_id);
  call->act = std::move(act);
  Item item;
  item.kind = Item::Kind::kControl;
  item.run_id = call->run_id;
  item.control = call;
  base::MutexLock lock(mutex_);
  // Before results: a person waits.
  inbox_.push_front(std::move(item));
  return call;
}

bool EngineCore::IsDone(const ControlCall& call) const {
  base::MutexLock lock(mutex_);
  return call.done;
}

bool EngineCore::HasReady() const {
  base::MutexLock lock(mutex_);
  return !ready_.empty() && !draining_;
}

int64_t EngineCore::WorkFor() const {
  base::MutexLock lock(mutex_);
  const int64_t tasks = draining_ ? 0 : static_cast<int64_t>(ready_.size());
  return tasks + (WantsRoundLocked() ? 1 : 0);
}

bool EngineCore::HasInbox() const {
  base::MutexLock lock(mutex_);
  return !inbox_.empty() && !in_round_;
}

int64_t EngineCore::Target() const {
  const double ahead = options_.workers * kWorkAheadMicros / std::max(call_micros_, 1.0);
  return std::clamp(static_cast<int64_t>(ahead), int64_t{options_.workers}, kMaxRunsInFlight);
}

int64_t EngineCore::UnderWay() const {
  // Results that wait for their round count as well: workers that are quicker than the store would
  // claim run after run otherwise, and hold all of them in memory.
  return static_cast<int64_t>(ready_.size() + inbox_.size()) + performing_;
}

bool EngineCore::WantsRoundLocked() const {
  if (in_round_) return false;
  const bool claim =
      claim_wanted_ && started_ && !draining_ && !finding_time_.load() && UnderWay() < Target();
  const bool timer = !timers_.empty() && !draining_ && timers_.begin()->first <= time_.Now();
  if (inbox_.empty() && !claim && !timer && !look_at_leases_ && !all_lost_) return false;
  return clock_.Monotonic() >= not_before_;
}

bool EngineCore::WantsRound() const {
  base::MutexLock lock(mutex_);
  return WantsRoundLocked();
}

absl::Duration EngineCore::NextWake() const {
  base::MutexLock lock(mutex_);
  absl::Duration wake = absl::InfiniteDuration();
  absl::Time due = due_;
  if (!timers_.empty()) due = std::min(due, timers_.begin()->first);
  if (due < absl::InfiniteFuture()) wake = time_.MonotonicAt(due);
  // Also when that is over already: somebody has to be woken.
  if (try_again_) wake = std::min(wake, not_before_);
  return wake;
}

void EngineCore::OnTime() {
  {
    const absl::Time now = Now();
    base::MutexLock lock(mutex_);
    if (not_before_ <= clock_.Monotonic()) try_again_ = false;
    if (due_ <= now) {
      due_ = absl::InfiniteFuture();
      claim_wanted_ = true;
    }
  }
  Changed();
}

// ---- health ----

void EngineCore::NoteHealth(const absl::Status& status) {
  // Somebody was quicker: the store is well.
  if (absl::IsAborted(status)) return;
  base::MutexLock lock(mutex_);
  if (!status.ok()) ++stats_.store_errors;
  health_ = status.ok() ? status : base::Annotate(status, "nothing new starts, the store fails");
}

absl::Status EngineCore::Health() const {
  base::MutexLock lock(mutex_);
  return health_;
}

EngineStats EngineCore::Stats() const {
  base::MutexLock lock(mutex_);
  return stats_;
}

uint64_t EngineCore::EventMark() const {
  base::MutexLock lock(mutex_);
  return event_mark_;
}

}  // namespace purser::workflow
