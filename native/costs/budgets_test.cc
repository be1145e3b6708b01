// Budgets over a real store, and their file.
#include "costs/budgets.h"

#include "absl/strings/str_format.h"
#include "costs/testing/policy_fixture.h"
#include "costs/watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using costs::testing::Line;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class BudgetsTest : public costs::testing::PolicyFixture {};

TEST_F(BudgetsTest, ABudgetIsToldOncePerThresholdAndPeriod) {
  Read(Shop());
  PutGraph();
  CostPolicy policy;
  const auto budgets = ParseBudgets(R"(
budgets:
  - { name: web, group: group:default/web, amount: 50, currency: USD, thresholds: [50, 80, 100],
      forecast: false }
  - { name: all, group: group:default/all, amount: 1000, currency: USD, period: year }
  - { name: none, entity: component:default/pond, amount: 0, currency: EUR }
)",
                                    "budgets.yaml");
  ASSERT_TRUE(budgets.ok()) << budgets.status();
  policy.budgets = *budgets;
  policy.anomalies.min_amount = base::Decimal::FromInteger(1'000'000);
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
  std::vector<CostAlert> alerts = *service_->Alerts(0, 100);
  ASSERT_THAT(alerts, SizeIs(2));
  EXPECT_EQ(alerts[0].scope, "2026-11-01 50");
  EXPECT_THAT(alerts[0].detail, HasSubstr("\"superseded\":true"));
  EXPECT_EQ(alerts[1].scope, "2026-11-01 80");
  EXPECT_THAT(alerts[1].detail, AllOf(HasSubstr("\"owner\":\"group:default/web\""),
                                      HasSubstr("\"spent\":\"40.4\""), HasSubstr("false")));
  // A restart forgets nothing; the next threshold and the next period are told.
  Start();
  EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
  std::vector<Line> more = Shop();
  more.push_back({"10", "2026-11-04", "purser.dev/entity=component:default/shop"});
  Read(more);
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  Read({{"45", "2026-12-01", "purser.dev/entity=component:default/shop"}}, "december");
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  EXPECT_EQ((*service_->Alerts(0, 100)).back().scope, "2026-12-01 80");
  const auto states = BudgetStates(*service_, *budgets, absl::CivilDay(2026, 11, 30));
  ASSERT_TRUE(states.ok()) << states.status();
  EXPECT_EQ((*states)[0].crossed, 100);
  EXPECT_EQ((*states)[2].spent_percent.ToString(), "0");  // an amount of 0 breaks nothing
}

TEST_F(BudgetsTest, ABudgetTellsWhatIsComing) {
  std::vector<Line> lines;
  for (int day = 1; day <= 20; ++day) {
    lines.push_back(
        {"10", absl::StrFormat("2026-11-%02d", day), "purser.dev/entity=component:default/lake"});
  }
  Read(lines);
  PutGraph();
  CostPolicy policy;
  policy.budgets = *ParseBudgets(
      "budgets: [{name: lakes, product: lakes, amount: 280, currency: USD}]", "b.yaml");
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  const std::vector<CostAlert> alerts = *service_->Alerts(0, 10);
  ASSERT_THAT(alerts, SizeIs(1));
  EXPECT_EQ(alerts[0].kind, "budget-forecast");
  EXPECT_THAT(alerts[0].detail, AllOf(HasSubstr("\"forecast\":\"300\""),
                                      HasSubstr("\"owner\":\"group:default/data\"")));
}

TEST_F(BudgetsTest, ABudgetOfAnotherCurrencyIsConverted) {
  Read({{"10", "2026-11-02", "purser.dev/entity=component:default/shop", "EC2", "EUR"}});
  const auto budgets = ParseBudgets(
      "budgets: [{name: a, entity: component:default/shop, amount: 11, currency: USD}]", "b.yaml");
  const auto states = BudgetStates(*service_, *budgets, absl::CivilDay(2026, 11, 2));
  ASSERT_TRUE(states.ok()) << states.status();
  EXPECT_EQ((*states)[0].spent.ToString(), "11");
  EXPECT_EQ((*states)[0].crossed, 100);
  const auto other = ParseBudgets(
      "budgets: [{name: a, entity: component:default/shop, amount: 11, currency: CHF}]", "b.yaml");
  EXPECT_THAT(BudgetStates(*service_, *other, absl::CivilDay(2026, 11, 2)).status().message(),
              HasSubstr("budget a: there is no rate from EUR to CHF"));
}

TEST(BudgetFileTest, AllProblemsAreTold) {
  const auto status = ParseBudgets(R"(budgets:
  - { name: a, amount: -1, currency: eur, entity: x }
  - { name: a, amount: 1, currency: EUR, group: group:default/g, system: system:default/s, colour: red }
  - { name: b, amount: 1, currency: EUR, group: group:default/g, thresholds: [0], period: week }
)",
                                   "b.yaml")
                          .status();
  for (const char* text :
       {"b.yaml:2:24: amount must be", "a currency like EUR", "two budgets are named a",
        "exactly one of entity", "unknown field \"colour\"", "whole percents",
        "month, quarter or year"}) {
    EXPECT_THAT(status.message(), HasSubstr(text));
  }
  EXPECT_EQ(PeriodOf(BudgetPeriod::kQuarter, absl::CivilDay(2026, 11, 20)),
            std::make_pair(absl::CivilDay(2026, 10, 1), absl::CivilDay(2026, 12, 31)));
}

}  // namespace
}  // namespace purser::costs
