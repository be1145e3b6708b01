// Rounds: what has gathered is stored in one transaction, and what follows from it handed out.
#include <algorithm>
#include <utility>

#include "base/status.h"
#include "workflow/engine_core.h"
#include "workflow/fault.h"

namespace purser::workflow {
namespace {

using store::Connection;

constexpr absl::Duration kConflictPause = absl::Milliseconds(2);
constexpr absl::Duration kLongestStorePause = absl::Seconds(1);

}  // namespace

bool EngineCore::TryRound() {
  RoundState round;
  {
    base::MutexLock lock(mutex_);
    if (!WantsRoundLocked()) return false;
    in_round_ = true;
    const size_t count = std::min(inbox_.size(), item_limit_);
    round.items.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      round.items.push_back(std::move(inbox_.front()));
      inbox_.pop_front();
    }
    const absl::Time now = Now();
    while (!draining_ && !timers_.empty() && timers_.begin()->first <= now) {
      Item item;
      item.kind = Item::Kind::kWake;
      item.run_id = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      round.items.push_back(std::move(item));
    }
    round.busy = UnderWay();
    round.claim = claim_wanted_ && started_ && !draining_ && !finding_time_.load();
    // What is stored from now on asks again.
    if (round.claim) claim_wanted_ = false;
    round.look_at_leases = std::exchange(look_at_leases_, false);
    if (std::exchange(all_lost_, false)) {
      // Nobody began what is ready, and others do now.
      for (const ReadyTask& ready : ready_) {
        const auto owned = owned_.find(ready.task->run_id);
        if (owned != owned_.end()) owned->second->under_way.erase(ready.task->step_id);
      }
      ready_.clear();
      for (auto& [id, owned] : owned_) owned->stale = true;
      round.look_at_leases = true;
    }
  }
  const absl::Status status = Round(round);
  NoteHealth(status);
  if (status.ok()) {
    if (round.claimed) PURSER_FAULT_POINT("claim.after-commit");
    if (round.stored) PURSER_FAULT_POINT("result.after-commit");
    if (round.controlled) PURSER_FAULT_POINT("control.after-commit");
    Committed(round);
  } else {
    Failed(round, status);
  }
  Changed();
  return true;
}

absl::Status EngineCore::Round(RoundState& round) {
  int tries = 0;
  return database_.Transact([&](Connection& connection) -> absl::Status {
    if (++tries > 1) {
      // The database asks for the same again: what was changed in memory is not what is stored.
      for (const auto& [id, touched] : round.touched) {
        const auto found = owned_.find(id);
        if (found != owned_.end()) found->second->stale = true;
      }
    }
    round.touched.clear();
    round.tasks.clear();
    round.stop_runs.clear();
    round.wakes.clear();
    round.lost_runs.clear();
    round.answers.clear();
    round.refused = 0;
    round.claimed = round.stored = round.controlled = round.claim_more = false;
    round.due = absl::InfiniteFuture();
    PURSER_ASSIGN_OR_RETURN(Journal journal, OpenJournal(connection));
    for (Item& item : round.items) PURSER_RETURN_IF_ERROR(Process(round, journal, item));
    if (round.look_at_leases) PURSER_RETURN_IF_ERROR(LookAtLeases(round, journal));
    if (round.claim) PURSER_RETURN_IF_ERROR(Claim(round, journal));
    Settle(round, journal);
    PURSER_RETURN_IF_ERROR(journal.Write());
    if (round.claimed) PURSER_FAULT_POINT("claim.in-transaction");
    if (round.stored) PURSER_FAULT_POINT("result.in-transaction");
    if (round.controlled) PURSER_FAULT_POINT("control.in-transaction");
    return absl::OkStatus();
  });
}

absl::StatusOr<Run> EngineCore::Load(Connection& connection, const std::string& run_id) {
  PURSER_ASSIGN_OR_RETURN(Run run, LoadWholeRun(connection, run_id));
  PURSER_ASSIGN_OR_RETURN(run.definition, definitions_.Get(connection, run.record.definition_hash));
  return run;
}

absl::StatusOr<EngineCore::Touched*> EngineCore::Touch(RoundState& round, Journal& journal,
                                                       const std::string& run_id) {
  const auto known = round.touched.find(run_id);
  if (known != round.touched.end()) return &known->second;
  const auto found = owned_.find(run_id);
  if (found != owned_.end() && !found->second->stale) {
    Touched& touched = round.touched[run_id];
    touched.run = &found->second->run;
    touched.owned = true;
    return &touched;
  }
  Connection& connection = journal.connection();
  PURSER_ASSIGN_OR_RETURN(Run run, Load(connection, run_id));
  Touched& touched = round.touched[run_id];
  if (run.record.holder == boot_) {
    std::unique_ptr<Owned>& owned = owned_[run_id];
    if (owned == nullptr) owned = std::make_unique<Owned>();
    owned->run = std::move(run);
    owned->stale = false;
    touched.run = &owned->run;
    touched.owned = true;
    // Calls that the store knows of and nobody here performs: their round was committed, but it was
    // not known to be. They have not begun.
    for (StepRecord& step : owned->run.steps) {
      const auto under_way = owned->under_way.find(step.id);
      if (!step.calling ||
          (under_way != owned->under_way.end() && under_way->second == step.fence)) {
        continue;
      }
      step.calling = false;
      step.due = journal.now();
      touched.changed = true;
    }
    return &touched;
  }
  touched.loaded = std::make_unique<Run>(std::move(run));
  touched.run = touched.loaded.get();
  if (found != owned_.end()) round.lost_runs.push_back(run_id);
  return &touched;
}

void EngineCore::Settle(RoundState& round, Journal& journal) {
  for (auto& [id, touched] : round.touched) {
    if (!touched.changed) continue;
    Run& run = *touched.run;
    const int64_t number = run.record.number;
    const absl::Time due = NextDue(run);
    absl::Time place = absl::InfiniteFuture();
    const bool held_by_other = !touched.owned && !run.record.holder.empty();
    bool held = held_by_other;
    if (touched.owned) {
      held = IsCalling(run);
      if (!held) {
        // Nothing under way: whoever has a worker free when it is due goes on with it.
        touched.released = true;
        place = due;
      } else if (due < absl::InfiniteFuture()) {
        round.wakes.emplace_back(due, id);
      }
    } else if (!held_by_other) {
      // In the queue, and a call is under way: an engine died during it. Whoever claims the run has
      // to look after it, however it was changed meanwhile.
      place = IsCalling(run) ? journal.now() : due;
    }
    if (run.record.queued != place) {
      if (run.record.queued < absl::InfiniteFuture()) journal.Dequeue(number, run.record.queued);
      if (place < absl::InfiniteFuture()) journal.Enqueue(number, place);
      run.record.queued = place;
    }
    round.due = std::min(round.due, place);
    ++run.record.version;
    if (held_by_other) journal.Attend(number);
    if (touched.claimed) {
      if (held) journal.Lease(run, boot_);
    } else if (held) {
      journal.UpdateLease(run);
    } else if (touched.owned) {
      journal.Release(run.record);
    }
    if (!held) {
      journal.UpdateState(run);
      run.record.stored_version = run.record.version;
    }
  }
}

void EngineCore::Committed(RoundState& round) {
  for (const Item& item : round.items) {
    if (item.kind != Item::Kind::kResult && item.kind != Item::Kind::kGiveBack) continue;
    const auto owned = owned_.find(item.run_id);
    if (owned == owned_.end()) continue;
    const auto under_way = owned->second->under_way.find(item.task->step_id);
    if (under_way != owned->second->under_way.end() && under_way->second == item.task->fence) {
      owned->second->under_way.erase(under_way);
    }
  }
  for (const std::string& id : round.lost_runs) owned_.erase(id);
  // What is ready of runs that were lost, and perhaps claimed again, is of an older fence.
  std::vector<std::string> outdated = round.lost_runs;
  for (auto& [id, touched] : round.touched) {
    if (!touched.owned) continue;
    if (touched.claimed && owned_.contains(id)) outdated.push_back(id);
    if (touched.released) {
      owned_.erase(id);
    } else if (touched.claimed) {
      auto owned = std::make_unique<Owned>();
      owned->run = std::move(*touched.loaded);
      owned_[id] = std::move(owned);
    }
  }
  for (const auto& task : round.tasks) {
    const auto owned = owned_.find(task->run_id);
    if (owned != owned_.end()) owned->second->under_way[task->step_id] = task->fence;
  }
  options_.observer->OnCommitted();
  const absl::Duration now = clock_.Monotonic();
  {
    base::MutexLock lock(mutex_);
    in_round_ = false;
    pause_ = kFirstStorePause;
    item_limit_ = std::min(item_limit_ * 2, kMaxRoundItems);
    for (const std::string& id : outdated) {
      std::erase_if(ready_, [&](const ReadyTask& ready) { return ready.task->run_id == id; });
    }
    stats_.lost_leases += static_cast<int64_t>(round.lost_runs.size());
    for (std::shared_ptr<Task>& task : round.tasks) {
      const bool again = task->before.state == StepState::kRetrying ||
                         task->before.state == StepState::kUndoRetrying;
      if (again) ++stats_.retries;
      ready_.push_back({std::move(task), now});
    }
    if (round.claim_more) claim_wanted_ = true;
    due_ = std::min(due_, round.due);
    for (auto& [due, id] : round.wakes) timers_.emplace(due, std::move(id));
    stats_.refused_results += round.refused;
    for (auto& [call, status] : round.answers) {
      call->status = status;
      call->done = true;
    }
    if (!round.touched.empty()) ++event_mark_;
  }
  for (const std::string& id : round.stop_runs) stop_run_(id);
}

void EngineCore::Failed(RoundState& round, const absl::Status& status) {
  for (const auto& [id, touched] : round.touched) {
    const auto found = owned_.find(id);
    if (found != owned_.end()) found->second->stale = true;
  }
  base::MutexLock lock(mutex_);
  in_round_ = false;
  if (round.claim) claim_wanted_ = true;
  // It may have been stored all the same: runs that were claimed are then ours without our knowing.
  if (!absl::IsAborted(status) || round.look_at_leases) look_at_leases_ = true;
  // An effect that happened is not forgotten: results wait until the store takes them. Smaller
  // rounds, the failed items last, so that one that always fails does not hold up the others.
  item_limit_ = std::max<size_t>(1, round.items.size() / 2);
  bool waits = round.claim || look_at_leases_;
  for (Item& item : round.items) {
    if (item.kind == Item::Kind::kControl) {
      item.control->status = status;
      item.control->done = true;
      continue;
    }
    waits = true;
    inbox_.push_back(std::move(item));
  }
  // Somebody else changed a run meanwhile: the next round reads it again.
  if (!waits) return;
  const bool conflict = absl::IsAborted(status);
  const absl::Duration pause = conflict ? kConflictPause : pause_;
  const absl::Duration jitter = absl::Microseconds(static_cast<int64_t>(
      options_.rng->Below(static_cast<uint64_t>(absl::ToInt64Microseconds(pause / 2)) + 1)));
  not_before_ = clock_.Monotonic() + pause / 2 + jitter;
  try_again_ = true;
  if (!conflict) pause_ = std::min(pause_ * 2, kLongestStorePause);
}

}  // namespace purser::workflow
