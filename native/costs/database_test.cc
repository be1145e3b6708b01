// What costs are is the same on every database: one story of deliveries, rules and questions.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::CivilDay kFrom(2026, 10, 1);
constexpr absl::CivilDay kTo(2026, 11, 30);

// By team, then what else is said of `spec`.
std::string RulesWith(absl::string_view more) {
  return absl::StrCat(
      "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec:\n  rules:\n"
      "    - { name: teams, tag: team, entity: \"group:default/{value}\" }\n",
      more);
}

class DatabaseTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    testing::CostsOnDatabaseTest::SetUp();
    if (IsSkipped()) return;
    Deliver({{.billed = "10", .month = 10, .team = "web"},
             {.billed = "0.000000000000000001", .month = 10, .team = "data"},
             {.billed = "5", .month = 10, .service = "RDS"}});
    Deliver({{.billed = "20", .team = "web"}, {.billed = "7", .day = 3, .team = "data"}});
    Deliver({{.billed = "3", .day = 4, .team = "web", .currency = "EUR"}}, "other");
  }
  std::vector<std::string> Top(Dimension dimension) {
    const auto top = service_->Top({.from = kFrom, .to = kTo, .dimension = dimension, .limit = 1});
    if (!top.ok()) return {top.status().ToString()};
    std::vector<std::string> rows;
    const auto add = [&](const std::vector<CostRow>& from) {
      for (const CostRow& row : from) {
        rows.push_back(absl::StrCat(absl::StrJoin(row.keys, " "), " ", row.currency, " ",
                                    row.billed.ToString()));
      }
    };
    add(top->rows);
    add(top->rest);
    return rows;
  }
};
INSTANTIATE_TEST_SUITE_P(Databases, DatabaseTest,
                         ::testing::Values("sqlite", "postgres", "clickhouse", "cluster"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(DatabaseTest, AnswersAreExact) {
  EXPECT_THAT(
      Query({Dimension::kMonth, Dimension::kEntity}),
      ElementsAre("2026-10 group:default/data USD 0.000000000000000001 "
                  "0.000000000000000001 1",
                  "2026-10 group:default/web USD 10 10 1", "2026-10 unallocated USD 5 5 1",
                  "2026-11 group:default/data USD 7 7 1", "2026-11 group:default/web EUR 3 3 1",
                  "2026-11 group:default/web USD 20 20 1"));
  EXPECT_THAT(Top(Dimension::kEntity),
              ElementsAre("group:default/web EUR 3", "group:default/web USD 30", " EUR 0",
                          " USD 12.000000000000000001"));
  const auto compared = service_->Compare({.from = absl::CivilDay(2026, 11, 1),
                                           .to = kTo,
                                           .before_from = kFrom,
                                           .before_to = absl::CivilDay(2026, 10, 31),
                                           .dimension = Dimension::kService});
  ASSERT_TRUE(compared.ok()) << compared.status();
  std::vector<std::string> changes;
  for (const ComparedRow& row : *compared) {
    changes.push_back(absl::StrCat(row.key, " ", row.currency, " ", row.change.ToString()));
  }
  EXPECT_THAT(changes, ElementsAre("S3 EUR 3", "S3 USD 16.999999999999999999", "RDS USD -5"));
  const auto invoices = service_->Reconcile(kFrom, kTo);
  ASSERT_TRUE(invoices.ok()) << invoices.status();
  ASSERT_EQ(invoices->size(), 3u);
  for (const ReconciledInvoice& invoice : *invoices) EXPECT_TRUE(invoice.difference.IsZero());
  const auto summary = service_->EntitySummary({.entity_ref = "group:default/web"});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(*summary->to, absl::CivilDay(2026, 11, 4));
  EXPECT_EQ(summary->costs[1].billed.ToString(), "20");
}

TEST_P(DatabaseTest, RulesRelationsAndMetricsChangeHistory) {
  rules_ = RulesWith(
      "    - { name: rest, subAccount: [\"42\"], share: common }\n"
      "  pools:\n"
      "    - { name: common, split: metric, metric: users }\n");
  Start();
  const base::Decimal one = base::Decimal::FromInteger(1), three = base::Decimal::FromInteger(3);
  ASSERT_TRUE(service_
                  ->PutMetrics({{"users", "group:default/data", kFrom, one},
                                {"users", "group:default/web", kFrom, three}})
                  .ok());
  EXPECT_THAT(Query({Dimension::kEntity}),
              ElementsAre("group:default/data USD 8.250000000000000001 8.250000000000000001 2",
                          "group:default/web EUR 3 3 1", "group:default/web USD 33.75 33.75 3"));
  // Another source of the same metric counts like the first.
  ASSERT_TRUE(service_->AddMetrics({{"users", "group:default/data", kFrom, three}}).ok());
  EXPECT_THAT(Top(Dimension::kOwner),
              ElementsAre("group:default/web EUR 3", "group:default/web USD 32.5", " EUR 0",
                          " USD 9.500000000000000001"));
  EXPECT_EQ(service_->Sums({.from = kFrom, .to = kTo, .group_by = {Dimension::kEntity}})
                ->at(0)
                .billed.ToString(),
            "9.500000000000000001");
  auto graph = EntityGraph::Create({{.ref = "group:default/web", .parent = "group:default/all"},
                                    {.ref = "group:default/data", .parent = "group:default/all"}});
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(service_->PutGraph(*graph).ok());
  // A restart finds everything as it was.
  const auto before = Query({Dimension::kDay, Dimension::kEntity, Dimension::kService});
  const auto version = service_->DataVersion();
  Start();
  EXPECT_EQ(Query({Dimension::kDay, Dimension::kEntity, Dimension::kService}), before);
  EXPECT_EQ(*service_->DataVersion(), *version);
  EXPECT_EQ(*service_->Reallocate(), 0);
}

TEST_P(DatabaseTest, RulesThatDecideAlikeChangeNothing) {
  const auto before = Query({Dimension::kDay, Dimension::kEntity, Dimension::kService});
  const int64_t version = *service_->DataVersion();
  // Another rule that takes nothing, a comment, other members of the document.
  rules_ = absl::StrCat("# of nobody\nmetadata: { name: rules }\n",
                        RulesWith("    - { name: nobody, subAccount: [\"no such account\"], "
                                  "entity: group:default/nobody }\n"));
  Start();
  EXPECT_EQ(*service_->DataVersion(), version);
  EXPECT_EQ(Query({Dimension::kDay, Dimension::kEntity, Dimension::kService}), before);
  // Of October only: November's cost is not looked at again.
  rules_ = RulesWith(
      "    - { name: databases, match: {ServiceName: RDS}, entity: group:default/data }\n");
  Start();
  EXPECT_GT(*service_->DataVersion(), version);
  EXPECT_LE(*service_->DataVersion(), version + 2) << "the decisions and one month";
  EXPECT_THAT(
      Query({Dimension::kMonth, Dimension::kEntity}),
      ElementsAre("2026-10 group:default/data USD 5.000000000000000001 "
                  "5.000000000000000001 2",
                  "2026-10 group:default/web USD 10 10 1", "2026-11 group:default/data USD 7 7 1",
                  "2026-11 group:default/web EUR 3 3 1", "2026-11 group:default/web USD 20 20 1"));
  const auto parts = service_->ExplainEntity("group:default/data", 202610);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ(parts->at(0).rule, "databases");
}

TEST_P(DatabaseTest, ARuleOfAnotherNameIsTheReasonFromThenOn) {
  const auto before = Query({Dimension::kDay, Dimension::kEntity});
  const int64_t version = *service_->DataVersion();
  rules_ = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec: {rules: [{ name: crews, tag: team, entity: "group:default/{value}" }]}
)";
  Start();
  EXPECT_EQ(Query({Dimension::kDay, Dimension::kEntity}), before);
  EXPECT_EQ(service_->ExplainEntity("group:default/web", 202610)->at(0).rule, "crews");
  EXPECT_GT(*service_->DataVersion(), version) << "what explains costs changed";
}

TEST_P(DatabaseTest, WhateverAnswersDependOnIsAVersionOfTheData) {
  int64_t version = *service_->DataVersion();
  const auto is_newer = [&] {
    const int64_t before = std::exchange(version, *service_->DataVersion());
    return version > before;
  };
  const std::vector<MetricValue> orders = {
      {"orders", "group:default/web", kFrom, base::Decimal::FromInteger(3)}};
  ASSERT_TRUE(service_->AddMetrics(orders).ok());
  EXPECT_TRUE(is_newer()) << "unit costs are other ones";
  ASSERT_TRUE(service_->AddMetrics(orders).ok());
  EXPECT_FALSE(is_newer()) << "the same values again";
  ASSERT_TRUE(service_->PutMetrics(orders).ok());
  EXPECT_TRUE(is_newer());
  // Another budget, another rate: told at the start, once.
  options_.policy_fingerprint = "budgets of today";
  Start();
  EXPECT_TRUE(is_newer());
  Start();
  EXPECT_FALSE(is_newer());
}

TEST_P(DatabaseTest, WhatIsToldIsToldOnce) {
  const CostAlert alert{.kind = "budget", .subject = "b", .scope = "2026-11-01 80", .detail = "{}"};
  EXPECT_TRUE(*service_->RecordAlert(alert));
  EXPECT_FALSE(*service_->RecordAlert(alert));
  Start();
  EXPECT_FALSE(*service_->RecordAlert(alert));
  ASSERT_EQ(service_->Alerts(0, 10)->size(), 1u);
  EXPECT_THAT(*service_->Alerts(service_->Alerts(0, 10)->at(0).sequence, 10), IsEmpty());
}

TEST_P(DatabaseTest, ChargesDatedAheadCountButMakeNoDayKnown) {
  clock_.JumpWallTime(absl::FromCivil(absl::CivilDay(2026, 11, 22), absl::UTCTimeZone()) -
                      clock_.Now());
  // As a commitment paid in advance may be dated.
  const std::vector<testing::Charge> charges = {{.billed = "1", .day = 20, .team = "web"},
                                                {.billed = "100", .day = 30, .team = "web"},
                                                {.billed = "1000", .month = 12, .team = "web"}};
  Deliver(charges);
  EXPECT_EQ((*service_->DataDays())->second, absl::CivilDay(2026, 11, 20));
  const auto summary = service_->EntitySummary({.entity_ref = "group:default/web", .days = 10});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(*summary->to, absl::CivilDay(2026, 11, 20));
  ASSERT_EQ(summary->sources.size(), 2u);
  EXPECT_EQ(summary->sources[0].last_day, absl::CivilDay(2026, 11, 20));
  EXPECT_EQ(summary->costs.back().billed.ToString(), "1");
  EXPECT_THAT(Query({Dimension::kMonth, Dimension::kSource}),
              ElementsAre("2026-10 cloud USD 15.000000000000000001 15.000000000000000001 3",
                          "2026-11 cloud USD 101 101 2", "2026-11 other EUR 3 3 1",
                          "2026-12 cloud USD 1000 1000 1"));
  // Of a source that only charges ahead nothing is known.
  Deliver({{.billed = "7", .month = 12}}, "ahead");
  EXPECT_EQ(service_->Freshness()->size(), 2u);
  // The same delivery says no more later; another one does.
  clock_.Advance(absl::Hours(24 * 30));
  Deliver(charges);
  EXPECT_EQ((*service_->DataDays())->second, absl::CivilDay(2026, 11, 20));
  Deliver({{.billed = "1", .day = 20}, {.billed = "100", .day = 30}});
  EXPECT_EQ((*service_->DataDays())->second, absl::CivilDay(2026, 11, 30));
}

}  // namespace
}  // namespace purser::costs
