// Anomalies over a real store, and what late data is to them and to forecasts.
#include "costs/anomalies.h"

#include <cmath>

#include "absl/strings/str_format.h"
#include "costs/budgets.h"
#include "costs/testing/policy_fixture.h"
#include "costs/watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using costs::testing::Line;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AnomaliesTest : public costs::testing::PolicyFixture {};

TEST(AnomalyTest, WeekdaysAreComparedWithTheirLike) {
  std::vector<double> series;
  for (int day = 0; day < 56; ++day) series.push_back(day % 7 < 5 ? 100 + day % 3 : 10);
  double expected = 0;
  series.push_back(101);
  EXPECT_LT(std::fabs(RobustScore(series, &expected)), 3);
  series.back() = 300;
  EXPECT_GT(RobustScore(series, &expected), 10);
  EXPECT_NEAR(expected, 101, 1);
  // 100 on a weekend day is strange, though it is not on others.
  series.pop_back();
  for (int i = 0; i < 5; ++i) series.push_back(100);
  series.push_back(100);
  EXPECT_GT(RobustScore(series, &expected), 10);
  EXPECT_NEAR(expected, 10, 1e-9);
  EXPECT_EQ(RobustScore({1, 2, 3}, &expected), 0);
}

TEST_F(AnomaliesTest, AnAnomalyHasAnOwnerAndACause) {
  std::vector<Line> lines;
  for (int day = 1; day <= 28; ++day) {
    for (const char* service : {"EC2", "S3"}) {
      const bool jump = day == 28 && std::string(service) == "S3";
      lines.push_back({jump ? "90" : "20", absl::StrFormat("2026-11-%02d", day),
                       "purser.dev/entity=component:default/shop", service, "USD", "Usage", "",
                       "us-1", jump ? "requests" : "storage"});
    }
  }
  Read(lines);
  PutGraph();
  const auto anomalies =
      FindAnomalies(*service_, absl::CivilDay(2026, 11, 28), absl::CivilDay(2026, 11, 28), {}, {});
  ASSERT_TRUE(anomalies.ok()) << anomalies.status();
  ASSERT_THAT(*anomalies, SizeIs(1));
  const Anomaly& anomaly = (*anomalies)[0];
  EXPECT_EQ(anomaly.of, "component:default/shop");
  EXPECT_EQ(anomaly.owner, "group:default/web");
  EXPECT_EQ(anomaly.service, "S3");
  EXPECT_EQ(anomaly.sku, "requests");
  EXPECT_EQ(anomaly.region, "us-1");
  EXPECT_EQ(anomaly.cost.ToString(), "110");
  EXPECT_EQ(anomaly.difference.ToString(), "70");
  const auto known = ParseSuppressions(
      "suppress: [{of: component:default/shop, service: S3, from: 2026-11-20, to: 2026-11-30, "
      "reason: sale}]",
      "s.yaml");
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_THAT(*FindAnomalies(*service_, absl::CivilDay(2026, 11, 28), absl::CivilDay(2026, 11, 28),
                             {}, *known),
              IsEmpty());
  CostPolicy policy;
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
}

// A bill that comes later than another is no drop of costs, and no days without cost to forecasts.
TEST_F(AnomaliesTest, WhatIsLateIsNotLess) {
  const auto bill = [](int last, const char* service, const std::string& billed) {
    std::vector<Line> lines;
    for (int day = 1; day <= last; ++day) {
      lines.push_back({billed, absl::StrFormat("2026-11-%02d", day),
                       "purser.dev/entity=component:default/shop", service});
    }
    return lines;
  };
  const absl::CivilDay first(2026, 11, 20), last(2026, 11, 24);
  PutGraph();
  Read(bill(22, "EC2", "100"), "late");
  std::vector<Line> early = bill(24, "S3", "50");
  early[23].billed = "90";
  Read(early, "early");
  auto anomalies = FindAnomalies(*service_, first, last, {}, {});
  ASSERT_TRUE(anomalies.ok()) << anomalies.status();
  ASSERT_THAT(*anomalies, SizeIs(1)) << "of the source that is there, alone";
  EXPECT_EQ((*anomalies)[0].day, last);
  EXPECT_EQ((*anomalies)[0].cost.ToString(), "90");
  EXPECT_EQ((*anomalies)[0].expected.ToString(), "50");
  const auto budgets = ParseBudgets(
      "budgets: [{name: b, entity: component:default/shop, amount: 1, currency: USD}]", "b.yaml");
  ASSERT_TRUE(budgets.ok()) << budgets.status();
  const auto states = BudgetStates(*service_, *budgets, last);
  ASSERT_TRUE(states.ok()) << states.status();
  EXPECT_EQ((*states)[0].spent.ToString(), "3440");
  // 22 days of 150, and as much for each of the other eight.
  EXPECT_EQ((*states)[0].forecast.value_or(base::Decimal()).ToString(), "4500");
  // The late one came: less than usual on a day behind which there are others is told, on the last
  // one, which may go on, it is not.
  std::vector<Line> less = bill(24, "EC2", "100");
  less[22].billed = less[23].billed = "1";
  Read(less, "late");
  Read(bill(24, "S3", "50"), "early");
  anomalies = FindAnomalies(*service_, first, last, {}, {});
  ASSERT_TRUE(anomalies.ok()) << anomalies.status();
  ASSERT_THAT(*anomalies, SizeIs(1));
  EXPECT_EQ((*anomalies)[0].day, absl::CivilDay(2026, 11, 23));
  EXPECT_EQ((*anomalies)[0].difference.ToString(), "-99");
  EXPECT_THAT(FindAnomalies(*service_, last, first, {}, {}).status().message(),
              HasSubstr("1 to 31 days"));
}

}  // namespace
}  // namespace purser::costs
