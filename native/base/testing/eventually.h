// For tests that wait for other threads, programs or servers: how long, and how.
#ifndef PURSER_BASE_TESTING_EVENTUALLY_H_
#define PURSER_BASE_TESTING_EVENTUALLY_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace purser::base {

// Enough for a machine that is busy with other things; only a test that fails takes so long.
inline constexpr absl::Duration kPatience = absl::Minutes(1);

// Whether `holds()` comes true within kPatience.
template <typename Condition>
bool Eventually(const Condition& holds) {
  const absl::Time end = absl::Now() + kPatience;
  while (!holds()) {
    if (absl::Now() >= end) return holds();
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

}  // namespace purser::base

#endif  // PURSER_BASE_TESTING_EVENTUALLY_H_
