// For tests over real connections: pauses take next to no time, and a stop is seen; what has passed
// is the real time and what the test adds.
#ifndef PURSER_CONNECTORS_KUBERNETES_HASTY_CLOCK_H_
#define PURSER_CONNECTORS_KUBERNETES_HASTY_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace purser::connectors {

// Thread-safe.
class HastyClock final : public base::Clock {
 public:
  absl::Time Now() override { return base::Clock::System().Now() + added(); }
  absl::Duration Monotonic() override { return base::Clock::System().Monotonic() + added(); }
  bool SleepFor(absl::Duration, std::stop_token stop) override {
    return base::Clock::System().SleepFor(absl::Milliseconds(2), stop);
  }
  void Advance(absl::Duration step) { added_ += absl::ToInt64Seconds(step); }

 private:
  absl::Duration added() const { return absl::Seconds(added_.load()); }

  std::atomic<int64_t> added_{0};
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_HASTY_CLOCK_H_
