// Time as a dependency, so that tests move it and crashes can be simulated from one seed.
#ifndef PURSER_BASE_CLOCK_H_
#define PURSER_BASE_CLOCK_H_

#include <stop_token>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace purser::base {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time, for what people and files see. May jump.
  virtual absl::Time Now() = 0;
  // Never goes back; only differences mean something.
  virtual absl::Duration Monotonic() = 0;
  // Returns false when `stop` was requested before `duration` was over.
  virtual bool SleepFor(absl::Duration duration, std::stop_token stop) = 0;

  // The process's real clock; lives for ever.
  static Clock& System();
};

// A clock that stands still until told. SleepFor blocks until Advance passed it (or stop).
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : now_(start) {}
  absl::Time Now() override;
  absl::Duration Monotonic() override;
  bool SleepFor(absl::Duration duration, std::stop_token stop) override;
  // Moves both clocks and wakes the sleepers that are due.
  void Advance(absl::Duration step);
  // Moves wall time only: a clock set by hand or by NTP.
  void JumpWallTime(absl::Duration step);

 private:
  Mutex mutex_;
  CondVar changed_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  absl::Duration monotonic_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::base

#endif  // PURSER_BASE_CLOCK_H_
