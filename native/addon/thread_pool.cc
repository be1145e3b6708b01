#include "addon/thread_pool.h"

#include <algorithm>
#include <deque>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace purser::addon {

struct ThreadPool::State : std::enable_shared_from_this<ThreadPool::State> {
  explicit State(size_t thread_limit) : limit(thread_limit) {}

  size_t Computing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return live - waiting - blocked; }
  // Lets one more task begin if there is one and the limit allows it.
  absl::Status WakeOrStart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void RunTasks() noexcept;

  const size_t limit;
  base::Mutex mutex;
  base::CondVar work;
  base::CondVar ended;
  std::deque<std::function<void()>> queue ABSL_GUARDED_BY(mutex);
  std::vector<std::thread> threads ABSL_GUARDED_BY(mutex);
  size_t live ABSL_GUARDED_BY(mutex) = 0;     // threads that have not ended
  size_t waiting ABSL_GUARDED_BY(mutex) = 0;  // … of them without a task
  size_t blocked ABSL_GUARDED_BY(mutex) = 0;  // … of them inside a BlockingScope
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

namespace {

// The pool whose task this thread runs, and whether it waits outside. Trivial types: nothing is to
// be destroyed when a thread ends.
thread_local void* current_state = nullptr;
thread_local ThreadPool::BlockingScope* current_scope = nullptr;

}  // namespace

absl::Status ThreadPool::State::WakeOrStart() {
  if (stopped || queue.empty() || Computing() >= limit) return absl::OkStatus();
  if (waiting > 0) {
    work.NotifyOne();
    return absl::OkStatus();
  }
  if (live >= kMaxThreads) return absl::OkStatus();
  try {
    threads.emplace_back([self = shared_from_this()]() noexcept { self->RunTasks(); });
  } catch (const std::system_error& error) {
    if (live > 0) return absl::OkStatus();  // the others will come to it
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start a native thread: ", error.what()));
  }
  // Counts as waiting until it has taken a task.
  ++live;
  ++waiting;
  return absl::OkStatus();
}

void ThreadPool::State::RunTasks() noexcept {
  current_state = this;
  mutex.Lock();
  for (;;) {
    // A thread that came back from waiting outside may be one too many; this one rests then.
    while (!stopped && (queue.empty() || Computing() >= limit)) work.Wait(mutex);
    --waiting;
    if (stopped) break;
    std::function<void()> task = std::move(queue.front());
    queue.pop_front();
    // A wake-up that met a busy moment must not be lost for the tasks behind this one.
    WakeOrStart().IgnoreError();
    mutex.Unlock();
    task();
    task = nullptr;  // what it holds is let go before the thread counts as idle
    mutex.Lock();
    ++waiting;
  }
  --live;
  ended.NotifyAll();
  mutex.Unlock();
}

ThreadPool::ThreadPool(size_t limit)
    : state_(std::make_shared<State>(std::clamp<size_t>(limit, 1, kMaxThreads))) {}

ThreadPool::~ThreadPool() { Shutdown(absl::Milliseconds(100)); }

size_t ThreadPool::DefaultLimit() {
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 2, kMaxThreads);
}

absl::Status ThreadPool::Submit(std::function<void()> task) {
  State& state = *state_;
  base::MutexLock lock(state.mutex);
  if (state.stopped) return absl::FailedPreconditionError("the addon is shutting down");
  if (state.queue.size() >= kMaxQueuedTasks) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMaxQueuedTasks, " native calls are waiting already; try again later"));
  }
  state.queue.push_back(std::move(task));
  absl::Status status = state.WakeOrStart();
  if (!status.ok()) state.queue.pop_back();
  return status;
}

bool ThreadPool::Shutdown(absl::Duration grace) {
  State& state = *state_;
  std::vector<std::thread> threads;
  {
    std::deque<std::function<void()>> dropped;
    base::MutexLock lock(state.mutex);
    state.stopped = true;
    dropped.swap(state.queue);
    threads.swap(state.threads);
    state.work.NotifyAll();
  }
  bool all_ended = false;
  {
    base::MutexLock lock(state.mutex);
    const absl::Time deadline = absl::Now() + grace;
    while (state.live > 0 && absl::Now() < deadline) {
      state.ended.WaitFor(state.mutex, deadline - absl::Now());
    }
    all_ended = state.live == 0;
  }
  for (std::thread& thread : threads) {
    if (all_ended) {
      thread.join();
    } else {
      // The one place where a thread is let go: joining a task that does not heed its stop token
      // would hold up the exit of the portal for as long as it likes.
      thread.detach();
    }
  }
  return all_ended;
}

ThreadPool::BlockingScope::BlockingScope() {
  auto* state = static_cast<State*>(current_state);
  if (state == nullptr || current_scope != nullptr) return;
  current_scope = this;
  base::MutexLock lock(state->mutex);
  ++state->blocked;
  state->WakeOrStart().IgnoreError();
}

ThreadPool::BlockingScope::~BlockingScope() {
  auto* state = static_cast<State*>(current_state);
  if (state == nullptr || current_scope != this) return;
  current_scope = nullptr;
  base::MutexLock lock(state->mutex);
  --state->blocked;
}

}  // namespace purser::addon
