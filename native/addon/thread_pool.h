// Native threads for the calls of one JavaScript environment.
//
// Why not libuv's pool (napi async work): a running item there holds up process.exit() and
// worker.terminate() until it is done, because cleanup hooks only run afterwards and so cannot
// cancel it.
#ifndef PURSER_ADDON_THREAD_POOL_H_
#define PURSER_ADDON_THREAD_POOL_H_

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace purser::addon {

inline constexpr size_t kMaxQueuedTasks = 1000;
inline constexpr size_t kMaxThreads = 32;

// Threads start when tasks come. `limit` of them compute at a time; one that waits for the outside
// (BlockingScope) lets another start, up to kMaxThreads. Thread-safe.
class ThreadPool {
 public:
  explicit ThreadPool(size_t limit);
  // As Shutdown without a grace.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Two, or as many as the machine computes at once.
  static size_t DefaultLimit();

  // `task` runs on a thread of the pool; it must not let an exception out. RESOURCE_EXHAUSTED when
  // kMaxQueuedTasks wait already, FAILED_PRECONDITION after Shutdown.
  absl::Status Submit(std::function<void()> task);

  // Drops what has not started, waits up to `grace` for what runs, joins the threads. Returns false
  // when a task did not end in time: its thread is left to itself, keeps all it reads alive by
  // shared pointers and ends with its task. The tasks have to be told to stop before.
  bool Shutdown(absl::Duration grace);

  // Held by a task's thread while it waits for something outside. Does nothing on other threads.
  class BlockingScope {
   public:
    BlockingScope();
    ~BlockingScope();
    BlockingScope(const BlockingScope&) = delete;
    BlockingScope& operator=(const BlockingScope&) = delete;
  };

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_THREAD_POOL_H_
