#include "workflow/engine.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/status.h"
#include "workflow/fault.h"
#include "workflow/perform.h"
#include "workflow/running.h"

namespace purser::workflow {
namespace {

using store::Connection;
using store::Row;
using store::Rows;

constexpr int kMaxWorkers = 256;
constexpr absl::Duration kFirstStorePause = absl::Milliseconds(100);
constexpr absl::Duration kLongestStorePause = absl::Seconds(5);
// A run that cannot be loaded is looked at again after this, so that it does not block the others.
constexpr absl::Duration kUnreadableRunPause = absl::Minutes(1);
// Events from the future of more than this are a wrong clock of the past, not a jump now.
constexpr absl::Duration kMaxTrustedSkew = absl::Hours(24);
// How long an idle engine that shares its store waits before it looks for others' work.
constexpr absl::Duration kSharedPoll = absl::Seconds(1);

class DurableEngine final : public Engine {
 public:
  explicit DurableEngine(const EngineOptions& options)
      : options_(options),
        database_(*options.database),
        clock_(*options.clock),
        definitions_(*options.executor),
        context_{*options.executor,
                 *options.observer,
                 *options.rng,
                 definitions_,
                 base::NewId("boot", *options.clock, *options.rng),
                 options.lease,
                 options.noun} {}

  ~DurableEngine() override { Stop(); }

  absl::Status Init() {
    PURSER_RETURN_IF_ERROR(MigrateWorkflow(database_));
    absl::Time last;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const Rows rows,
                              connection.Query("SELECT at FROM workflow_head WHERE id = 1", {}));
      last = rows.empty() ? absl::Time() : absl::FromUnixMicros(rows[0].Int(0));
      return absl::OkStatus();
    }));
    anchor_monotonic_ = clock_.Monotonic();
    anchor_ = clock_.Now();
    // A clock set back while the engine was down must not make its timers wait longer.
    if (last > anchor_ && last - anchor_ < kMaxTrustedSkew) anchor_ = last;
    return absl::OkStatus();
  }

  absl::Status Start() override {
    PURSER_RETURN_IF_ERROR(TakeOver());
    base::MutexLock lock(mutex_);
    if (stopping_ || !threads_.empty()) {
      return absl::FailedPreconditionError("the engine was started before");
    }
    for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { Work(); });
    threads_.emplace_back([this] { KeepTime(); });
    threads_.emplace_back([this] { Beat(); });
    return absl::OkStatus();
  }

  void Drain(absl::Duration patience) override {
    {
      base::MutexLock lock(mutex_);
      draining_ = true;
      wake_.NotifyAll();
    }
    running_.WaitForEmpty(patience);
  }

  void Stop() override {
    std::vector<std::thread> threads;
    {
      base::MutexLock lock(mutex_);
      draining_ = true;
      stopping_ = true;
      threads.swap(threads_);
      wake_.NotifyAll();
      beat_wake_.NotifyAll();
    }
    stop_.request_stop();
    NoteEvents();
    running_.StopAll();
    for (std::thread& thread : threads) thread.join();
  }

  absl::Status Begin(Connection& connection, const NewRun& run) override {
    PURSER_RETURN_IF_ERROR(DefinitionCache::Put(connection, run.definition->hash, run.body));
    RunRecord record;
    record.id = run.id;
    record.subject = run.subject;
    record.definition_hash = run.definition->hash;
    record.state = run.held ? RunState::kHeld : RunState::kRunning;
    record.message = run.message;
    record.input = run.input.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    PURSER_ASSIGN_OR_RETURN(
        const std::unique_ptr<Transition> transition,
        Transition::Begin(context_, connection, std::move(record), run.definition, Now()));
    PURSER_RETURN_IF_ERROR(transition->AppendEvent("", absl::StrCat(options_.noun, ".created"),
                                                   run.message, run.event_data));
    PURSER_RETURN_IF_ERROR(transition->Advance());
    PURSER_RETURN_IF_ERROR(transition->Save());
    PURSER_FAULT_POINT("begin.in-transaction");
    return absl::OkStatus();
  }

  void Committed() override {
    PURSER_FAULT_POINT("begin.after-commit");
    NoteEvents();
    WakeWorkers();
  }

  absl::Status Release(absl::string_view run_id, const Actor& actor) override {
    return Control(run_id, [&](Transition& transition) { return transition.Release(actor); });
  }

  absl::Status Cancel(absl::string_view run_id, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(
        Control(run_id, [&](Transition& transition) { return transition.Cancel(actor); }));
    running_.StopRun(run_id);
    return absl::OkStatus();
  }

  absl::Status Retry(absl::string_view run_id, const Actor& actor) override {
    return Control(run_id, [&](Transition& transition) { return transition.Retry(actor); });
  }

  absl::Status Health() const override {
    base::MutexLock lock(mutex_);
    return health_;
  }

  EngineStats Stats() const override {
    return {calls_.load(), refused_results_.load(), store_errors_.load()};
  }

  absl::Time Now() override { return anchor_ + (clock_.Monotonic() - anchor_monotonic_); }

  uint64_t WaitForEvents(uint64_t seen, std::stop_token stop) override {
    const std::stop_callback wake(stop, [this] {
      base::MutexLock lock(events_mutex_);
      events_changed_.NotifyAll();
    });
    base::MutexLock lock(events_mutex_);
    while (events_mark_ == seen && !stop.stop_requested() && !stop_.stop_requested()) {
      events_changed_.Wait(events_mutex_);
    }
    return events_mark_;
  }

 private:
  // ---- the store ----

  // A write: its outcome is the engine's health.
  absl::Status Write(const std::function<absl::Status(Connection&)>& work) {
    const absl::Status status = database_.Transact(work);
    NoteHealth(status);
    return status;
  }

  void NoteHealth(const absl::Status& status) {
    if (!status.ok()) store_errors_.fetch_add(1);
    base::MutexLock lock(mutex_);
    health_ = status.ok() ? status : base::Annotate(status, "nothing new starts, the store fails");
  }

  // Work that an engine before leased and never gave back becomes due again.
  absl::Status TakeOver() {
    bool any = false;
    PURSER_RETURN_IF_ERROR(Write([&](Connection& connection) -> absl::Status {
      const store::Value now = ToStored(Now());
      // A lease of our own boot never runs out here: its thread is alive in this process.
      const std::string lost =
          options_.exclusive ? "boot <> $1 AND $2 = $2" : "boot <> $1 AND expires < $2";
      PURSER_ASSIGN_OR_RETURN(
          const int64_t moved,
          connection.Execute(
              absl::StrCat("INSERT INTO workflow_queue (run_id, step_id, kind, due) "
                           "SELECT run_id, step_id, kind, $2 FROM workflow_lease WHERE ",
                           lost, " ON CONFLICT (run_id, step_id) DO NOTHING"),
              {context_.boot, now}));
      PURSER_RETURN_IF_ERROR(connection
                                 .Execute(absl::StrCat("DELETE FROM workflow_lease WHERE ", lost),
                                          {context_.boot, now})
                                 .status());
      PURSER_FAULT_POINT("recover.in-transaction");
      any = moved > 0;
      return absl::OkStatus();
    }));
    if (any) WakeWorkers();
    return absl::OkStatus();
  }

  absl::Status Control(absl::string_view run_id,
                       const std::function<absl::Status(Transition&)>& act) {
    absl::Time due;
    absl::Status refused;
    const absl::Status status = database_.Transact([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<Transition> transition,
                              Transition::Open(context_, connection, run_id, Now()));
      refused = act(*transition);
      PURSER_RETURN_IF_ERROR(refused);
      PURSER_RETURN_IF_ERROR(transition->Save());
      due = transition->earliest_due();
      PURSER_FAULT_POINT("control.in-transaction");
      return absl::OkStatus();
    });
    PURSER_RETURN_IF_ERROR(status);
    PURSER_FAULT_POINT("control.after-commit");
    AfterCommit(due);
    WakeWorkers();
    return absl::OkStatus();
  }

  void AfterCommit(absl::Time due) {
    NoteEvents();
    options_.observer->OnCommitted();
    if (due < absl::InfiniteFuture()) WakeAt(due);
  }

  // ---- workers ----

  void Work() {
    absl::Duration pause = kFirstStorePause;
    while (true) {
      const uint64_t seen = WorkMark();
      if (IsStopping()) return;
      if (IsDraining()) {
        WaitForWork(seen);
        continue;
      }
      absl::StatusOr<std::optional<Task>> task = Claim();
      if (!task.ok()) {
        // No effect starts without its intent in the store: wait until it takes writes again.
        if (!clock_.SleepFor(pause, stop_.get_token())) return;
        pause = std::min(pause * 2, kLongestStorePause);
        continue;
      }
      pause = kFirstStorePause;
      if (!task->has_value()) {
        WaitForWork(seen);
        continue;
      }
      std::optional<Task> next = *std::move(task);
      while (next.has_value()) {
        const std::optional<Task> current = std::move(next);
        next = Run(*current);
      }
    }
  }

  // Leases the work that has been due longest.
  absl::StatusOr<std::optional<Task>> Claim() {
    std::optional<Task> task;
    absl::Time due = absl::InfiniteFuture();
    std::string unreadable_run;
    std::string unreadable_step;
    bool events = false;
    const absl::Time now = Now();
    absl::Status status = Write([&](Connection& connection) -> absl::Status {
      task.reset();
      unreadable_run.clear();
      events = false;
      PURSER_ASSIGN_OR_RETURN(
          const Rows rows, connection.Query("SELECT run_id, step_id, kind, due FROM workflow_queue "
                                            "ORDER BY due, run_id, step_id LIMIT 1",
                                            {}));
      if (rows.empty()) return absl::OkStatus();
      due = absl::FromUnixMicros(rows[0].Int(3));
      if (due > now) return absl::OkStatus();
      due = absl::InfiniteFuture();
      const std::string& run_id = rows[0].Text(0);
      const std::string& step_id = rows[0].Text(1);
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("DELETE FROM workflow_queue WHERE run_id = $1 AND step_id = $2",
                       {run_id, step_id})
              .status());
      absl::StatusOr<std::unique_ptr<Transition>> transition =
          Transition::Open(context_, connection, run_id, now);
      if (!transition.ok()) {
        unreadable_run = run_id;
        unreadable_step = step_id;
        return std::move(transition).status();
      }
      PURSER_ASSIGN_OR_RETURN(task,
                              (*transition)->Claim(step_id, static_cast<TaskKind>(rows[0].Int(2))));
      if (!task.has_value()) {
        PURSER_RETURN_IF_ERROR((*transition)->Advance());
        PURSER_ASSIGN_OR_RETURN(task, (*transition)->ClaimNext());
      }
      PURSER_RETURN_IF_ERROR((*transition)->Save());
      due = (*transition)->earliest_due();
      events = true;
      PURSER_FAULT_POINT("claim.in-transaction");
      return absl::OkStatus();
    });
    if (!status.ok() && !unreadable_run.empty()) {
      const absl::Status moved = database_.Transact([&](Connection& connection) {
        return connection
            .Execute("UPDATE workflow_queue SET due = $1 WHERE run_id = $2 AND step_id = $3",
                     {ToStored(now + kUnreadableRunPause), unreadable_run, unreadable_step})
            .status();
      });
      if (moved.ok()) WakeAt(now + kUnreadableRunPause);
    }
    PURSER_RETURN_IF_ERROR(status);
    PURSER_FAULT_POINT("claim.after-commit");
    if (events) {
      AfterCommit(due);
    } else if (due < absl::InfiniteFuture()) {
      WakeAt(due);
    }
    return task;
  }

  // Performs a task and stores its outcome. Returns the next one of the same run, leased already.
  std::optional<Task> Run(const Task& task) {
    const absl::Duration left =
        std::clamp(task.step.deadline - Now(), absl::Milliseconds(1), options_.call_timeout);
    auto call = std::make_shared<RunningCall>(task, clock_.Now() + left, clock_.Monotonic() + left);
    running_.Add(call);
    {
      base::MutexLock lock(mutex_);
      beat_wake_.NotifyAll();
    }
    if (stop_.stop_requested()) call->RequestStop();
    calls_.fetch_add(1);
    const Outcome outcome = PerformGuarded(task, *call);
    std::optional<Task> next = Store(task, outcome, *call);
    running_.Remove(call.get());
    return next;
  }

  Outcome PerformGuarded(const Task& task, RunningCall& call) {
    try {
      return Perform(*options_.executor, task, call);
    } catch (const std::exception& error) {
      // A connector that breaks the rule about exceptions must not take all runs down with it.
      Outcome outcome;
      outcome.kind = Outcome::Kind::kError;
      outcome.error = absl::InternalError(absl::StrCat("exception in a connector: ", error.what()));
      return outcome;
    }
  }

  // Stores an outcome, however long the store refuses: an effect that happened is not forgotten.
  std::optional<Task> Store(const Task& task, const Outcome& outcome, RunningCall& call) {
    const bool abandoned = stop_.stop_requested() && outcome.kind == Outcome::Kind::kError &&
                           outcome.error.code() == absl::StatusCode::kCancelled;
    const std::vector<LogBatch> log = call.TakeLog();
    absl::Duration pause = kFirstStorePause;
    while (true) {
      std::optional<Task> next;
      absl::Time due;
      bool stale = false;
      bool more = false;
      const absl::Status status = Write([&](Connection& connection) -> absl::Status {
        next.reset();
        PURSER_ASSIGN_OR_RETURN(const bool mine, GiveLeaseBack(connection, task));
        stale = !mine;
        if (stale) return absl::OkStatus();
        if (abandoned) return Requeue(connection, task);
        PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<Transition> transition,
                                Transition::Open(context_, connection, task.run_id, Now()));
        PURSER_RETURN_IF_ERROR(AppendLog(*transition, task, log));
        PURSER_RETURN_IF_ERROR(transition->Complete(task, outcome));
        PURSER_RETURN_IF_ERROR(transition->Advance());
        if (!IsDraining()) {
          PURSER_ASSIGN_OR_RETURN(next, transition->ClaimNext());
        }
        more = transition->has_due_now();
        PURSER_RETURN_IF_ERROR(transition->Save());
        due = transition->earliest_due();
        PURSER_FAULT_POINT("result.in-transaction");
        return absl::OkStatus();
      });
      if (status.ok()) {
        PURSER_FAULT_POINT("result.after-commit");
        if (stale) {
          refused_results_.fetch_add(1);
          return std::nullopt;
        }
        AfterCommit(abandoned ? absl::InfiniteFuture() : due);
        if (more) WakeWorkers();
        return next;
      }
      // When the engine stops meanwhile the lease stays, and the next engine calls again with the
      // same effect key.
      if (!clock_.SleepFor(pause, stop_.get_token())) return std::nullopt;
      pause = std::min(pause * 2, kLongestStorePause);
    }
  }

  // The fence: false when the lease is no longer this task's.
  absl::StatusOr<bool> GiveLeaseBack(Connection& connection, const Task& task) {
    PURSER_ASSIGN_OR_RETURN(
        const int64_t removed,
        connection.Execute("DELETE FROM workflow_lease WHERE run_id = $1 AND step_id = $2 "
                           "AND fence = $3 AND boot = $4",
                           {task.run_id, task.step_id, task.fence, context_.boot}));
    return removed == 1;
  }

  absl::Status Requeue(Connection& connection, const Task& task) {
    return connection
        .Execute("INSERT INTO workflow_queue (run_id, step_id, kind, due) VALUES ($1,$2,$3,$4)",
                 {task.run_id, task.step_id, static_cast<int64_t>(task.kind), ToStored(Now())})
        .status();
  }

  static absl::Status AppendLog(Transition& transition, const Task& task,
                                const std::vector<LogBatch>& log) {
    for (const LogBatch& batch : log) {
      PURSER_RETURN_IF_ERROR(transition.AppendEvent(
          task.step_id, "step.log", batch.text, {{"level", std::string(ToString(batch.level))}}));
    }
    return absl::OkStatus();
  }

  // ---- time ----

  // Sleeps by the clock until the earliest timer, then wakes the workers.
  void KeepTime() {
    while (true) {
      absl::Time until;
      std::stop_token sleep;
      {
        base::MutexLock lock(mutex_);
        while (!stopping_ && wake_at_ == absl::InfiniteFuture()) wake_.Wait(mutex_);
        if (stopping_) return;
        until = wake_at_;
        sleep_ = std::stop_source();
        sleep = sleep_.get_token();
      }
      const std::stop_callback end(stop_.get_token(), [this] {
        base::MutexLock lock(mutex_);
        sleep_.request_stop();
      });
      const absl::Duration left = until - Now();
      if (left > absl::ZeroDuration()) clock_.SleepFor(left, sleep);
      base::MutexLock lock(mutex_);
      if (stopping_) return;
      if (wake_at_ <= Now()) {
        wake_at_ = absl::InfiniteFuture();
        ++work_mark_;
        wake_.NotifyAll();
      }
    }
  }

  // While calls are under way: stores their logs, renews leases, stops those past their deadline.
  void Beat() {
    absl::Duration beaten = clock_.Monotonic();
    while (true) {
      {
        base::MutexLock lock(mutex_);
        while (!stopping_ && options_.exclusive && running_.All().empty()) beat_wake_.Wait(mutex_);
        if (stopping_) return;
      }
      const bool idle = running_.All().empty();
      if (!clock_.SleepFor(idle ? kSharedPoll : options_.log_flush, stop_.get_token())) return;
      const absl::Duration now = clock_.Monotonic();
      for (const auto& call : running_.All()) {
        if (now >= call->deadline_monotonic()) call->RequestStop();
        FlushLog(*call);
      }
      if (now - beaten < options_.beat && !idle) continue;
      beaten = now;
      if (!idle) RenewLeases();
      // A failure is in Health already, and the next beat tries again.
      if (!options_.exclusive) TakeOver().IgnoreError();
    }
  }

  void RenewLeases() {
    Write([&](Connection& connection) {
      return connection
          .Execute("UPDATE workflow_lease SET expires = $1 WHERE boot = $2",
                   {ToStored(Now() + options_.lease), context_.boot})
          .status();
    }).IgnoreError();
  }

  void FlushLog(RunningCall& call) {
    std::vector<LogBatch> log = call.TakeLog();
    if (log.empty()) return;
    const Task& task = call.task();
    const absl::Status status = Write([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<Transition> transition,
                              Transition::Open(context_, connection, task.run_id, Now()));
      PURSER_RETURN_IF_ERROR(AppendLog(*transition, task, log));
      return transition->Save();
    });
    if (!status.ok()) {
      call.ReturnLog(std::move(log));
      return;
    }
    NoteEvents();
  }

  // ---- waking ----

  void NoteEvents() {
    base::MutexLock lock(events_mutex_);
    ++events_mark_;
    events_changed_.NotifyAll();
  }

  void WakeWorkers() {
    base::MutexLock lock(mutex_);
    ++work_mark_;
    wake_.NotifyAll();
  }

  void WakeAt(absl::Time due) {
    base::MutexLock lock(mutex_);
    if (due >= wake_at_) return;
    wake_at_ = due;
    sleep_.request_stop();
    wake_.NotifyAll();
  }

  uint64_t WorkMark() {
    base::MutexLock lock(mutex_);
    return work_mark_;
  }

  void WaitForWork(uint64_t seen) {
    base::MutexLock lock(mutex_);
    while (!stopping_ && work_mark_ == seen) wake_.Wait(mutex_);
  }

  bool IsStopping() const {
    base::MutexLock lock(mutex_);
    return stopping_;
  }
  bool IsDraining() const {
    base::MutexLock lock(mutex_);
    return draining_;
  }

  const EngineOptions options_;
  store::Database& database_;
  base::Clock& clock_;
  DefinitionCache definitions_;
  TransitionContext context_;
  absl::Time anchor_;
  absl::Duration anchor_monotonic_;
  std::stop_source stop_;
  RunningCalls running_;
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> refused_results_{0};
  std::atomic<int64_t> store_errors_{0};

  mutable base::Mutex mutex_;
  base::CondVar wake_;
  base::CondVar beat_wake_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t work_mark_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time wake_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  std::stop_source sleep_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);

  base::Mutex events_mutex_;
  base::CondVar events_changed_;
  uint64_t events_mark_ ABSL_GUARDED_BY(events_mutex_) = 1;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  if (options.workers < 1 || options.workers > kMaxWorkers) {
    return absl::InvalidArgumentError(
        absl::StrCat("workers must be 1 to ", kMaxWorkers, ", not ", options.workers));
  }
  auto engine = std::make_unique<DurableEngine>(options);
  PURSER_RETURN_IF_ERROR(engine->Init());
  return engine;
}

}  // namespace purser::workflow
