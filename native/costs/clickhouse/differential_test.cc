// ClickHouse's answers are those of the embedded engine, to the digit: the same random life on
// both, every question that costs have.
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/rng.h"
#include "costs/anomalies.h"
#include "costs/budgets.h"
#include "costs/statement.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

constexpr absl::CivilDay kFrom(2026, 9, 1);
constexpr absl::CivilDay kTo(2026, 12, 31);
constexpr Dimension kAll[] = {
    Dimension::kDay,          Dimension::kMonth,   Dimension::kEntity,
    Dimension::kService,      Dimension::kSource,  Dimension::kChargeCategory,
    Dimension::kOwner,        Dimension::kGroup,   Dimension::kSystem,
    Dimension::kDomain,       Dimension::kProduct, Dimension::kEnvironment,
    Dimension::kKind,         Dimension::kAccount, Dimension::kInvoice,
    Dimension::kPool,         Dimension::kRegion,  Dimension::kSku,
    Dimension::kBillingPeriod};
constexpr Measure kMeasures[] = {Measure::kBilled, Measure::kEffective, Measure::kList,
                                 Measure::kContracted};
constexpr const char* kEntities[] = {"component:default/a", "component:default/b",
                                     "component:default/z", "shared:databases",
                                     "unallocated",         "system:default/s"};

constexpr char kRules[] = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: teams, tag: team, entity: "component:default/{value}" }
    - { name: db, match: { ServiceName: RDS }, share: databases }
    - { name: rest, subAccount: ["43"], share: common }
  pools:
    - { name: databases, split: proportional }
    - { name: common, split: even }
)";
constexpr char kOtherRules[] = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: db, match: { ServiceName: RDS }, share: databases }
    - { name: accounts, column: SubAccountId, entity: "system:default/{value}" }
  pools:
    - { name: databases, split: metric, metric: users, capacity: seats }
)";

std::string Text(const std::vector<CostRow>& rows) {
  std::string text;
  for (const CostRow& row : rows) {
    absl::StrAppend(&text, absl::StrJoin(row.keys, "|"), " ", row.currency, " ",
                    row.billed.ToString(), " ", row.effective.ToString(), " ", row.charges, " ",
                    row.list.ToString(), " ", row.contracted.ToString(), "\n");
  }
  return text;
}
std::string Text(const TopResult& top) {
  return absl::StrCat(Text(top.rows), Text(top.rest), Text(top.total));
}
std::string Text(const std::vector<ComparedRow>& rows) {
  std::string text;
  for (const ComparedRow& row : rows) {
    absl::StrAppend(&text, row.key, " ", row.currency, " ", row.before.ToString(), " ",
                    row.after.ToString(), " ", row.change.ToString(), " ",
                    row.change_percent.ToString(), "\n");
  }
  return text;
}
std::string Text(const EntityCostSummary& summary) {
  std::string text = absl::StrCat(absl::FormatCivilTime(summary.to.value_or(absl::CivilDay())));
  for (const SourceFreshness& source : summary.sources) {
    absl::StrAppend(&text, " ", source.source, absl::FormatCivilTime(source.last_day));
  }
  for (const EntityCosts& costs : summary.costs) {
    absl::StrAppend(&text, costs.currency, costs.billed.ToString(), " ", costs.effective.ToString(),
                    Text(costs.by_day), Text(costs.by_service));
  }
  return text;
}
std::string Text(const std::vector<ReconciledInvoice>& invoices) {
  std::string text;
  for (const ReconciledInvoice& i : invoices) {
    absl::StrAppend(&text, i.source, absl::FormatCivilTime(i.billing_period), i.invoice, i.currency,
                    " ", i.billed.ToString(), " ", i.entities.ToString(), " ", i.shared.ToString(),
                    " ", i.unallocated.ToString(), " ", i.difference.ToString(), " ",
                    i.coverage.ToString(), "\n");
  }
  return text;
}
std::string Text(const std::vector<AllocatedPart>& parts) {
  std::string text;
  for (const AllocatedPart& part : parts) {
    absl::StrAppend(&text, part.rule, part.currency, " ", part.billed.ToString(), " ",
                    part.effective.ToString(), part.resource_id, part.subjects, "\n");
  }
  return text;
}
std::string Text(const DeliveryDiff& diff) {
  std::string text = absl::StrCat(diff.before.id, " ", diff.after.id, "\n");
  for (const DiffRow& row : diff.rows) {
    absl::StrAppend(&text, absl::StrJoin(row.keys, "|"), row.currency, row.billed.ToString(), " ",
                    row.effective.ToString(), " ", row.charges, " ", row.changed, "\n");
  }
  return text;
}
std::string Text(const std::vector<StoredDelivery>& deliveries) {
  std::string text;
  for (const StoredDelivery& delivery : deliveries) {
    absl::StrAppend(&text, delivery.id, delivery.source,
                    absl::FormatCivilTime(delivery.billing_period), delivery.rows, delivery.current,
                    delivery.replaced);
    for (const IngestTotal& total : delivery.totals) {
      absl::StrAppend(&text, total.currency, total.billed.ToString(), total.charges);
    }
    text += "\n";
  }
  return text;
}
std::string Text(const AnomalyPage& page) {
  std::string text;
  for (const Anomaly& anomaly : page.anomalies) {
    absl::StrAppend(&text, anomaly.id, anomaly.of, absl::FormatCivilTime(anomaly.day),
                    anomaly.currency, anomaly.cost.ToString(), " ", anomaly.expected.ToString(),
                    " ", anomaly.service, anomaly.sku, anomaly.region, "\n");
  }
  return text;
}
std::string Text(const std::vector<BudgetState>& states) {
  std::string text;
  for (const BudgetState& state : states) {
    absl::StrAppend(&text, state.budget.name, state.spent.ToString(), " ",
                    state.spent_percent.ToString(), state.problem, state.crossed.value_or(0),
                    state.forecast.has_value() ? state.forecast->ToString() : "", "\n");
  }
  return text;
}
template <typename T>
std::string Text(const absl::StatusOr<T>& answer) {
  return answer.ok() ? Text(*answer) : answer.status().ToString();
}

class DifferentialTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    rules_ = kRules;
    options_.rates = *Rates::Parse(
        "day,from,to,rate\n2026-09-20,EUR,USD,1.07\n2026-09-29,EUR,USD,1.11\n"
        "2026-10-08,EUR,USD,1.13\n2026-10-17,EUR,USD,1.09\n2026-10-26,EUR,USD,1.1\n"
        "2026-11-04,EUR,USD,1.2\n2026-11-13,EUR,USD,1.3\n2026-11-22,EUR,USD,1.2\n",
        "rates.csv");
    testing::CostsOnDatabaseTest::SetUp();
    if (IsSkipped()) return;
    reference_database_ = *store::OpenSqlite({.path = ":memory:"});
    StartBoth();
  }
  void TearDown() override {
    reference_.reset();
    testing::CostsOnDatabaseTest::TearDown();
  }
  void StartBoth() {
    Start();
    reference_.reset();
    Options options = options_;
    options.database = reference_database_.get();
    options.engine = nullptr;
    auto reference = CostService::Open(options);
    ASSERT_TRUE(reference.ok()) << reference.status();
    reference_ = *std::move(reference);
  }
  // The same of both; how often it was an answer with something in it.
  template <typename Call>
  void Both(const Call& call) {
    const std::string expected = call(*reference_);
    answered_ += expected.empty() ? 0 : 1;
    EXPECT_EQ(call(*service_), expected);
  }

  uint64_t Pick(uint64_t n) { return rng_.Next() % n; }
  std::string Pick(const char* choice) {
    const std::vector<std::string> words = absl::StrSplit(choice, ' ');
    return words[Pick(words.size())];
  }
  std::string Amount() {
    return absl::StrCat(Pick(4) == 0 ? "-" : "", Pick(100), ".",
                        absl::StrCat(1'000'000'000 + Pick(999'999'999)).substr(1),
                        absl::StrCat(1'000'000'000 + Pick(999'999'999)).substr(1));
  }
  std::string RandomBill() {
    std::string bill =
        "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,"
        "ChargePeriodStart,ChargeCategory,ChargeClass,CommitmentDiscountStatus,ServiceName,"
        "RegionId,SkuId,ResourceId,SubAccountId,InvoiceId,Tags\n";
    for (int i = 0; i < 80; ++i) {
      // Corrections are billed a month later than they happened.
      const uint64_t month = 10 + Pick(2), day_month = Pick(5) == 0 ? month - 1 : month;
      const uint64_t day = 1 + Pick(30);
      const std::string team = Pick("a b c -");
      absl::StrAppend(
          &bill, Amount(), ",", Amount(), ",", Pick(3) == 0 ? "" : Amount(), ",", Amount(), ",",
          Pick("USD USD USD EUR"), ",2026-", month, "-01,2026-", day_month < 10 ? "0" : "",
          day_month, "-", day < 10 ? "0" : "", day, ",", Pick("Usage Usage Purchase Tax Credit"),
          ",", Pick(6) == 0 ? "Correction" : "", ",", Pick(5) == 0 ? "Unused" : "", ",",
          Pick("S3 RDS EC2"), ",", Pick("eu-1 us-1"), ",", Pick("K1 K2"), ",urn:", Pick(9), ",",
          42 + Pick(3), ",", Pick("I1 I2"), ",",
          team == "-" ? "" : absl::StrCat("\"{\"\"team\"\":\"\"", team, "\"\"}\""), "\n");
    }
    return bill;
  }
  void DeliverBoth(const std::string& source) {
    const std::string path = Write("bill.csv", RandomBill());
    for (CostService* const service : {service_.get(), reference_.get()}) {
      const absl::Status status = service->Ingest({.source = source, .paths = {path}}).status();
      ASSERT_TRUE(status.ok()) << status;
    }
    clock_.Advance(absl::Hours(1));
  }
  std::vector<Filter> RandomFilters() {
    const Filter filters[] = {{Dimension::kService, {"S3", "RDS"}},
                              {Dimension::kGroup, {"GROUP:default/x"}},
                              {Dimension::kMonth, {"2026-11", "nonsense"}},
                              {Dimension::kDay, {"2026-11-05", "2026-11-06", "2026-10-07"}},
                              {Dimension::kAccount, {"43"}},
                              {Dimension::kRegion, {"eu-1"}},
                              {Dimension::kSku, {"K2"}},
                              {Dimension::kKind, {"usage", "refund"}},
                              {Dimension::kChargeCategory, {"Tax", "Usage"}},
                              {Dimension::kInvoice, {"I1"}},
                              {Dimension::kPool, {"databases"}},
                              {Dimension::kSource, {"cloud"}},
                              {Dimension::kBillingPeriod, {"2026-11-01"}},
                              {Dimension::kEntity, {"component:default/A", "unallocated"}},
                              {Dimension::kProduct, {"shop"}},
                              {Dimension::kOwner, {""}}};
    std::vector<Filter> chosen;
    for (uint64_t n = Pick(3); n > 0; --n) {
      const Filter& filter = filters[Pick(std::size(filters))];
      bool is_there = false;
      for (const Filter& other : chosen) is_there |= other.dimension == filter.dimension;
      if (!is_there) chosen.push_back(filter);
    }
    return chosen;
  }
  QueryRequest RandomQuery() {
    QueryRequest request{.from = absl::CivilDay(2026, 9, 15) + static_cast<int>(Pick(50)),
                         .to = kTo - static_cast<int>(Pick(50)),
                         .filters = RandomFilters(),
                         .currency = Pick(3) == 0 ? "USD" : ""};
    for (uint64_t n = Pick(4); n > 0; --n) {
      const Dimension dimension = kAll[Pick(std::size(kAll))];
      bool is_there = false;
      for (const Dimension other : request.group_by) is_there |= other == dimension;
      if (!is_there) request.group_by.push_back(dimension);
    }
    return request;
  }

  void AskSums() {
    for (int i = 0; i < 60; ++i) {
      const QueryRequest request = RandomQuery();
      Both([&](CostService& service) { return Text(service.Sums(request)); });
    }
    // Page by page it is the same.
    QueryRequest request{.from = kFrom, .to = kTo, .group_by = {Dimension::kDay, Dimension::kSku}};
    request.page_size = 7;
    Both([&](CostService& service) -> std::string {
      std::string pages;
      QueryRequest next = request;
      do {
        const auto page = service.Query(next);
        if (!page.ok()) return page.status().ToString();
        absl::StrAppend(&pages, Text(page->rows), page->next_page_token, "\n");
        next.page_token = page->next_page_token;
      } while (!next.page_token.empty());
      return pages;
    });
  }
  void AskRankings() {
    for (const Dimension dimension : kAll) {
      for (const Measure measure : kMeasures) {
        TopRequest request{.from = kFrom,
                           .to = kTo - static_cast<int>(Pick(40)),
                           .dimension = dimension,
                           .measure = measure,
                           .limit = 1 + static_cast<int>(Pick(4))};
        if (Pick(2) == 0) request.filters = RandomFilters();
        if (Pick(4) == 0) request.currency = "USD";
        Both([&](CostService& service) { return Text(service.Top(request)); });
      }
      const CompareRequest compare{.from = absl::CivilDay(2026, 11, 1),
                                   .to = absl::CivilDay(2026, 11, 30),
                                   .before_from = absl::CivilDay(2026, 10, 1),
                                   .before_to = absl::CivilDay(2026, 10, 30),
                                   .dimension = dimension,
                                   .filters = RandomFilters(),
                                   .currency = Pick(3) == 0 ? "USD" : ""};
      Both([&](CostService& service) { return Text(service.Compare(compare)); });
    }
  }
  void AskAboutEntities() {
    for (const char* const entity : kEntities) {
      for (const int64_t month : {202609, 202610, 202611}) {
        Both([&](CostService& service) { return Text(service.ExplainEntity(entity, month)); });
      }
      Both([&](CostService& service) {
        return Text(service.EntitySummary({.entity_ref = entity, .days = 40}));
      });
    }
    for (const char* const owner : {"group:default/x", "group:default/y", ""}) {
      Both([&](CostService& service) -> std::string {
        const auto statement = MakeStatement(service, {.owner = owner, .from = kFrom, .to = kTo});
        return statement.ok() ? StatementCsv(*statement) : statement.status().ToString();
      });
    }
  }
  void AskAboutDeliveries() {
    for (const auto& [from, to] : {std::pair(kFrom, kTo), std::pair(absl::CivilDay(2026, 11, 1),
                                                                    absl::CivilDay(2026, 11, 1))}) {
      Both([&](CostService& service) { return Text(service.Reconcile(from, to)); });
    }
    for (const char* const source : {"cloud", "other", ""}) {
      Both([&](CostService& service) { return Text(service.Deliveries(source, 100)); });
    }
    for (const char* const source : {"cloud", "other"}) {
      for (const Dimension dimension : kAll) {
        DiffRequest request{.source = source,
                            .billing_period = absl::CivilDay(2026, 10 + Pick(2), 1)};
        if (Pick(3) > 0) request.group_by = {dimension};
        Both([&](CostService& service) { return Text(service.Diff(request)); });
      }
    }
    Both([](CostService& service) {
      std::string text;
      const auto sources = *service.Freshness();
      for (const SourceFreshness& source : sources) {
        absl::StrAppend(&text, source.source, absl::FormatCivilTime(source.last_day), " ");
      }
      const auto days = *service.DataDays();
      return absl::StrCat(text, absl::FormatCivilTime(days->first),
                          absl::FormatCivilTime(days->second));
    });
  }
  void AskWhatIsWatched() {
    const auto budgets = ParseBudgets(
        "budgets: [{name: x, group: group:default/x, amount: 300, currency: USD, period: quarter},"
        "{name: shop, product: shop, amount: 100, currency: EUR, measure: list},"
        "{name: a, entity: component:default/a, amount: 50, currency: USD, measure: effective}]",
        "budgets.yaml");
    ASSERT_TRUE(budgets.ok()) << budgets.status();
    Both([&](CostService& service) {
      return Text(BudgetStates(service, *budgets, absl::CivilDay(2026, 11, 28)));
    });
    AnomalyOptions options;
    options.min_score = 0.5;
    Both([&](CostService& service) {
      return Text(ListAnomalies(
          service, {.from = absl::CivilDay(2026, 11, 10), .to = absl::CivilDay(2026, 11, 30)},
          options, {}));
    });
  }

  base::SeededRng rng_{GetParam() == std::string("cluster") ? 5u : 6u};
  std::unique_ptr<store::Database> reference_database_;
  std::unique_ptr<CostService> reference_;
  int answered_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Servers, DifferentialTest, ::testing::Values("clickhouse", "cluster"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(DifferentialTest, AnswersAreThoseOfTheEmbeddedEngine) {
  const auto graph = EntityGraph::Create(
      {{.ref = "component:default/a", .owner = "group:default/x", .system = "system:default/s"},
       {.ref = "component:default/b", .owner = "group:default/y", .product = "shop"},
       {.ref = "system:default/s", .owner = "group:default/x", .domain = "domain:default/d"},
       {.ref = "group:default/y", .parent = "group:default/x"}});
  ASSERT_TRUE(graph.ok()) << graph.status();
  for (CostService* const service : {service_.get(), reference_.get()}) {
    ASSERT_TRUE(service->PutGraph(*graph).ok());
  }
  for (int delivery = 0; delivery < 6; ++delivery)
    DeliverBoth(delivery % 2 == 0 ? "cloud" : "other");
  AskSums();
  AskRankings();
  AskAboutEntities();
  AskAboutDeliveries();
  AskWhatIsWatched();
  EXPECT_GT(answered_, 150) << "most questions have an answer";
}

TEST_P(DifferentialTest, TheSameAfterOtherRulesMetricsAndMonthsForgotten) {
  for (int delivery = 0; delivery < 4; ++delivery)
    DeliverBoth(delivery % 2 == 0 ? "cloud" : "other");
  rules_ = kOtherRules;
  options_.keep_months = 2;
  StartBoth();
  const absl::CivilDay day(2026, 11, 3);
  const auto users = [&](const char* entity, int64_t value) {
    return MetricValue{"users", entity, day, base::Decimal::FromInteger(value)};
  };
  for (CostService* const service : {service_.get(), reference_.get()}) {
    ASSERT_TRUE(
        service
            ->AddMetrics({users("system:default/42", 3),
                          users("system:default/44", 4),
                          {"seats", "shared:databases", day, base::Decimal::FromInteger(10)}})
            .ok());
  }
  AskSums();
  DeliverBoth("cloud");
  AskSums();
  AskRankings();
  AskAboutEntities();
  AskAboutDeliveries();
}

}  // namespace
}  // namespace purser::costs
