// What went wrong in the cost path of an earlier portal of this kind, each as a test here:
//  1 changed budget amounts were never taken over   2 failed loads were reported as done
//  3 two loads at once wrote the same file          4 no budget, no cost; an amount of 0 broke all;
//    credits were left out; currencies were mixed   5 years began in local time
//  6 lists ended at 10,000 rows                     7 an alert was lost when it crashed in between
// What concerned templates is tested where the actions are:
//  8 two requests conflicted in one sorted list: KustomizationActionTest.EachTenantHasAFileOfItsOwn
//  9 users kept the "@" of their address:
//  OktaProviderTest.PeopleAndGroups
// 10 a source location without "url:": SourceTreeTest.TheSourceMayBeLookedAtElsewhereButNotClaimed
// 11 a name could be taken twice: ServiceTest.OneRequestAtATimeWorksOnAnEntityAndItsOwnerKeepsIt
// Each of the eleven fails when the defect is put back.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "costs/budgets.h"
#include "costs/service.h"
#include "costs/testing/no_resources.h"
#include "costs/watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DefectsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "defects-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    Start();
  }
  void TearDown() override {
    service_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    service_.reset();
    database_.reset();
    auto database = store::OpenSqlite({.path = folder_ + "/state.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    const auto rules = Allocation::Parse(
        "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: [{name: p, column: "
        "SubAccountId, entity: 'resource:default/{value}'}]}",
        "rules.yaml");
    ASSERT_TRUE(rules.ok()) << rules.status();
    auto service = CostService::Open({.database = database_.get(),
                                      .resources = &resources_,
                                      .clock = &clock_,
                                      .allocation = *rules,
                                      .quarantine_folder = folder_ + "/q"});
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
  }
  static std::string Row(absl::string_view cost, absl::string_view project,
                         absl::string_view time = "2026-11-02T00:00:00Z",
                         absl::string_view category = "Usage", absl::string_view currency = "CAD") {
    return absl::StrCat(cost, ",", cost, ",", currency, ",", time.substr(0, 7), "-01,", time, ",",
                        category, ",Vertex,", project, "\n");
  }
  absl::StatusOr<IngestReport> Read(const std::string& rows, const std::string& source = "gcp",
                                    BadRows bad_rows = BadRows::kRefuse) {
    const std::string path = absl::StrCat(folder_, "/", source, ".csv");
    std::ofstream(path)
        << "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
           "ChargeCategory,ServiceName,SubAccountId\n"
        << rows;
    return service_->Ingest({.source = source, .paths = {path}, .bad_rows = bad_rows});
  }
  static CostPolicy Budgets(const std::string& yaml) {
    CostPolicy policy;
    const auto budgets = ParseBudgets(yaml, "budgets.yaml");
    EXPECT_TRUE(budgets.ok()) << budgets.status();
    policy.budgets = *budgets;
    policy.anomalies.min_amount = base::Decimal::FromInteger(1'000'000);
    return policy;
  }

  std::string folder_;
  costs::testing::NoResources resources_;
  // Behind all charges.
  base::FakeClock clock_{absl::FromCivil(absl::CivilDay(2028, 1, 1), absl::UTCTimeZone())};
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<CostService> service_;
};

TEST_F(DefectsTest, AChangedAmountOfABudgetCounts) {
  ASSERT_TRUE(Read(Row("90", "p1")).ok());
  const char* before =
      "budgets: [{name: b, entity: resource:default/p1, amount: 200, currency: CAD}]";
  EXPECT_EQ(*LookAtCosts(*service_, Budgets(before)), 0);
  const char* after =
      "budgets: [{name: b, entity: resource:default/p1, amount: 100, currency: CAD}]";
  EXPECT_EQ(*LookAtCosts(*service_, Budgets(after)), 1);
  const auto states = BudgetStates(*service_, Budgets(after).budgets, absl::CivilDay(2026, 11, 30));
  EXPECT_EQ((*states)[0].spent_percent.ToString(), "90");
}

TEST_F(DefectsTest, AFailedLoadIsAnErrorAndChangesNothing) {
  ASSERT_TRUE(Read(Row("90", "p1")).ok());
  const auto report = Read(absl::StrCat(Row("1", "p1"), Row("no amount", "p1")));
  EXPECT_EQ(report.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(report.status().message(), HasSubstr("nothing was stored"));
  const auto summary = service_->EntitySummary({.entity_ref = "resource:default/p1"});
  EXPECT_EQ(summary->costs[0].billed.ToString(), "90");
}

TEST_F(DefectsTest, TwoLoadsAtOnceDoNotMeet) {
  // Each sets a row of its own aside, too: whatever files that needs are nobody else's.
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      const std::string source = absl::StrCat("source-", i);
      for (int round = 1; round <= 3; ++round) {
        const std::string mine = absl::StrCat("bad-", i, "-", round, "-");
        std::string rows = Row(absl::StrCat(round), absl::StrCat("p", i));
        for (int row = 0; row < 500; ++row) {
          absl::StrAppend(&rows, Row(absl::StrCat(mine, row), "p"));
        }
        const auto report = Read(rows, source, BadRows::kQuarantine);
        ASSERT_TRUE(report.ok()) << report.status();
        EXPECT_EQ(report->rows_quarantined, 500);
        std::ifstream file(report->quarantine_path);
        std::string line;
        std::getline(file, line);  // the header
        int lines = 0;
        for (; std::getline(file, line); ++lines) EXPECT_THAT(line, HasSubstr(mine));
        EXPECT_EQ(lines, 500);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto rows = service_->Sums({.from = absl::CivilDay(2026, 1, 1),
                                    .to = absl::CivilDay(2026, 12, 31),
                                    .group_by = {Dimension::kSource}});
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 4u);
  for (const CostRow& row : *rows) EXPECT_EQ(row.billed.ToString(), "3");
}

TEST_F(DefectsTest, EveryProjectHasItsCostWithOrWithoutABudget) {
  ASSERT_TRUE(Read(absl::StrCat(Row("100", "with"), Row("50", "without"), Row("7", "zero"),
                                Row("-30", "with", "2026-11-03T00:00:00Z", "Credit"),
                                Row("5", "with", "2026-11-03T00:00:00Z", "Usage", "USD")))
                  .ok());
  // Without rates: currencies stay apart.
  const auto rows = service_->Sums({.from = absl::CivilDay(2026, 11, 1),
                                    .to = absl::CivilDay(2026, 11, 30),
                                    .group_by = {Dimension::kEntity}});
  std::vector<std::string> texts;
  for (const CostRow& row : *rows) {
    texts.push_back(absl::StrCat(row.keys[0], " ", row.billed.ToString(), " ", row.currency));
  }
  EXPECT_THAT(texts, ElementsAre("resource:default/with 70 CAD", "resource:default/with 5 USD",
                                 "resource:default/without 50 CAD", "resource:default/zero 7 CAD"));
  const auto states = BudgetStates(
      *service_,
      Budgets("budgets: [{name: zero, entity: resource:default/zero, amount: 0, currency: CAD}]")
          .budgets,
      absl::CivilDay(2026, 11, 30));
  ASSERT_TRUE(states.ok()) << states.status();
  EXPECT_EQ((*states)[0].crossed, 100);
  // A budget over two currencies needs rates, and says so instead of adding them.
  const auto mixed = BudgetStates(
      *service_,
      Budgets("budgets: [{name: with, entity: resource:default/with, amount: 1, currency: CAD}]")
          .budgets,
      absl::CivilDay(2026, 11, 30));
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  EXPECT_THAT((*mixed)[0].problem, HasSubstr("there are no exchange rates"));
}

TEST_F(DefectsTest, YearsBeginInUtcWhereverTheServerStands) {
  const char* before = getenv("TZ");
  const std::string saved = before == nullptr ? "" : before;
  for (const char* zone : {"Pacific/Auckland", "America/Halifax"}) {
    setenv("TZ", zone, 1);
    tzset();
    ASSERT_TRUE(Read(absl::StrCat(Row("1", "p", "2025-12-31T23:30:00Z"),
                                  Row("2", "p", "2026-01-01T00:30:00Z")),
                     absl::StrCat("zone-", zone[0] == 'P' ? "p" : "a"))
                    .ok());
    const auto rows = service_->Sums({.from = absl::CivilDay(2026, 1, 1),
                                      .to = absl::CivilDay(2026, 1, 31),
                                      .filters = {{Dimension::kSource, {"zone-p", "zone-a"}}}});
    EXPECT_EQ((*rows)[0].charges, zone[0] == 'P' ? 1 : 2);
  }
  EXPECT_EQ(PeriodOf(BudgetPeriod::kYear, absl::CivilDay(2026, 1, 1)).first,
            absl::CivilDay(2026, 1, 1));
  before == nullptr ? unsetenv("TZ") : setenv("TZ", saved.c_str(), 1);
  tzset();
}

TEST_F(DefectsTest, ListsDoNotEnd) {
  std::string rows;
  for (int i = 0; i < 12'000; ++i) rows += Row("0.01", absl::StrCat("p", i));
  ASSERT_TRUE(Read(rows).ok());
  QueryRequest request{.from = absl::CivilDay(2026, 11, 1),
                       .to = absl::CivilDay(2026, 11, 30),
                       .group_by = {Dimension::kEntity},
                       .page_size = 5'000};
  std::set<std::string> seen;
  do {
    const auto page = service_->Query(request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const CostRow& row : page->rows) seen.insert(row.keys[0]);
    request.page_token = page->next_page_token;
  } while (!request.page_token.empty());
  EXPECT_EQ(seen.size(), 12'000u);
}

TEST_F(DefectsTest, AnAlertIsThereUntilItIsTold) {
  ASSERT_TRUE(Read(Row("90", "p1")).ok());
  const CostPolicy policy =
      Budgets("budgets: [{name: b, entity: resource:default/p1, amount: 100, currency: CAD}]");
  EXPECT_EQ(*LookAtCosts(*service_, policy), 1);
  // The portal died before it sent anything: after any number of restarts the alert is still the
  // next one behind its position, and is not made a second time.
  for (int i = 0; i < 3; ++i) {
    Start();
    EXPECT_EQ(*LookAtCosts(*service_, policy), 0);
    const auto alerts = service_->Alerts(0, 10);
    ASSERT_EQ(alerts->size(), 1u);
    EXPECT_EQ((*alerts)[0].sequence, 1);
  }
  EXPECT_TRUE(service_->Alerts(1, 10)->empty());
}

}  // namespace
}  // namespace purser::costs
