// Many seeds of the simulation; PURSER_FAULT_SEEDS (default 300) says how many, PURSER_FAULT_SEED
// runs one and tells what came of it.
#include "tests/faults/simulation.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/store.h"

namespace purser::faults {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : fallback;
}

class SimulationTest : public testing::Test {
 protected:
  // The first seed at which something went wrong, 0 if none did.
  uint64_t FirstFault(const SimulationOptions& options, uint64_t seeds) {
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      const SimulationResult result = Simulate(*database_, seed, options);
      if (!result.good()) return seed;
    }
    return 0;
  }
  std::unique_ptr<store::Database> database_ = *store::OpenSqlite({":memory:"});
};

// What all seeds came to; filled by several threads.
struct Totals {
  base::Mutex mutex;
  std::vector<std::string> failures ABSL_GUARDED_BY(mutex);
  std::atomic<int64_t> crashes{0};
  std::atomic<int64_t> refused{0};
};

// Simulates seeds from `next` to `last`, until one fails.
void RunSeeds(std::atomic<uint64_t>& next, uint64_t last, Totals& totals) {
  const auto database = *store::OpenSqlite({":memory:"});
  for (uint64_t seed = next++; seed <= last; seed = next++) {
    const SimulationResult result = Simulate(*database, seed, {});
    totals.crashes += result.crashes;
    totals.refused += result.refused;
    if (result.good()) continue;
    base::MutexLock lock(totals.mutex);
    totals.failures.push_back(absl::StrCat(
        "PURSER_FAULT_SEED=", seed, ": ", result.doubled, " doubled, ", result.lost, " lost, ",
        result.early, " early, ", result.repeated, " repeated ", result.unfinished));
    return;
  }
}

TEST_F(SimulationTest, NoSeedLosesOrDoublesAnything) {
  const uint64_t one = FromEnvironment("PURSER_FAULT_SEED", 0);
  const uint64_t first = one == 0 ? 1 : one;
  const uint64_t last = one == 0 ? FromEnvironment("PURSER_FAULT_SEEDS", 300) : one;
  std::atomic<uint64_t> next{first};
  Totals totals;
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] { RunSeeds(next, last, totals); });
  }
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  base::MutexLock lock(totals.mutex);
  EXPECT_THAT(totals.failures, testing::IsEmpty());
  std::cout << "simulation: " << last - first + 1 << " seeds, " << totals.crashes << " crashes, "
            << totals.refused << " refused results, " << totals.failures.size() << " failed, "
            << took.count() << " s" << std::endl;
  EXPECT_GT(totals.crashes, 0);
}

TEST_F(SimulationTest, ASeedReplaysExactly) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const SimulationResult one = Simulate(*database_, seed, {});
    const SimulationResult two = Simulate(*database_, seed, {});
    EXPECT_EQ(one.trace, two.trace) << seed;
    EXPECT_EQ(one.refused, two.refused);
    EXPECT_NE(one.trace, Simulate(*database_, seed + 100, {}).trace);
  }
}

// The simulation finds what it is there to find.
TEST_F(SimulationTest, WithoutTheKeyEffectsDouble) {
  EXPECT_NE(FirstFault({.keys = false}, 30), 0u);
}
TEST_F(SimulationTest, WithoutTheProbeEffectsDouble) {
  EXPECT_NE(FirstFault({.probes = false}, 30), 0u);
}

TEST_F(SimulationTest, WithoutTheFenceStepsAreRepeated) {
  EXPECT_NE(FirstFault({.fence = false}, 30), 0u);
}

TEST_F(SimulationTest, WithoutOneTimeWaitsAreOverEarly) {
  int early = 0;
  for (uint64_t seed = 1; seed <= 30 && early == 0; ++seed) {
    early = Simulate(*database_, seed, {.time = false}).early;
  }
  EXPECT_GT(early, 0);
}

}  // namespace
}  // namespace purser::faults
