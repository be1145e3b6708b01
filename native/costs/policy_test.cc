// Budgets, forecasts, anomalies, statements, estimates and unit costs over a real store.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "costs/anomalies.h"
#include "costs/budgets.h"
#include "costs/forecast.h"
#include "costs/price_book.h"
#include "costs/service.h"
#include "costs/statement.h"
#include "costs/watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class NoResources final : public ResourceIndex {
 public:
  absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view) override {
    return std::nullopt;
  }
};

constexpr char kRules[] = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: network, match: { ServiceName: [NAT, Transit] }, share: net }
    - { name: entity tag, tag: purser.dev/entity }
    - { name: vpcs, column: ResourceName, glob: "vpc-*-*", entity: "component:{2}/{1}" }
    - { name: pods, kubernetes: { label: app }, entity: "component:default/{value}" }
    - { name: spaces, kubernetes: namespace, entity: "system:default/{value}" }
    - { name: eu, match: { RegionId: { glob: "eu-*" } }, when: { ChargeCategory: Usage },
        entity: group:default/europe }
    - { name: owner column, column: x_Owner, values: { "7": group:default/seven } }
  pools:
    - { name: net, split: proportional, measure: billed }
)";

constexpr char kGraph[] = R"(
entities:
  - { ref: component:default/shop, owner: group:default/web, system: system:default/store }
  - { ref: component:default/cart, owner: group:default/web, system: system:default/store }
  - { ref: component:default/lake, owner: group:default/data, product: lakes }
  - { ref: component:default/pond, owner: group:default/data, product: lakes }
  - { ref: system:default/store, domain: domain:default/sales, environment: prod }
  - { ref: group:default/web, parent: group:default/all }
  - { ref: group:default/data, parent: group:default/all }
)";

constexpr char kHeader[] =
    "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,"
    "ChargePeriodStart,ChargeCategory,ChargeClass,CommitmentDiscountStatus,ServiceName,RegionId,"
    "SkuId,ResourceId,ResourceName,SubAccountId,InvoiceId,x_Owner,Tags\n";

struct Line {
  std::string billed;
  std::string day = "2026-11-02";
  std::string tags = "";  // key=value
  std::string service = "EC2";
  std::string currency = "USD";
  std::string category = "Usage";
  std::string charge_class = "";
  std::string region = "us-east-1";
  std::string sku = "sku";
  std::string resource_name = "";
  std::string owner = "";
  std::string effective = "";
  std::string invoice = "inv-1";
  std::string commitment = "";
};

std::string Csv(const Line& line) {
  std::string tags;
  if (const size_t at = line.tags.find('='); at != std::string::npos) {
    tags = absl::StrCat("\"{\"\"", line.tags.substr(0, at), "\"\":\"\"", line.tags.substr(at + 1),
                        "\"\"}\"");
  }
  const std::string effective = line.effective.empty() ? line.billed : line.effective;
  return absl::StrCat(line.billed, ",", effective, ",", line.billed, ",", effective, ",",
                      line.currency, ",", line.day.substr(0, 7), "-01,", line.day, "T00:00:00Z,",
                      line.category, ",", line.charge_class, ",", line.commitment, ",",
                      line.service, ",", line.region, ",", line.sku, ",res,", line.resource_name,
                      ",42,", line.invoice, ",", line.owner, ",", tags, "\n");
}

class PolicyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "policy-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto database = store::OpenSqlite({.path = folder_ + "/state.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    Start();
  }
  void TearDown() override {
    service_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start(absl::string_view rules = kRules) {
    service_.reset();
    const auto allocation = Allocation::Parse(rules, "rules.yaml");
    ASSERT_TRUE(allocation.ok()) << allocation.status();
    const auto rates =
        Rates::Parse("day,from,to,rate\n2026-10-30,EUR,USD,1.1\n2026-11-08,EUR,USD,1.2\n", "r.csv");
    ASSERT_TRUE(rates.ok()) << rates.status();
    auto service = CostService::Open({.database = database_.get(),
                                      .resources = &resources_,
                                      .clock = &clock_,
                                      .allocation = *allocation,
                                      .quarantine_folder = folder_ + "/q",
                                      .rates = *rates});
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
  }
  void Read(const std::vector<Line>& lines, const std::string& source = "cloud") {
    const std::string path = folder_ + "/" + source + ".csv";
    std::ofstream file(path);
    file << kHeader;
    for (const Line& line : lines) file << Csv(line);
    file.close();
    const auto report = service_->Ingest({.source = source, .paths = {path}});
    ASSERT_TRUE(report.ok()) << report.status();
  }
  void PutGraph() {
    const auto graph = EntityGraph::Parse(kGraph, "graph.yaml");
    ASSERT_TRUE(graph.ok()) << graph.status();
    ASSERT_TRUE(service_->PutGraph(*graph).ok());
  }
  std::vector<std::string> Sums(std::vector<Dimension> by, std::vector<Filter> filters = {},
                                const std::string& currency = "") {
    const auto rows = service_->Sums({.from = absl::CivilDay(2026, 1, 1),
                                      .to = absl::CivilDay(2026, 12, 31),
                                      .group_by = std::move(by),
                                      .filters = std::move(filters),
                                      .currency = currency});
    if (!rows.ok()) return {std::string(rows.status().message())};
    std::vector<std::string> texts;
    for (const CostRow& row : *rows) {
      std::string text;
      for (const std::string& key : row.keys) absl::StrAppend(&text, key, " ");
      texts.push_back(absl::StrCat(text, row.currency, " ", row.billed.ToString()));
    }
    return texts;
  }
  std::vector<Line> Shop() {
    return {{"30", "2026-11-02", "purser.dev/entity=component:default/shop"},
            {"10", "2026-11-02", "purser.dev/entity=component:default/cart", "S3"},
            {"60", "2026-11-03", "purser.dev/entity=component:default/lake"},
            {"1", "2026-11-03", "", "NAT"},
            {"5", "2026-11-03", ""}};
  }

  std::string folder_;
  NoResources resources_;
  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<CostService> service_;
};

TEST_F(PolicyTest, RulesOfEveryKind) {
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

TEST_F(PolicyTest, CostsRollUpAndAddUp) {
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

TEST_F(PolicyTest, RankingsAgreeWithSums) {
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

TEST_F(PolicyTest, MeasuresAndCurrencies) {
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

TEST_F(PolicyTest, ABudgetIsToldOncePerThresholdAndPeriod) {
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

TEST_F(PolicyTest, ABudgetTellsWhatIsComing) {
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

TEST_F(PolicyTest, ABudgetOfAnotherCurrencyIsConverted) {
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

TEST_F(PolicyTest, AnAnomalyHasAnOwnerAndACause) {
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
TEST_F(PolicyTest, WhatIsLateIsNotLess) {
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

TEST_F(PolicyTest, StatementsInThreeForms) {
  Read({{"30", "2026-11-02", "purser.dev/entity=component:default/shop", "=1+1"},
        {"0.125", "2026-11-02", "purser.dev/entity=component:default/shop", "<b>"},
        {"60", "2026-11-03", "purser.dev/entity=component:default/lake"}});
  PutGraph();
  const auto statement = MakeStatement(*service_, {.owner = "Group:web",
                                                   .from = absl::CivilDay(2026, 11, 1),
                                                   .to = absl::CivilDay(2026, 11, 30)});
  ASSERT_TRUE(statement.ok()) << statement.status();
  EXPECT_EQ(StatementCsv(*statement),
            "owner,from,to,entity,service,pool,currency,billed,effective\n"
            "group:default/web,2026-11-01,2026-11-30,component:default/shop,<b>,,USD,0.125,0.125\n"
            "group:default/web,2026-11-01,2026-11-30,component:default/shop,'=1+1,,USD,30,30\n");
  EXPECT_THAT(StatementJson(*statement), HasSubstr(R"("billed":"30.125")"));
  const std::string html = StatementHtml(*statement);
  EXPECT_THAT(html, AllOf(HasSubstr("&lt;b&gt;"), HasSubstr("30.12<br><small>30.125<"),
                          Not(HasSubstr("<b>"))));
}

TEST_F(PolicyTest, EstimatesFromThePriceBookAndFromLikeThings) {
  std::vector<Line> lines;
  for (int day = 1; day <= 30; ++day) {
    lines.push_back(
        {"2", absl::StrFormat("2026-11-%02d", day), "purser.dev/entity=component:default/lake"});
    if (day > 5) {
      lines.push_back(
          {"9", absl::StrFormat("2026-11-%02d", day), "purser.dev/entity=component:default/pond"});
    }
  }
  Read(lines);
  PutGraph();
  const auto book = PriceBook::Parse(R"(
prices:
  - product: lakes
    currency: EUR
    base: 12.5
    options:
      size: { values: { small: 10, large: 40 } }
      disk.sizeGb: { each: 0.05, free: 20 }
)",
                                     "prices.yaml");
  ASSERT_TRUE(book.ok()) << book.status();
  const auto estimate = EstimateCost(*service_, *book, "lakes",
                                     *json::Parse(R"({"size":"large","disk":{"sizeGb":120}})"));
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->monthly.ToString(), "57.5");
  ASSERT_THAT(estimate->observed, SizeIs(1));
  EXPECT_EQ(estimate->observed[0].entities, 1);  // the pond is younger than a month
  EXPECT_EQ(estimate->observed[0].median_monthly.ToString(), "60");
  EXPECT_THAT(EstimateCost(*service_, *book, "lakes", *json::Parse(R"({"disk":{"sizeGb":"x"}})"))
                  .status()
                  .message(),
              HasSubstr("parameter disk.sizeGb: x is no number"));
  EXPECT_EQ(EstimateCost(*service_, *book, "rivers", *json::Parse("{}")).status().code(),
            absl::StatusCode::kNotFound);
  // What one of something costs, from what it cost of late with things like it.
  std::vector<MetricValue> users;
  for (int day = 1; day <= 30; ++day) {
    users.push_back({"users", "component:default/lake", absl::CivilDay(2026, 11, day),
                     base::Decimal::FromInteger(4)});
  }
  ASSERT_TRUE(service_->AddMetrics(users).ok());
  const auto monthly = [&](absl::string_view currency, absl::string_view option) {
    const auto prices =
        PriceBook::Parse(absl::StrCat("prices: [{product: lakes, currency: ", currency,
                                      ", options: {users: {", option, ", free: 1}}}]"),
                         "prices.yaml");
    EXPECT_TRUE(prices.ok()) << prices.status();
    const auto answer = EstimateCost(*service_, *prices, "lakes", *json::Parse(R"({"users":5})"));
    return answer.ok() ? answer->monthly.ToString() : answer.status().ToString();
  };
  // 60 for 4 users a day of 30 days are 15 a month for each; four of them are paid.
  EXPECT_EQ(monthly("USD", "metric: users, each: 99"), "60");
  EXPECT_EQ(monthly("USD", "metric: users"), "60");
  EXPECT_EQ(monthly("USD", "metric: users, service: EC2"), "60");
  EXPECT_EQ(monthly("USD", "metric: users, service: S3, each: 99"), "396") << "nothing is known";
  EXPECT_EQ(monthly("USD", "metric: seats"), "0");
  EXPECT_EQ(monthly("EUR", "metric: users, each: 99"), "396") << "there are no rates of these days";
}

TEST_F(PolicyTest, SplitsByMetricsFollowThem) {
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
