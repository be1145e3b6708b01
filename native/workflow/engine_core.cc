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

constexpr absl::Duration kFirstStorePause = absl::Milliseconds(20);
constexpr absl::Duration kConflictPause = absl::Milliseconds(2);
constexpr absl::Duration kLongestStorePause = absl::Seconds(1);
// A run that cannot be loaded is looked at again after this, so that it does not block the others.
constexpr absl::Duration kUnreadableRunPause = absl::Minutes(1);
// Events from the future of more than this are a wrong clock of the past, not a jump now.
constexpr absl::Duration kMaxTrustedSkew = absl::Hours(24);
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
      context_{*options.executor, *options.observer, *options.rng, options.noun},
      boot_(base::NewId("boot", *options.clock, *options.rng)),
      rows_per_statement_(options.database->IsShared() ? kRowsPerMessage : 1),
      call_micros_(kWorkAheadMicros),
      pause_(kFirstStorePause) {}

absl::Status EngineCore::Init() {
  PURSER_RETURN_IF_ERROR(MigrateWorkflow(database_));
  PURSER_ASSIGN_OR_RETURN(const std::optional<absl::Time> server, database_.ServerTime());
  absl::Time last;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const Rows rows,
                            connection.Query("SELECT at FROM workflow_head WHERE id = 1", {}));
    last = rows.empty() ? absl::Time() : absl::FromUnixMicros(rows[0].Int(0));
    return absl::OkStatus();
  }));
  anchor_monotonic_ = clock_.Monotonic();
  // Engines that share a store share its clock.
  anchor_ = server.value_or(clock_.Now());
  // A clock set back while the engine was down must not make its timers wait longer.
  if (last > anchor_ && last - anchor_ < kMaxTrustedSkew) anchor_ = last;
  return absl::OkStatus();
}

absl::Time EngineCore::Now() { return anchor_ + (clock_.Monotonic() - anchor_monotonic_); }

absl::Status EngineCore::Start() {
  const absl::Duration began = clock_.Monotonic();
  absl::Status status = database_.Transact([this](Connection& connection) -> absl::Status {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO workflow_engine (boot, beats) VALUES ($1, 1) ON CONFLICT (boot) DO NOTHING",
        {boot_}));
    if (!exclusive_) return absl::OkStatus();
    // Nobody else can be alive.
    PURSER_RETURN_IF_ERROR(TakeOver(connection, "boot <> $1", {boot_}));
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater("DELETE FROM workflow_engine WHERE boot <> $1", {boot_}));
    PURSER_FAULT_POINT("recover.in-transaction");
    return absl::OkStatus();
  });
  NoteHealth(status);
  PURSER_RETURN_IF_ERROR(status);
  base::MutexLock lock(mutex_);
  started_ = true;
  claim_wanted_ = true;
  confirmed_ = began;
  return absl::OkStatus();
}

absl::Status EngineCore::TakeOver(Connection& connection, absl::string_view boots_condition,
                                  std::vector<Value> parameters) {
  const std::string leases =
      absl::StrCat("SELECT run_id FROM workflow_lease WHERE ", boots_condition);
  // The fence: whoever held the lease has read an older version.
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      absl::StrCat("UPDATE workflow_state SET version = version + 1 WHERE run_id IN (", leases,
                   ")"),
      parameters));
  parameters.emplace_back(absl::ToUnixMicros(Now()));
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      absl::StrCat("INSERT INTO workflow_queue (run_id, due) SELECT run_id, CAST($",
                   parameters.size(), " AS BIGINT) FROM workflow_lease WHERE ", boots_condition,
                   " ON CONFLICT (run_id) DO UPDATE SET due = excluded.due"),
      parameters));
  parameters.pop_back();
  return connection.ExecuteLater(absl::StrCat("DELETE FROM workflow_lease WHERE ", boots_condition),
                                 parameters);
}

void EngineCore::Drain() {
  base::MutexLock lock(mutex_);
  draining_ = true;
}

void EngineCore::Retire() {
  // A store that fails now leaves the leases to be taken over later.
  database_
      .Transact([this](Connection& connection) -> absl::Status {
        PURSER_RETURN_IF_ERROR(TakeOver(connection, "boot = $1", {boot_}));
        return connection.ExecuteLater("DELETE FROM workflow_engine WHERE boot = $1", {boot_});
      })
      .IgnoreError();
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
  PURSER_ASSIGN_OR_RETURN(Journal journal, Journal::Open(connection, Now(), rows_per_statement_));
  Run whole = Transition::NewRun(std::move(record), run.definition, journal.now(), run.done);
  Transition transition(context_, journal, whole);
  transition.AppendEvent("", absl::StrCat(options_.noun, ".created"), run.message, run.event_data);
  PURSER_RETURN_IF_ERROR(transition.Advance());
  PURSER_RETURN_IF_ERROR(transition.Save(/*is_new=*/true));
  journal.InsertRun(whole.record);
  journal.InsertState(whole);
  const absl::Time due = NextDue(whole);
  if (due < absl::InfiniteFuture()) journal.Enqueue(whole.record.id, due);
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

bool EngineCore::WantsRoundLocked() const {
  if (in_round_) return false;
  const bool claim = claim_wanted_ && started_ && !draining_ &&
                     static_cast<int64_t>(ready_.size()) + performing_ < Target();
  const bool timer = !timers_.empty() && !draining_ &&
                     timers_.begin()->first <= anchor_ + (clock_.Monotonic() - anchor_monotonic_);
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
  if (due < absl::InfiniteFuture()) wake = anchor_monotonic_ + (due - anchor_);
  // Work that waits because the store refused it.
  if (!inbox_.empty() || claim_wanted_ || look_at_leases_) {
    if (not_before_ > clock_.Monotonic()) wake = std::min(wake, not_before_);
  }
  return wake;
}

void EngineCore::OnTime() {
  {
    const absl::Time now = Now();
    base::MutexLock lock(mutex_);
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

// ---- rounds ----

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
    round.busy = static_cast<int64_t>(ready_.size()) + performing_;
    round.claim = claim_wanted_ && started_ && !draining_;
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
    PURSER_ASSIGN_OR_RETURN(Journal journal, Journal::Open(connection, Now(), rows_per_statement_));
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
  PURSER_ASSIGN_OR_RETURN(std::vector<Run> runs, LoadRuns(connection, {run_id}));
  if (runs.empty()) {
    return absl::NotFoundError(absl::StrCat("run ", run_id, " does not exist"));
  }
  PURSER_ASSIGN_OR_RETURN(runs[0].definition,
                          definitions_.Get(connection, runs[0].record.definition_hash));
  return std::move(runs[0]);
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
  PURSER_ASSIGN_OR_RETURN(
      const Rows lease,
      connection.Query("SELECT boot FROM workflow_lease WHERE run_id = $1", {run_id}));
  Touched& touched = round.touched[run_id];
  if (!lease.empty() && lease[0].Text(0) == boot_) {
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
  touched.leased_by_other = !lease.empty();
  touched.loaded = std::make_unique<Run>(std::move(run));
  touched.run = touched.loaded.get();
  if (found != owned_.end()) round.lost_runs.push_back(run_id);
  return &touched;
}

absl::Status EngineCore::Process(RoundState& round, Journal& journal, Item& item) {
  switch (item.kind) {
    case Item::Kind::kControl:
      return ProcessControl(round, journal, item);
    case Item::Kind::kLook:
      return ProcessLook(round, journal, item);
    case Item::Kind::kWake:
      return ProcessWake(round, journal, item);
    default:
      return ProcessResult(round, journal, item);
  }
}

absl::Status EngineCore::ProcessResult(RoundState& round, Journal& journal, Item& item) {
  PURSER_ASSIGN_OR_RETURN(Touched* const touched, Touch(round, journal, item.run_id));
  if (!touched->owned) {
    if (item.kind != Item::Kind::kLog) ++round.refused;
    return absl::OkStatus();
  }
  Transition transition(context_, journal, *touched->run);
  if (!transition.IsCurrent(*item.task)) {
    // Refused, unless it was stored by a round whose commit was not known to have happened.
    for (const StepRecord& step : touched->run->steps) {
      if (step.id == item.task->step_id && step.fence != item.task->fence &&
          item.kind == Item::Kind::kResult) {
        ++round.refused;
      }
    }
    return absl::OkStatus();
  }
  touched->changed = true;
  for (const LogBatch& batch : item.log) {
    transition.AppendEvent(item.task->step_id, "step.log", batch.text,
                           {{"level", std::string(ToString(batch.level))}});
  }
  if (item.kind == Item::Kind::kResult) {
    round.stored = true;
    PURSER_RETURN_IF_ERROR(transition.Complete(*item.task, item.outcome).status());
    PURSER_RETURN_IF_ERROR(transition.Advance());
  } else if (item.kind == Item::Kind::kGiveBack) {
    transition.GiveBack(*item.task, item.began);
  }
  bool draining = false;
  {
    base::MutexLock lock(mutex_);
    draining = draining_;
  }
  // What is given back must not be taken again in the same breath.
  if (!draining && item.kind != Item::Kind::kGiveBack) {
    PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  }
  return transition.Save();
}

absl::Status EngineCore::ProcessControl(RoundState& round, Journal& journal, Item& item) {
  absl::StatusOr<Touched*> touched = Touch(round, journal, item.run_id);
  if (!touched.ok()) {
    // What cannot be read is the caller's to know; what the store cannot do now ends the round.
    if (!absl::IsNotFound(touched.status()) && !absl::IsDataLoss(touched.status())) {
      return touched.status();
    }
    round.answers.emplace_back(item.control, touched.status());
    return absl::OkStatus();
  }
  Transition transition(context_, journal, *(*touched)->run);
  const absl::Status acted = item.control->act(transition);
  if (!acted.ok()) {
    round.answers.emplace_back(item.control, acted);
    return absl::OkStatus();
  }
  (*touched)->changed = true;
  round.controlled = true;
  bool draining = false;
  {
    base::MutexLock lock(mutex_);
    draining = draining_;
  }
  if ((*touched)->owned && !draining) {
    PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  }
  PURSER_RETURN_IF_ERROR(transition.Save());
  round.answers.emplace_back(item.control, absl::OkStatus());
  return absl::OkStatus();
}

absl::Status EngineCore::ProcessLook(RoundState& round, Journal& journal, Item& item) {
  const auto found = owned_.find(item.run_id);
  if (found != owned_.end() && !round.touched.contains(item.run_id)) found->second->stale = true;
  absl::StatusOr<Touched*> touched = Touch(round, journal, item.run_id);
  if (absl::IsNotFound(touched.status())) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(touched.status());
  if (!(*touched)->owned) return absl::OkStatus();
  (*touched)->changed = true;
  Transition transition(context_, journal, *(*touched)->run);
  PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  if ((*touched)->run->record.goal == Goal::kCancel) round.stop_runs.push_back(item.run_id);
  return transition.Save();
}

absl::Status EngineCore::ProcessWake(RoundState& round, Journal& journal, const Item& item) {
  const auto found = owned_.find(item.run_id);
  // Given back meanwhile: then the queue has it.
  if (found == owned_.end()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(Touched* const touched, Touch(round, journal, item.run_id));
  if (!touched->owned || NextDue(*touched->run) > journal.now()) return absl::OkStatus();
  touched->changed = true;
  Transition transition(context_, journal, *touched->run);
  PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  return transition.Save();
}

absl::Status EngineCore::LookAtLeases(RoundState& round, Journal& journal) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      journal.connection().Query("SELECT run_id FROM workflow_lease WHERE boot = $1", {boot_}));
  absl::flat_hash_set<std::string> leased;
  for (const Row& row : rows) {
    const std::string& id = row.Text(0);
    leased.insert(id);
    const auto owned = owned_.find(id);
    if (round.touched.contains(id) || (owned != owned_.end() && !owned->second->stale)) continue;
    PURSER_ASSIGN_OR_RETURN(Touched* const touched, Touch(round, journal, id));
    Transition transition(context_, journal, *touched->run);
    touched->changed = true;
    PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
    PURSER_RETURN_IF_ERROR(transition.Save());
  }
  for (const auto& [id, owned] : owned_) {
    if (owned->stale && !leased.contains(id)) round.lost_runs.push_back(id);
  }
  return absl::OkStatus();
}

absl::Status EngineCore::Claim(RoundState& round, Journal& journal) {
  int64_t budget = 0;
  {
    base::MutexLock lock(mutex_);
    if (draining_) return absl::OkStatus();
    budget = Target() - round.busy - static_cast<int64_t>(round.tasks.size());
  }
  if (budget <= 0) {
    round.claim_more = true;
    return absl::OkStatus();
  }
  Connection& connection = journal.connection();
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT run_id, due FROM workflow_queue ORDER BY due, run_id LIMIT $1",
                       {budget + 1}));
  std::vector<std::string> ids;
  for (const Row& row : rows) {
    const absl::Time due = absl::FromUnixMicros(row.Int(1));
    if (due > journal.now()) {
      round.due = std::min(round.due, due);
      break;
    }
    if (static_cast<int64_t>(ids.size()) == budget) {
      round.claim_more = true;
      break;
    }
    // What this very round changes settles its own place in the queue. A run that this engine holds
    // and that is queued all the same was taken from it, and is claimed as any other.
    if (!round.touched.contains(row.Text(0))) ids.push_back(row.Text(0));
  }
  if (ids.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<Run>> runs = LoadRuns(connection, ids);
  if (absl::IsDataLoss(runs.status())) {
    // One of them cannot be read: find out which.
    runs = std::vector<Run>();
    for (const std::string& id : ids) {
      absl::StatusOr<std::vector<Run>> one = LoadRuns(connection, {id});
      if (absl::IsDataLoss(one.status())) {
        Postpone(round, journal, id);
        continue;
      }
      PURSER_RETURN_IF_ERROR(one.status());
      for (Run& run : *one) runs->push_back(std::move(run));
    }
  }
  PURSER_RETURN_IF_ERROR(runs.status());
  absl::flat_hash_set<std::string> found;
  for (Run& run : *runs) {
    found.insert(run.record.id);
    const std::string id = run.record.id;
    absl::StatusOr<std::shared_ptr<const Definition>> definition =
        definitions_.Get(connection, run.record.definition_hash);
    if (!definition.ok()) {
      // The store's own errors end the round; a definition that cannot be read only its runs.
      if (absl::IsUnavailable(definition.status()) || absl::IsAborted(definition.status())) {
        return definition.status();
      }
      Postpone(round, journal, id);
      continue;
    }
    run.definition = *std::move(definition);
    PURSER_RETURN_IF_ERROR(ClaimOne(round, journal, std::move(run)));
  }
  // A place in the queue of a run that is gone.
  for (const std::string& id : ids) {
    if (!found.contains(id) && !round.touched.contains(id)) journal.Dequeue(id);
  }
  return absl::OkStatus();
}

void EngineCore::Postpone(RoundState& round, Journal& journal, const std::string& run_id) {
  const absl::Time later = journal.now() + kUnreadableRunPause;
  journal.Enqueue(run_id, later);
  round.due = std::min(round.due, later);
}

absl::Status EngineCore::ClaimOne(RoundState& round, Journal& journal, Run run) {
  const std::string id = run.record.id;
  Touched& touched = round.touched[id];
  touched.loaded = std::make_unique<Run>(std::move(run));
  touched.run = touched.loaded.get();
  touched.owned = true;
  touched.claimed = true;
  touched.changed = true;
  round.claimed = true;
  journal.Lease(id, boot_);
  Transition transition(context_, journal, *touched.run);
  transition.TakeOver();
  PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  return transition.Save();
}

void EngineCore::Settle(RoundState& round, Journal& journal) {
  for (auto& [id, touched] : round.touched) {
    if (!touched.changed) continue;
    Run& run = *touched.run;
    ++run.record.version;
    journal.UpdateState(run);
    const absl::Time due = NextDue(run);
    if (touched.owned) {
      if (IsCalling(run)) {
        if (due < absl::InfiniteFuture()) round.wakes.emplace_back(due, id);
        continue;
      }
      // Nothing under way: whoever has a worker free when it is due goes on with it.
      touched.released = true;
      journal.Release(id, boot_);
    } else if (touched.leased_by_other) {
      journal.Attend(id);
      continue;
    } else if (due == absl::InfiniteFuture()) {
      journal.Dequeue(id);
    }
    if (due < absl::InfiniteFuture()) {
      journal.Enqueue(id, due);
      round.due = std::min(round.due, due);
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
  for (const Task& task : round.tasks) {
    const auto owned = owned_.find(task.run_id);
    if (owned != owned_.end()) owned->second->under_way[task.step_id] = task.fence;
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
    for (Task& task : round.tasks) {
      ready_.push_back({std::make_shared<const Task>(std::move(task)), now});
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
  if (!conflict) pause_ = std::min(pause_ * 2, kLongestStorePause);
}

// ---- beats ----

absl::Status EngineCore::Beat() {
  if (exclusive_) return absl::OkStatus();
  const absl::Duration now = clock_.Monotonic();
  std::vector<std::string> dead;
  std::vector<std::string> looks;
  bool buried = false;
  absl::Status status = database_.Transact([&](Connection& connection) -> absl::Status {
    dead.clear();
    looks.clear();
    buried = false;
    if (now - beaten_ >= options_.beat) {
      PURSER_ASSIGN_OR_RETURN(
          const int64_t beats,
          connection.Execute("UPDATE workflow_engine SET beats = beats + 1 WHERE boot = $1",
                             {boot_}));
      if (beats == 0) {
        // Others took this engine for dead while it stood still: what it leased is theirs.
        buried = true;
        PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
            "INSERT INTO workflow_engine (boot, beats) VALUES ($1, 1)", {boot_}, 1));
      }
    }
    PURSER_ASSIGN_OR_RETURN(
        const Rows engines,
        connection.Query("SELECT boot, beats FROM workflow_engine WHERE boot <> $1", {boot_}));
    for (const Row& row : engines) {
      // By our own monotonic clock and their counter: no clock of another machine matters.
      const auto found = neighbours_.find(row.Text(0));
      if (found != neighbours_.end() && found->second.beats == row.Int(1) &&
          now - found->second.seen >= options_.lease) {
        dead.push_back(row.Text(0));
      }
    }
    for (const std::string& boot : dead) {
      PURSER_RETURN_IF_ERROR(TakeOver(connection, "boot = $1", {boot}));
      PURSER_RETURN_IF_ERROR(
          connection.ExecuteLater("DELETE FROM workflow_engine WHERE boot = $1", {boot}));
      PURSER_FAULT_POINT("recover.in-transaction");
    }
    // Leases of engines that are not even known.
    PURSER_RETURN_IF_ERROR(
        TakeOver(connection, "boot NOT IN (SELECT boot FROM workflow_engine)", {}));
    PURSER_ASSIGN_OR_RETURN(
        const Rows attention,
        connection.Query("SELECT run_id FROM workflow_lease WHERE boot = $1 AND attention <> 0",
                         {boot_}));
    for (const Row& row : attention) {
      looks.push_back(row.Text(0));
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          "UPDATE workflow_lease SET attention = 0 WHERE run_id = $1", {row.Text(0)}));
    }
    for (const Row& row : engines) {
      Neighbour& neighbour = neighbours_[row.Text(0)];
      if (neighbour.beats == row.Int(1)) continue;
      neighbour.beats = row.Int(1);
      neighbour.seen = now;
    }
    return absl::OkStatus();
  });
  NoteHealth(status);
  PURSER_RETURN_IF_ERROR(status);
  const bool told = now - beaten_ >= options_.beat;
  if (told) beaten_ = now;
  for (const std::string& boot : dead) neighbours_.erase(boot);
  {
    base::MutexLock lock(mutex_);
    if (buried) all_lost_ = true;
    if (told) confirmed_ = now;
    // Others may have stored what is due.
    claim_wanted_ = true;
    ++event_mark_;
    for (const std::string& id : looks) {
      Item item;
      item.kind = Item::Kind::kLook;
      item.run_id = id;
      inbox_.push_back(std::move(item));
    }
  }
  Changed();
  return absl::OkStatus();
}

}  // namespace purser::workflow
