// Rules, relations, measures and metrics: what they make of bills over a real store.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "costs/metrics.h"
#include "costs/testing/policy_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using costs::testing::Line;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class AllocatedCostsTest : public costs::testing::PolicyFixture {};

TEST_F(AllocatedCostsTest, RulesOfEveryKind) {
  Read({{"1", "2026-11-02", "", "EC2", "USD", "Usage", "", "us", "s", "vpc-shop-prod"},
        {"2", "2026-11-02", "k8s-label/app=Cart", "EKS"},
        {"3", "2026-11-02", "aws:eks:namespace=store", "EKS"},
        {"4", "2026-11-02", "", "EC2", "USD", "Usage", "", "eu-west-1"},
        {"5", "2026-11-02", "", "EC2", "USD", "Tax", "", "eu-west-1"},
        {"6", "2026-11-02", "", "EC2", "USD", "Usage", "", "us", "s", "", "7"},
        {"7", "2026-11-02", "", "EC2", "USD", "Usage", "", "us", "s", "", "8"}});
  EXPECT_THAT(Sums({Dimension::kEntity}),
              ElementsAre("component:default/cart USD 2", "component:prod/shop USD 1",
                          "group:default/europe USD 4", "group:default/seven USD 6",
                          "system:default/store USD 3", "unallocated USD 12"));
  const auto explained = service_->Explain(
      {.columns = {{"ServiceName", "EC2"}, {"x_Owner", "7"}, {"RegionId", "us"}}});
  ASSERT_TRUE(explained.ok());
  EXPECT_EQ(explained->decision.entity_ref, "group:default/seven");
  ASSERT_THAT(explained->rules, SizeIs(8));
  EXPECT_EQ(explained->rules[1].why, "ServiceName is \"EC2\"");
  EXPECT_EQ(explained->rules[2].why, "there is no tag purser.dev/entity");
  EXPECT_EQ(explained->rules[7].why, "gives it to group:default/seven");
}

TEST_F(AllocatedCostsTest, CostsRollUpAndAddUp) {
  Read(Shop());
  PutGraph();
  // 1 of network over 30 : 10 : 60; what no rule takes takes no part.
  EXPECT_THAT(Sums({Dimension::kEntity}),
              ElementsAre("component:default/cart USD 10.1", "component:default/lake USD 60.6",
                          "component:default/shop USD 30.3", "unallocated USD 5"));
  EXPECT_THAT(Sums({Dimension::kOwner}),
              ElementsAre(" USD 5", "group:default/data USD 60.6", "group:default/web USD 40.4"));
  EXPECT_THAT(Sums({Dimension::kGroup}),
              ElementsAre("group:default/all USD 101", "group:default/data USD 60.6",
                          "group:default/web USD 40.4"));
  EXPECT_THAT(Sums({Dimension::kDomain}), ElementsAre("domain:default/sales USD 40.4"));
  EXPECT_THAT(Sums({Dimension::kEnvironment}), ElementsAre(" USD 65.6", "prod USD 40.4"));
  EXPECT_THAT(Sums({Dimension::kPool}, {{Dimension::kGroup, {"group:default/web"}}}),
              ElementsAre(" USD 40", "net USD 0.4"));
  EXPECT_THAT(Sums({Dimension::kEntity}, {{Dimension::kGroup, {"Group:default/All"}},
                                          {Dimension::kSystem, {"system:default/store"}}}),
              ElementsAre("component:default/cart USD 10.1", "component:default/shop USD 30.3"));
  EXPECT_THAT(Sums({Dimension::kGroup, Dimension::kEntity})[0],
              HasSubstr("grouped by together with another dimension"));
  const auto reconciled =
      service_->Reconcile(absl::CivilDay(2026, 11, 1), absl::CivilDay(2026, 11, 30));
  ASSERT_TRUE(reconciled.ok()) << reconciled.status();
  ASSERT_THAT(*reconciled, SizeIs(1));
  EXPECT_EQ((*reconciled)[0].invoice, "inv-1");
  EXPECT_EQ((*reconciled)[0].billed.ToString(), "106");
  EXPECT_EQ((*reconciled)[0].entities.ToString(), "101");
  EXPECT_EQ((*reconciled)[0].unallocated.ToString(), "5");
  EXPECT_TRUE((*reconciled)[0].difference.IsZero());
  EXPECT_EQ((*reconciled)[0].coverage.ToString(), "95.28");
  const auto parts = service_->ExplainEntity("component:default/shop", 202611);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_THAT(*parts, SizeIs(2));
  EXPECT_EQ((*parts)[0].rule, "entity tag");
  EXPECT_EQ((*parts)[1].rule, "share of net");
  EXPECT_EQ((*parts)[1].billed.ToString(), "0.3");
  // What rolls up is remembered.
  Start();
  EXPECT_THAT(Sums({Dimension::kSystem}),
              ElementsAre(" USD 65.6", "system:default/store USD 40.4"));
}

TEST_F(AllocatedCostsTest, WhatLeavesTheCatalogWasSomebodysAllTheSame) {
  Read(Shop());
  PutGraph();
  // The lake, its owner's group and something without cost are deleted, the cart changes hands.
  const auto graph =
      EntityGraph::Create({{.ref = "component:default/shop", .owner = "group:default/web"},
                           {.ref = "component:default/cart", .owner = "group:default/data"},
                           {.ref = "group:default/web", .parent = "group:default/all"}});
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(service_->PutGraph(*graph).ok());
  EXPECT_THAT(Sums({Dimension::kOwner}),
              ElementsAre(" USD 5", "group:default/data USD 70.7", "group:default/web USD 30.3"));
  EXPECT_THAT(Sums({Dimension::kGroup}),
              ElementsAre("group:default/all USD 101", "group:default/data USD 70.7",
                          "group:default/web USD 30.3"));
  EXPECT_EQ(service_->graph()->Find("component:default/pond"), nullptr);
  // The same again, and a restart, change nothing.
  const int64_t version = *service_->DataVersion();
  ASSERT_TRUE(service_->PutGraph(*graph).ok());
  Start();
  EXPECT_EQ(*service_->DataVersion(), version);
  EXPECT_EQ(service_->graph()->Of("component:default/lake").owner, "group:default/data");
}

TEST_F(AllocatedCostsTest, RankingsAgreeWithSums) {
  std::vector<Line> lines;
  for (int i = 0; i < 40; ++i) {
    lines.push_back({absl::StrCat(i % 7, ".", i),
                     absl::StrFormat("2026-%02d-%02d", 9 + i % 3, 1 + i % 28),
                     absl::StrCat("purser.dev/entity=component:default/c", i % 11), "EC2",
                     i % 5 == 0 ? "EUR" : "USD"});
  }
  Read(lines);
  for (const auto& [from, to] :
       {std::make_pair(absl::CivilDay(2026, 1, 1), absl::CivilDay(2026, 12, 31)),
        std::make_pair(absl::CivilDay(2026, 9, 5), absl::CivilDay(2026, 9, 20)),
        std::make_pair(absl::CivilDay(2026, 9, 15), absl::CivilDay(2026, 11, 3))}) {
    const auto top = service_->Top({.from = from, .to = to, .limit = 3});
    ASSERT_TRUE(top.ok()) << top.status();
    // The slow way: with a filter that lets everything pass.
    const auto slow = service_->Top(
        {.from = from, .to = to, .limit = 3, .filters = {{Dimension::kSource, {"cloud"}}}});
    ASSERT_TRUE(slow.ok()) << slow.status();
    ASSERT_EQ(top->rows.size(), slow->rows.size());
    for (size_t i = 0; i < top->rows.size(); ++i) {
      EXPECT_EQ(top->rows[i].keys, slow->rows[i].keys);
      EXPECT_EQ(top->rows[i].currency, slow->rows[i].currency);
      EXPECT_EQ(top->rows[i].billed, slow->rows[i].billed);
    }
    for (size_t i = 0; i < top->total.size(); ++i) {
      EXPECT_EQ(top->total[i].billed, slow->total[i].billed);
      EXPECT_EQ(top->rest[i].billed, slow->rest[i].billed);
    }
  }
  const auto compared = service_->Compare({.from = absl::CivilDay(2026, 10, 1),
                                           .to = absl::CivilDay(2026, 10, 31),
                                           .before_from = absl::CivilDay(2026, 9, 1),
                                           .before_to = absl::CivilDay(2026, 9, 30),
                                           .dimension = Dimension::kService,
                                           .filters = {},
                                           .currency = "USD"});
  EXPECT_THAT(compared.status().message(), HasSubstr("no rate from EUR to USD for 2026-09"));
}

TEST_F(AllocatedCostsTest, WhatFallsIsBelowZero) {
  Read({{"-1", "2026-10-02", "", "NAT"},
        {"-3", "2026-11-02", "", "NAT"},
        {"4", "2026-10-02"},
        {"5", "2026-11-02"},
        {"6", "2026-11-02", "", "S3"}});
  const auto compared = service_->Compare({.from = absl::CivilDay(2026, 11, 1),
                                           .to = absl::CivilDay(2026, 11, 30),
                                           .before_from = absl::CivilDay(2026, 10, 1),
                                           .before_to = absl::CivilDay(2026, 10, 31)});
  ASSERT_TRUE(compared.ok()) << compared.status();
  std::vector<std::string> texts;
  for (const ComparedRow& row : *compared) {
    texts.push_back(
        absl::StrCat(row.key, " ", row.change.ToString(), " ", row.change_percent.ToString()));
  }
  EXPECT_THAT(texts, ElementsAre("S3 6 0", "NAT -2 -200", "EC2 1 25"));
}

TEST_F(AllocatedCostsTest, MeasuresAndCurrencies) {
  Read({{"10", "2026-11-02", "", "EC2", "EUR"},
        {"-2", "2026-11-09", "", "EC2", "EUR", "Credit"},
        {"3", "2026-11-09", "", "EC2", "USD", "Tax"},
        {"100", "2026-11-02", "", "Plan", "USD", "Purchase", "", "us", "s", "", "", "0"},
        {"0", "2026-11-03", "", "EC2", "USD", "Usage", "", "us", "s", "", "", "4", "inv-1", "Used"},
        {"0", "2026-11-03", "", "EC2", "USD", "Usage", "", "us", "s", "", "", "1", "inv-1",
         "Unused"},
        {"-5", "2026-11-03", "", "EC2", "USD", "Usage", "Correction"}});
  EXPECT_THAT(Sums({Dimension::kKind}),
              ElementsAre("commitment-unused USD 0", "commitment-used USD 0", "credit EUR -2",
                          "purchase USD 100", "refund USD -5", "tax USD 3", "usage EUR 10"));
  EXPECT_THAT(Sums({}, {}, "USD"), ElementsAre("USD 106.6"));  // 11 - 2.4 + 3 + 100 - 5
  const auto top = service_->Top({.from = absl::CivilDay(2026, 11, 1),
                                  .to = absl::CivilDay(2026, 11, 30),
                                  .dimension = Dimension::kService,
                                  .measure = Measure::kEffective,
                                  .filters = {{Dimension::kKind, {"commitment-used"}}}});
  ASSERT_TRUE(top.ok());
  EXPECT_EQ(top->total[0].effective.ToString(), "4");
}

TEST_F(AllocatedCostsTest, SplitsByMetricsFollowThem) {
  Start(R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules: [{ name: cluster, match: { ServiceName: EKS }, share: cluster }]
  pools: [{ name: cluster, split: metric, metric: cpu, capacity: cpu-capacity }]
)");
  Read({{"10", "2026-11-02", "", "EKS"}});
  EXPECT_THAT(Sums({Dimension::kEntity}), ElementsAre("shared:cluster USD 10"));
  const auto metrics = ParseMetrics(
      "day,metric,entity,value\n2026-11-02,cpu,component:default/shop,3\n"
      "2026-11-05,cpu,component:default/cart,1\n2026-11-05,cpu-capacity,shared:cluster,8\n"
      "2026-10-05,cpu,component:default/lake,100\n",
      "metrics.csv");
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  ASSERT_TRUE(service_->PutMetrics(*metrics).ok());
  EXPECT_THAT(Sums({Dimension::kEntity}),
              ElementsAre("component:default/cart USD 1.25", "component:default/shop USD 3.75",
                          "idle:cluster USD 5"));
  EXPECT_THAT(*service_->Metrics("cpu", "component:default/shop", absl::CivilDay(2026, 11, 1),
                                 absl::CivilDay(2026, 11, 30)),
              SizeIs(1));
  EXPECT_THAT(
      ParseMetrics("day,metric,entity,value\n2026-11-02,cpu,component:default/shop,-3\n", "m.csv")
          .status()
          .message(),
      HasSubstr("m.csv:2: value: must not be below 0"));
}

}  // namespace
}  // namespace purser::costs
