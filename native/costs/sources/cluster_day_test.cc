// The arithmetic of a cluster's day: exact, idle shown and never negative, parts add up.
#include "costs/sources/cluster_day.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using base::Decimal;
using ::testing::ElementsAre;

Decimal D(absl::string_view text) { return *Decimal::Parse(text); }

const ClusterPrices kPrices = {.cpu_hour = D("0.03"),
                               .memory_hour = D("0.004"),
                               .gpu_hour = D("1"),
                               .storage_hour = D("0.0001"),
                               .network_gib = D("0.01"),
                               .load_balancer_hour = D("0.02")};

Decimal Gib(int64_t count) { return Decimal::FromInteger(count * (int64_t{1} << 30)); }
absl::Time Hour(int count) { return absl::UnixEpoch() + absl::Hours(count); }

Decimal Sum(std::initializer_list<Decimal> values) {
  Decimal sum;
  for (const Decimal value : values) EXPECT_TRUE(Decimal::Add(sum, value, &sum));
  return sum;
}
Decimal VolumeCost(const PodCost& cost) {
  Decimal sum;
  for (const VolumePart& part : cost.volumes) sum = Sum({sum, part.cost});
  return sum;
}
std::string Money(const PodCost& cost) {
  return absl::StrCat(cost.idle ? "idle" : cost.pod.ns + "/" + cost.pod.pod, " ",
                      cost.cpu.cost.ToString(), " ", cost.memory.cost.ToString(), " ",
                      VolumeCost(cost).ToString(), " ", cost.network_cost.ToString());
}
std::vector<std::string> Finish(ClusterDay& day) {
  const auto costs = day.Finish();
  if (!costs.ok()) return {costs.status().ToString()};
  std::vector<std::string> texts;
  for (const PodCost& cost : *costs) texts.push_back(Money(cost));
  return texts;
}

TEST(ClusterDayTest, APodTakesTheLargerOfRequestAndUseAtEveryMoment) {
  ClusterDay day(kPrices, absl::Hours(1));
  const PodKey a{"web", "a", "n1"};
  for (int hour = 0; hour < 2; ++hour) {
    const absl::Time at = Hour(hour);
    ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
    ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kMemory, Gib(8), nullptr).ok());
    ASSERT_TRUE(day.AddRequest(a, ClusterResource::kCpu, at, D("1")).ok());
    // Idle in the first hour, beyond its request in the second: 1 + 3, not max(2, 3).
    ASSERT_TRUE(day.AddUse(a, ClusterResource::kCpu, at, D(hour == 0 ? "0" : "3")).ok());
    ASSERT_TRUE(day.AddRequest(a, ClusterResource::kMemory, at, Gib(2)).ok());
  }
  // CPU: 8 core-hours cost 0.24, half is taken. Memory: 16 GiB-hours cost 0.064, a quarter is.
  EXPECT_THAT(Finish(day), ElementsAre("web/a 0.12 0.016 0 0", "idle 0.12 0.048 0 0"));
}

TEST(ClusterDayTest, IdleIsNeverNegativeAndPartsAddUp) {
  ClusterDay day(kPrices, absl::Hours(1));
  const Decimal price = D("0.1");
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("1"), &price).ok());
  // Measured beyond what there is, and in thirds.
  for (const char* pod : {"a", "b", "c"}) {
    ASSERT_TRUE(day.AddUse({"x", pod, "n1"}, ClusterResource::kCpu, Hour(0), D("0.5")).ok());
  }
  const auto costs = *day.Finish();
  Decimal sum;
  for (const PodCost& cost : costs) sum = Sum({sum, cost.cpu.cost});
  EXPECT_EQ(sum.ToString(), "0.1");
  EXPECT_TRUE(costs.back().idle);
  EXPECT_TRUE(costs.back().cpu.cost.IsZero());
  EXPECT_EQ(costs[0].cpu.cost.ToString(), "0.033333333333333334") << "the largest remainder";
  EXPECT_EQ(costs[2].cpu.cost.ToString(), "0.033333333333333333");
}

TEST(ClusterDayTest, AMachinesPriceIsDividedAmongItsParts) {
  ClusterDay day(kPrices, absl::Hours(1));
  day.SetNodeHour("n1", D("1"));
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kMemory, Gib(10), nullptr).ok());
  EXPECT_THAT(Finish(day), ElementsAre("idle 0.75 0.25 0 0")) << "0.12 to 0.04";
}

TEST(ClusterDayTest, VolumesGoToWhoMountsThem) {
  ClusterDay day(kPrices, absl::Hours(1));
  ASSERT_TRUE(day.AddVolume({"x", "data"}, "pv-1", Hour(0), Gib(100), nullptr).ok());
  ASSERT_TRUE(day.AddVolume({"x", "old"}, "pv-2", Hour(0), Gib(10), nullptr).ok());
  ASSERT_TRUE(day.AddVolume({"", "pv-3"}, "pv-3", Hour(0), Gib(1), nullptr).ok());
  day.AddMount({"x", "data"}, "a", Hour(0));
  day.AddMount({"x", "data"}, "b", Hour(0));
  ASSERT_TRUE(day.AddSent("x", "a", Gib(3)).ok());
  EXPECT_THAT(Finish(day), ElementsAre("/__unmounted__ 0 0 0.0001 0", "x/a 0 0 0.005 0.03",
                                       "x/b 0 0 0.005 0", "x/__unmounted__ 0 0 0.001 0"));
}

// A job that mounts a volume for ten minutes does not pay half of its day.
TEST(ClusterDayTest, AVolumeIsSharedByWhoMountsItThen) {
  ClusterDay day(kPrices, absl::Hours(1));
  for (int hour = 0; hour < 4; ++hour) {
    ASSERT_TRUE(day.AddVolume({"x", "data"}, "pv-1", Hour(hour), Gib(100), nullptr).ok());
    if (hour < 3) day.AddMount({"x", "data"}, "a", Hour(hour));
    if (hour == 2) day.AddMount({"x", "data"}, "b", Hour(hour));
  }
  EXPECT_THAT(Finish(day),
              ElementsAre("x/__unmounted__ 0 0 0.01 0", "x/a 0 0 0.025 0", "x/b 0 0 0.005 0"));
}

TEST(ClusterDayTest, ANodeThatVanishesAtNoonCostsUntilNoon) {
  ClusterDay day(kPrices, absl::Hours(1));
  for (int hour = 0; hour < 24; ++hour) {
    ASSERT_TRUE(day.AddCapacity("stays", ClusterResource::kCpu, D("1"), nullptr).ok());
    const PodKey pod{"x", "a", hour < 12 ? "spot" : "stays"};
    ASSERT_TRUE(day.AddRequest(pod, ClusterResource::kCpu, Hour(hour), D("1")).ok());
    if (hour < 12) {
      ASSERT_TRUE(day.AddCapacity("spot", ClusterResource::kCpu, D("1"), nullptr).ok());
    }
  }
  const auto costs = *day.Finish();
  ASSERT_EQ(costs.size(), 4u);
  EXPECT_EQ(Money(costs[0]), "x/a 0.36 0 0 0");
  EXPECT_EQ(Money(costs[1]), "idle 0 0 0 0");
  EXPECT_EQ(costs[1].minutes, 12 * 60);
  EXPECT_EQ(Money(costs[2]), "x/a 0.36 0 0 0") << "on the other node";
  EXPECT_EQ(Money(costs[3]), "idle 0.36 0 0 0");
}

TEST(ClusterDayTest, APodOfTenMinutesPaysTenMinutes) {
  ClusterDay day(kPrices, absl::Minutes(5));
  for (int step = 0; step < 288; ++step) {
    ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("2"), nullptr).ok());
    if (step != 100 && step != 101) continue;
    const absl::Time at = absl::UnixEpoch() + step * absl::Minutes(5);
    ASSERT_TRUE(day.AddRequest({"x", "job", "n1"}, ClusterResource::kCpu, at, D("2")).ok());
    ASSERT_TRUE(day.EndMoments().ok());
  }
  const auto costs = *day.Finish();
  EXPECT_EQ(costs[0].minutes, 10);
  // 1.44 a day; both cores for a 144th of it.
  EXPECT_EQ(Money(costs[0]), "x/job 0.01 0 0 0");
  EXPECT_EQ(Money(costs[1]), "idle 1.43 0 0 0");
}

TEST(ClusterDayTest, GpusAndLoadBalancersHaveAPrice) {
  ClusterDay day(kPrices, absl::Hours(1));
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kGpu, D("4"), nullptr).ok());
  ASSERT_TRUE(day.AddRequest({"x", "train", "n1"}, ClusterResource::kGpu, Hour(0), D("1")).ok());
  const Decimal price = D("0.5");
  ASSERT_TRUE(day.AddLoadBalancer("x", "front", nullptr).ok());
  ASSERT_TRUE(day.AddLoadBalancer("x", "front", &price).ok());
  const auto costs = *day.Finish();
  ASSERT_EQ(costs.size(), 3u);
  EXPECT_EQ(costs[0].gpu.cost.ToString(), "1");
  EXPECT_EQ(costs[1].gpu.cost.ToString(), "3");
  EXPECT_EQ(costs[2].pod.pod, kLoadBalancerPod);
  EXPECT_EQ(costs[2].service, "front");
  EXPECT_EQ(costs[2].load_balancer_hours.ToString(), "2");
  EXPECT_EQ(costs[2].load_balancer_cost.ToString(), "0.52");
}

// Whatever is asked for and used: pods + idle = node, nothing below zero, to the last digit.
TEST(ClusterDayTest, RandomDaysAddUpExactly) {
  std::mt19937_64 random(20261122);
  const auto up_to = [&](uint64_t limit) { return random() % limit; };
  const auto amount = [&](uint64_t units) {
    return D(absl::StrCat(up_to(units), ".", up_to(1'000'000'000)));
  };
  for (int round = 0; round < 200; ++round) {
    const int step_minutes = std::vector<int>{1, 5, 7, 20, 60}[up_to(5)];
    ClusterDay day(kPrices, absl::Minutes(step_minutes));
    const Decimal price = amount(3);
    const int steps = 1 + static_cast<int>(up_to(30));
    Decimal steps_cost;  // price * cores, summed over steps
    for (int step = 0; step < steps; ++step) {
      const absl::Time at = absl::UnixEpoch() + step * absl::Minutes(step_minutes);
      if (up_to(10) != 0) {
        const Decimal cores = amount(8);
        Decimal cost;
        ASSERT_TRUE(Decimal::Multiply(cores, price, &cost));
        steps_cost = Sum({steps_cost, cost});
        ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, cores, &price).ok());
      }
      for (int pod = 0; pod < 5; ++pod) {
        const PodKey key{"x", absl::StrCat("p", pod), "n1"};
        if (up_to(2) != 0) {
          ASSERT_TRUE(day.AddRequest(key, ClusterResource::kCpu, at, amount(3)).ok());
        }
        if (up_to(2) != 0) {
          const Decimal used = up_to(9) == 0 ? D("-1") : amount(4);
          ASSERT_TRUE(day.AddUse(key, ClusterResource::kCpu, at, used).ok());
        }
      }
      if (up_to(4) == 0) {
        ASSERT_TRUE(day.EndMoments().ok());
      }
    }
    const auto costs = day.Finish();
    ASSERT_TRUE(costs.ok()) << costs.status();
    Decimal sum;
    for (const PodCost& cost : *costs) {
      EXPECT_FALSE(cost.cpu.cost.IsNegative());
      EXPECT_FALSE(cost.cpu.allocated.IsNegative());
      sum = Sum({sum, cost.cpu.cost});
    }
    // sum = steps_cost * step / 60, rounded once.
    Decimal minutes, back, difference;
    ASSERT_TRUE(Decimal::Multiply(steps_cost, Decimal::FromInteger(step_minutes), &minutes));
    ASSERT_TRUE(Decimal::Multiply(sum, Decimal::FromInteger(60), &back));
    ASSERT_TRUE(Decimal::Subtract(minutes, back, &difference));
    EXPECT_LE(difference, D("0.00000000000000003"));
    EXPECT_GE(difference, D("-0.00000000000000003"));
  }
}

}  // namespace
}  // namespace purser::costs
