#include "base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace purser::base {
namespace {

class SystemClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
  absl::Duration Monotonic() override {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any condition;
    std::unique_lock<std::mutex> lock(mutex);
    condition.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Clock& Clock::System() {
  // Never destroyed: threads may still ask for the time while the process ends.
  static Clock& clock = *new SystemClock;
  return clock;
}

absl::Time FakeClock::Now() {
  MutexLock lock(mutex_);
  return now_;
}

absl::Duration FakeClock::Monotonic() {
  MutexLock lock(mutex_);
  return monotonic_;
}

bool FakeClock::SleepFor(absl::Duration duration, std::stop_token stop) {
  std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  MutexLock lock(mutex_);
  const absl::Duration due = monotonic_ + duration;
  while (monotonic_ < due && !stop.stop_requested()) changed_.Wait(mutex_);
  return !stop.stop_requested();
}

void FakeClock::Advance(absl::Duration step) {
  MutexLock lock(mutex_);
  now_ += step;
  monotonic_ += step;
  changed_.NotifyAll();
}

void FakeClock::JumpWallTime(absl::Duration step) {
  MutexLock lock(mutex_);
  now_ += step;
  changed_.NotifyAll();
}

}  // namespace purser::base
