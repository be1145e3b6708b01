// Budgets over a real store, and their file.
#include "costs/budgets.h"

#include "absl/strings/str_cat.h"
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
using ::testing::IsEmpty;
using ::testing::Not;
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
  const auto unknown = BudgetStates(*service_, *other, absl::CivilDay(2026, 11, 2));
  ASSERT_TRUE(unknown.ok()) << unknown.status();
  EXPECT_THAT((*unknown)[0].problem, HasSubstr("there is no rate from EUR to CHF"));
  EXPECT_FALSE((*unknown)[0].crossed.has_value());
}

TEST_F(BudgetsTest, OneThatCannotBeJudgedKeepsNobodyFromBeingTold) {
  Read({{"10", "2026-11-02", "purser.dev/entity=component:default/shop", "EC2", "EUR"}});
  CostPolicy policy;
  policy.budgets = *ParseBudgets(R"(
budgets:
  - { name: francs, entity: component:default/shop, amount: 11, currency: CHF }
  - { name: dollars, entity: component:default/shop, amount: 11, currency: USD }
)",
                                 "b.yaml");
  std::vector<std::string> problems;
  EXPECT_EQ(*LookAtCosts(*service_, policy, &problems), 1);
  EXPECT_EQ((*service_->Alerts(0, 10)).back().subject, "dollars");
  ASSERT_THAT(problems, Not(IsEmpty()));
  EXPECT_THAT(problems.back(), HasSubstr("budget francs of 2026-11-01: there is no rate"));
}

TEST_F(BudgetsTest, WhatComesLateForAMonthIsToldForTwoWeeks) {
  const auto shop = [](const std::string& billed, const std::string& day) {
    return Line{billed, day, "purser.dev/entity=component:default/shop"};
  };
  CostPolicy policy;
  policy.budgets = *ParseBudgets(
      "budgets: [{name: shop, entity: component:default/shop, amount: 100, currency: USD,"
      " thresholds: [100]}]",
      "b.yaml");
  Read({shop("90", "2026-11-20")}, "late");
  Read({shop("1", "2026-12-01")}, "early");
  EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
  // The last charges of November come when December has begun.
  Read({shop("90", "2026-11-20"), shop("15", "2026-11-30")}, "late");
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  EXPECT_EQ((*service_->Alerts(0, 10)).back().scope, "2026-11-01 100");
  EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
  // A correction of long ago wakes nobody.
  Read({shop("1", "2026-12-15"), shop("1", "2026-12-01")}, "early");
  policy.budgets = *ParseBudgets(
      "budgets: [{name: other, entity: component:default/shop, amount: 100, currency: USD}]",
      "b.yaml");
  EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
}

TEST_F(BudgetsTest, WithAnotherAmountAThresholdIsToldAnew) {
  Read({{"90", "2026-11-02", "purser.dev/entity=component:default/shop"}});
  CostPolicy policy;
  const auto look = [&](absl::string_view amount) {
    policy.budgets = *ParseBudgets(
        absl::StrCat("budgets: [{name: shop, entity: component:default/shop, amount: ", amount,
                     ", currency: USD, thresholds: [80]}]"),
        "b.yaml");
    return *LookAtCosts(*service_, policy);
  };
  EXPECT_EQ(look("100"), 1);
  EXPECT_EQ(look("100"), 0);
  EXPECT_EQ(look("200"), 0) << "45 % of it";
  EXPECT_EQ(look("110"), 1) << "82 % of another amount";
  EXPECT_EQ(look("110"), 0);
  EXPECT_EQ(look("100"), 0) << "of that amount it was told";
  const std::vector<CostAlert> alerts = *service_->Alerts(0, 10);
  ASSERT_THAT(alerts, SizeIs(2));
  EXPECT_EQ(alerts[0].scope, "2026-11-01 80");
  EXPECT_EQ(alerts[1].scope, "2026-11-01 80 of 110 USD");
}

TEST_F(BudgetsTest, PeriodsAreThoseOfTheCalendar) {
  EXPECT_EQ(PeriodOf(BudgetPeriod::kMonth, absl::CivilDay(2028, 2, 29)),
            std::make_pair(absl::CivilDay(2028, 2, 1), absl::CivilDay(2028, 2, 29)));
  EXPECT_EQ(PeriodOf(BudgetPeriod::kQuarter, absl::CivilDay(2026, 12, 31)),
            std::make_pair(absl::CivilDay(2026, 10, 1), absl::CivilDay(2026, 12, 31)));
  EXPECT_EQ(PeriodOf(BudgetPeriod::kYear, absl::CivilDay(2027, 1, 1)),
            std::make_pair(absl::CivilDay(2027, 1, 1), absl::CivilDay(2027, 12, 31)));
  // On the first day of a month its end is expected from the months before.
  std::vector<Line> lines;
  for (int day = 1; day <= 30; ++day) {
    lines.push_back(
        {"10", absl::StrFormat("2026-11-%02d", day), "purser.dev/entity=component:default/shop"});
  }
  lines.push_back({"10", "2026-12-01", "purser.dev/entity=component:default/shop"});
  Read(lines);
  const auto states = BudgetStates(
      *service_,
      *ParseBudgets("budgets: [{name: shop, entity: component:default/shop, amount: 500, "
                    "currency: USD}]",
                    "b.yaml"),
      absl::CivilDay(2026, 12, 1));
  ASSERT_TRUE(states.ok()) << states.status();
  EXPECT_EQ((*states)[0].spent.ToString(), "10");
  EXPECT_EQ((*states)[0].forecast.value_or(base::Decimal()).ToString(), "310");
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
