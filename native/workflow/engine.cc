#include "workflow/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "workflow/engine_core.h"
#include "workflow/perform.h"
#include "workflow/running.h"

namespace purser::workflow {
namespace {

using store::Connection;

constexpr int kMaxWorkers = 256;
// How long an idle engine that shares its store waits before it looks for others' work.
constexpr absl::Duration kSharedPoll = absl::Seconds(1);
// After a call that was no longer than this a worker takes the next task at once, and leaves the
// result for a round that stores several …
constexpr absl::Duration kQuickCall = absl::Milliseconds(1);
// … which comes after this, should the next call be a long one.
constexpr absl::Duration kTidyPause = absl::Milliseconds(1);
// At the end, results that somebody else's change made wait are tried again so often.
constexpr int kLastTries = 50;
constexpr std::chrono::milliseconds kLastPause(2);
// A caller who waits for another thread's round looks again after this at the latest.
constexpr absl::Duration kControlPoll = absl::Milliseconds(10);

class DurableEngine final : public Engine {
 public:
  explicit DurableEngine(const EngineOptions& options)
      : options_(options),
        clock_(*options.clock),
        core_(options, [this](const std::string& run_id) { running_.StopRun(run_id); }) {
    core_.SetListener([this] { OnChange(/*by_worker=*/false); });
  }

  ~DurableEngine() override { Stop(); }

  absl::Status Init() { return core_.Init(); }

  absl::Status Start() override {
    {
      base::MutexLock lock(mutex_);
      if (stopping_ || !threads_.empty()) {
        return absl::FailedPreconditionError("the engine was started before");
      }
    }
    PURSER_RETURN_IF_ERROR(core_.Start());
    base::MutexLock lock(mutex_);
    started_ = true;
    for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { Work(); });
    threads_.emplace_back([this] { KeepTime(); });
    threads_.emplace_back([this] { Tidy(); });
    threads_.emplace_back([this] { Beat(); });
    return absl::OkStatus();
  }

  void Drain(absl::Duration patience) override {
    core_.Drain();
    core_.GiveBackReady(/*all=*/true);
    OnChange(/*by_worker=*/false);
    running_.WaitForEmpty(patience);
  }

  void Stop() override {
    std::vector<std::thread> threads;
    bool retire = false;
    {
      base::MutexLock lock(mutex_);
      // Once is enough, and the second time the clock may be gone.
      if (std::exchange(stopping_, true)) return;
      threads.swap(threads_);
      retire = std::exchange(started_, false);
      wake_.NotifyAll();
      time_.NotifyAll();
      tidy_.NotifyAll();
      beat_.NotifyAll();
      events_.NotifyAll();
      sleep_.request_stop();
    }
    core_.Drain();
    stop_.request_stop();
    running_.StopAll();
    for (std::thread& thread : threads) thread.join();
    // What the last calls gave, and what nobody began. If the store refuses, the leases stay and
    // the next engine calls again with the same effect keys.
    core_.GiveBackReady(/*all=*/true);
    for (int i = 0; i < kLastTries && core_.HasInbox(); ++i) {
      if (!core_.TryRound()) std::this_thread::sleep_for(kLastPause);
    }
    if (retire) core_.Retire();
  }

  absl::Status Begin(Connection& connection, const NewRun& run) override {
    return core_.Begin(connection, run);
  }
  void Committed() override { core_.Submitted(); }

  absl::Status Release(absl::string_view run_id, const Actor& actor) override {
    return Control(run_id, [actor](Transition& transition) { return transition.Release(actor); });
  }
  absl::Status Cancel(absl::string_view run_id, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(
        Control(run_id, [actor](Transition& transition) { return transition.Cancel(actor); }));
    running_.StopRun(run_id);
    return absl::OkStatus();
  }
  absl::Status Retry(absl::string_view run_id, const Actor& actor) override {
    return Control(run_id, [actor](Transition& transition) { return transition.Retry(actor); });
  }
  absl::Status Change(absl::string_view run_id,
                      std::function<absl::Status(Transition&)> act) override {
    return Control(run_id, std::move(act));
  }

  absl::Status Health() const override { return core_.Health(); }
  EngineStats Stats() const override { return core_.Stats(); }
  absl::Time Now() override { return core_.Now(); }

  uint64_t WaitForEvents(uint64_t seen, std::stop_token stop) override {
    const auto wake = [this] {
      base::MutexLock lock(mutex_);
      events_.NotifyAll();
    };
    const std::stop_callback on_stop(stop, wake);
    const std::stop_callback on_end(stop_.get_token(), wake);
    base::MutexLock lock(mutex_);
    while (core_.EventMark() == seen && !stop.stop_requested() && !stop_.stop_requested()) {
      events_.Wait(mutex_);
    }
    return core_.EventMark();
  }

 private:
  // ---- waking ----

  // Wakes as many threads as have something to do. A worker that calls goes on by itself.
  void OnChange(bool by_worker) {
    const bool self = by_worker || in_worker_;
    const absl::Duration next = core_.NextWake();
    base::MutexLock lock(mutex_);
    ++mark_;
    const int64_t wanted = std::min<int64_t>(core_.WorkFor() - (self ? 1 : 0), idle_);
    for (int64_t i = 0; i < wanted; ++i) wake_.NotifyOne();
    if (next < wake_at_) {
      wake_at_ = next;
      sleep_.request_stop();
      time_.NotifyOne();
    }
    controls_.NotifyAll();
    events_.NotifyAll();
  }

  // ---- workers ----

  void Work() {
    in_worker_ = true;
    while (true) {
      uint64_t seen = 0;
      {
        base::MutexLock lock(mutex_);
        if (stopping_) return;
        seen = mark_;
      }
      if (const std::shared_ptr<const Task> task = core_.Pop(); task != nullptr) {
        const absl::Duration took = Perform(task);
        // The results of quick calls gather for one round.
        if (took < kQuickCall && core_.HasReady()) {
          PokeTidy();
        } else {
          core_.TryRound();
        }
        continue;
      }
      if (core_.TryRound()) continue;
      base::MutexLock lock(mutex_);
      ++idle_;
      while (!stopping_ && mark_ == seen) wake_.Wait(mutex_);
      --idle_;
    }
  }

  absl::Duration Perform(const std::shared_ptr<const Task>& task) {
    const absl::Duration began = clock_.Monotonic();
    const absl::Duration left =
        std::clamp(task->step.deadline - Now(), absl::Milliseconds(1), options_.call_timeout);
    auto call = std::make_shared<RunningCall>(task, clock_.Now() + left, began + left);
    running_.Add(call);
    if (beat_idle_.load()) {
      base::MutexLock lock(mutex_);
      beat_.NotifyAll();
    }
    if (stop_.stop_requested()) call->RequestStop();
    Outcome outcome = PerformGuarded(*task, *call);
    running_.Remove(call.get());
    const bool abandoned = stop_.stop_requested() && outcome.kind == Outcome::Kind::kError &&
                           absl::IsCancelled(outcome.error);
    const absl::Duration took = clock_.Monotonic() - began;
    core_.Finish(task, std::move(outcome), abandoned, call->TakeLog(), took);
    return took;
  }

  Outcome PerformGuarded(const Task& task, RunningCall& call) {
    try {
      return workflow::Perform(*options_.executor, task, call);
    } catch (const std::exception& error) {
      // A connector that breaks the rule about exceptions must not take all runs down with it.
      Outcome outcome;
      outcome.kind = Outcome::Kind::kError;
      outcome.error = absl::InternalError(absl::StrCat("exception in a connector: ", error.what()));
      return outcome;
    }
  }

  // ---- control ----

  absl::Status Control(absl::string_view run_id, std::function<absl::Status(Transition&)> act) {
    const std::shared_ptr<ControlCall> call = core_.Control(run_id, std::move(act));
    while (!core_.IsDone(*call)) {
      if (core_.TryRound()) continue;
      base::MutexLock lock(mutex_);
      controls_.WaitFor(mutex_, kControlPoll);
    }
    return call->status;
  }

  // ---- beside the workers ----

  // Sleeps by the clock until the earliest timer, then wakes the workers.
  void KeepTime() {
    while (true) {
      absl::Duration until;
      std::stop_token sleep;
      {
        base::MutexLock lock(mutex_);
        if (stopping_) return;
        wake_at_ = core_.NextWake();
        if (wake_at_ == absl::InfiniteDuration()) {
          time_.Wait(mutex_);
          continue;
        }
        until = wake_at_;
        sleep_ = std::stop_source();
        sleep = sleep_.get_token();
      }
      const absl::Duration left = until - clock_.Monotonic();
      if (left > absl::ZeroDuration() && !clock_.SleepFor(left, sleep)) continue;
      core_.OnTime();
      OnChange(/*by_worker=*/false);
    }
  }

  void PokeTidy() {
    if (poked_.exchange(true)) return;
    base::MutexLock lock(mutex_);
    tidy_.NotifyOne();
  }

  // Stores results that workers left behind because they had more to call.
  void Tidy() {
    while (true) {
      {
        base::MutexLock lock(mutex_);
        while (!stopping_ && !poked_.load()) tidy_.Wait(mutex_);
        if (stopping_) return;
        tidy_.WaitFor(mutex_, kTidyPause);
        if (stopping_) return;
      }
      poked_.store(false);
      if (core_.HasInbox()) core_.TryRound();
    }
  }

  // Stores the logs of calls under way, stops those past their deadline, and says that we live.
  void Beat() {
    absl::Duration beaten = -absl::InfiniteDuration();
    while (true) {
      {
        base::MutexLock lock(mutex_);
        beat_idle_.store(true);
        while (!stopping_ && core_.exclusive() && running_.IsEmpty() && !core_.HasReady()) {
          beat_.Wait(mutex_);
        }
        beat_idle_.store(false);
        if (stopping_) return;
      }
      for (const auto& call : running_.All()) {
        if (clock_.Monotonic() >= call->deadline_monotonic()) call->RequestStop();
        std::vector<LogBatch> log = call->TakeLog();
        if (!log.empty()) core_.AddLog(call->task(), std::move(log));
      }
      core_.GiveBackReady(/*all=*/false);
      const absl::Duration poll = std::min(kSharedPoll, options_.beat);
      if (!core_.exclusive() && clock_.Monotonic() - beaten >= poll) {
        beaten = clock_.Monotonic();
        // A failure is in Health already, and the next beat tries again.
        core_.Beat().IgnoreError();
      }
      while (core_.HasInbox() && core_.TryRound()) {
      }
      const absl::Duration pause = running_.IsEmpty() ? poll : std::min(poll, options_.log_flush);
      if (!clock_.SleepFor(pause, stop_.get_token())) return;
    }
  }

  const EngineOptions options_;
  base::Clock& clock_;
  std::stop_source stop_;
  RunningCalls running_;
  EngineCore core_;
  std::atomic<bool> poked_{false};
  std::atomic<bool> beat_idle_{false};
  static thread_local bool in_worker_;

  base::Mutex mutex_;
  base::CondVar wake_;
  base::CondVar time_;
  base::CondVar tidy_;
  base::CondVar beat_;
  base::CondVar controls_;
  base::CondVar events_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t mark_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration wake_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  std::stop_source sleep_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

thread_local bool DurableEngine::in_worker_ = false;

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
