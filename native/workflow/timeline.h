// The engine's time: a clock's time at one moment, moved by the monotonic clock, so that a wall
// clock set by hand neither fires timers early nor makes them wait. Engines that share a store keep
// to one time: who is behind catches up with the others, nobody goes back.
#ifndef PURSER_WORKFLOW_TIMELINE_H_
#define PURSER_WORKFLOW_TIMELINE_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "base/clock.h"

namespace purser::workflow {

// Thread-safe.
class Timeline {
 public:
  explicit Timeline(base::Clock& clock) : clock_(clock) {}

  void Begin(absl::Time now) { ahead_ = Ahead(now); }
  // Forward only. True when that changed anything.
  bool CatchUp(absl::Time now) {
    const int64_t ahead = Ahead(now);
    int64_t present = ahead_.load();
    while (present < ahead) {
      if (ahead_.compare_exchange_weak(present, ahead)) return true;
    }
    return false;
  }

  absl::Time Now() const {
    return absl::FromUnixNanos(ahead_.load() + absl::ToInt64Nanoseconds(clock_.Monotonic()));
  }
  // When it is `time`, by the monotonic clock.
  absl::Duration MonotonicAt(absl::Time time) const {
    return absl::Nanoseconds(absl::ToUnixNanos(time) - ahead_.load());
  }

 private:
  int64_t Ahead(absl::Time now) const {
    return absl::ToUnixNanos(now) - absl::ToInt64Nanoseconds(clock_.Monotonic());
  }

  base::Clock& clock_;
  std::atomic<int64_t> ahead_{0};  // nanoseconds since 1970 less those of the monotonic clock
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_TIMELINE_H_
