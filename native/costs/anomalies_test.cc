// Anomalies over a real store, and what late data is to them and to forecasts.
#include "costs/anomalies.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "costs/budgets.h"
#include "costs/testing/policy_fixture.h"
#include "costs/watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using costs::testing::Line;
using ::testing::AllOf;
using ::testing::ElementsAre;
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

TEST_F(AnomaliesTest, WhatGoesOnIsToldOnceUntilItDoubles) {
  PutGraph();
  std::vector<Line> lines;
  const auto charge = [&](int month, int day, const std::string& billed, const char* service) {
    lines.push_back({billed, absl::StrFormat("2026-%02d-%02d", month, day),
                     "purser.dev/entity=component:default/shop", service});
  };
  for (int day = 1; day <= 30; ++day) charge(11, day, "100", "EC2");
  CostPolicy policy;
  int told = 0;
  // A second cluster that stays, looked at day by day.
  for (int day = 1; day <= 28; ++day) {
    charge(12, day, "200", "EC2");
    Read(lines);
    told += *LookAtCosts(*service_, policy);
  }
  EXPECT_EQ(told, 1);
  const std::vector<CostAlert> alerts = *service_->Alerts(0, 100);
  ASSERT_GT(alerts.size(), 7u) << "each day is on record";
  EXPECT_THAT(alerts[0].detail, HasSubstr(R"("superseded":false)"));
  EXPECT_THAT(alerts[1].detail,
              AllOf(HasSubstr(R"("superseded":true)"), HasSubstr(R"("toldDifference":"100")")));
  // Another cause is told for itself; so is what has grown much.
  charge(12, 29, "200", "EC2");
  charge(12, 29, "900", "S3");
  Read(lines);
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  charge(12, 30, "200", "EC2");
  charge(12, 30, "1000", "S3");
  Read(lines);
  EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
  charge(12, 31, "200", "EC2");
  charge(12, 31, "5000", "S3");
  Read(lines);
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
}

TEST_F(AnomaliesTest, SomethingNewIsToldOnce) {
  PutGraph();
  std::vector<Line> lines;
  for (int day = 1; day <= 30; ++day) {
    lines.push_back(
        {"100", absl::StrFormat("2026-11-%02d", day), "purser.dev/entity=component:default/shop"});
  }
  CostPolicy policy;
  int told = 0;
  for (int day = 1; day <= 20; ++day) {
    lines.push_back(
        {"50", absl::StrFormat("2026-12-%02d", day), "purser.dev/entity=component:default/cart"});
    lines.push_back(
        {"100", absl::StrFormat("2026-12-%02d", day), "purser.dev/entity=component:default/shop"});
    Read(lines);
    told += *LookAtCosts(*service_, policy);
  }
  EXPECT_EQ(told, 1);
}

TEST_F(AnomaliesTest, AreListedByDaysFiltersAndPages) {
  PutGraph();
  std::vector<Line> lines;
  for (int day = 1; day <= 28; ++day) {
    const std::string date = absl::StrFormat("2026-11-%02d", day);
    const auto add = [&](const char* entity, const std::string& billed, const char* service) {
      lines.push_back(
          {billed, date, absl::StrCat("purser.dev/entity=component:default/", entity), service});
    };
    add("shop", day == 25 ? "500" : "100", "EC2");
    add("cart", day == 25 || day == 27 ? "200" : "100", "S3");
    add("lake", day == 27 ? "400" : "100", "EC2");
    add("lake", day == 26 ? "300" : "100", "S3");
  }
  Read(lines);
  std::string token;
  const auto list = [&](AnomalyQuery query, const std::vector<Suppression>& known = {}) {
    query.from = absl::CivilDay(2026, 11, 1);
    query.to = absl::CivilDay(2026, 11, 28);
    const auto page = ListAnomalies(*service_, query, {}, known);
    std::vector<std::string> texts;
    if (!page.ok()) return std::vector<std::string>{std::string(page.status().message())};
    for (const Anomaly& a : page->anomalies) {
      texts.push_back(absl::StrCat(a.day.day(), " ", a.of.substr(18), " ", a.difference.ToString(),
                                   " ", a.service));
    }
    token = page->next_page_token;
    return texts;
  };
  const std::vector<std::string> all = list({});
  EXPECT_THAT(all, ElementsAre("27 lake 300 EC2", "27 cart 100 S3", "26 lake 200 S3",
                               "25 shop 400 EC2", "25 cart 100 S3"));
  EXPECT_EQ(token, "");
  // Page by page it is the same.
  std::vector<std::string> paged;
  do {
    for (const std::string& text : list({.page_size = 2, .page_token = token})) {
      paged.push_back(text);
    }
  } while (!token.empty() && paged.size() < 10);
  EXPECT_EQ(paged, all);
  list({.page_size = 2});
  EXPECT_THAT(list({.of = "component:default/shop", .page_token = token})[0],
              HasSubstr("does not belong to this query"));
  EXPECT_THAT(list({.of = "Component:default/Cart"}),
              ElementsAre("27 cart 100 S3", "25 cart 100 S3"));
  // Of an owner with whom is below it; of a part of the cost.
  EXPECT_THAT(list({.filters = {{Dimension::kGroup, {"group:default/data"}}}}),
              ElementsAre("27 lake 300 EC2", "26 lake 200 S3"));
  EXPECT_THAT(list({.filters = {{Dimension::kGroup, {"group:default/all"}}}}), SizeIs(5));
  EXPECT_THAT(list({.filters = {{Dimension::kService, {"S3"}}}}),
              ElementsAre("27 cart 100 S3", "26 lake 200 S3", "25 cart 100 S3"));
  const auto known = ParseSuppressions(R"(
suppress:
  - { of: component:default/lake, from: 2026-11-27, to: 2026-11-27 }
  - { service: S3, from: 2026-11-01, to: 2026-11-25 }
)",
                                       "s.yaml");
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_THAT(list({}, *known), ElementsAre("27 cart 100 S3", "26 lake 200 S3", "25 shop 400 EC2"));
  EXPECT_THAT(list({.page_size = 1'001})[0], HasSubstr("is not 1 to 1000"));
  EXPECT_THAT(ParseSuppressions("suppress: [{from: 2026-11-02, to: 2026-11-01}]", "s.yaml")
                  .status()
                  .message(),
              HasSubstr("s.yaml:1:12: to is before from"));
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
