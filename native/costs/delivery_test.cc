// What makes a delivery another one: its bytes, and what is looked at of them; what it replaces;
// how it is held in memory. And files that only a libduckdb can read.
#include "costs/delivery.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "costs/charge_row.h"
#include "costs/delivery_writer.h"
#include "costs/month_allocator.h"
#include "costs/readers/column_map.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DeliveryTest : public testing::CostsOnDatabaseTest {
 protected:
  absl::StatusOr<IngestReport> Read(const std::string& path,
                                    const std::map<std::string, std::string>& columns = {}) {
    IngestRequest request{.source = "partner", .paths = {path}};
    if (!columns.empty()) {
      auto format = MapColumns(columns);
      if (!format.ok()) return format.status();
      request.format = *format;
    }
    return service_->Ingest(request);
  }
};
INSTANTIATE_TEST_SUITE_P(Databases, DeliveryTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

const std::map<std::string, std::string> kMap = {
    {"BilledCost", "Cost + Tax"},  {"EffectiveCost", "Cost + Tax"},
    {"BillingCurrency", "=EUR"},   {"BillingPeriodStart", "month:Date"},
    {"ChargePeriodStart", "Date"}, {"ChargeCategory", "=Usage"},
    {"ServiceName", "Product"},    {"tags", "label_"},
    {"dates", "month-first"},
};
constexpr char kPartnerBill[] =
    "Date,Product,Cost,Tax,label_team\n"
    "11/2/2026,Support,10.00,1.90,web\n"
    "11/3/2026,Licences,20,,data\n";

TEST_P(DeliveryTest, ABillOfAnotherKindIsReadByItsMap) {
  const std::string path = Write("bill.csv", kPartnerBill);
  const auto unread = Read(path);
  EXPECT_EQ(unread.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(unread.status().message(), HasSubstr("BilledCost"));
  const auto report = Read(path, kMap);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rows_stored, 2);
  EXPECT_THAT(Query({Dimension::kDay, Dimension::kEntity, Dimension::kService}),
              ElementsAre("2026-11-02 group:default/web Support EUR 11.9 11.9 1",
                          "2026-11-03 group:default/data Licences EUR 20 20 1"));
}

TEST_P(DeliveryTest, TheSameBytesByAnotherMapAreAnotherDelivery) {
  const std::string path = Write("bill.csv", kPartnerBill);
  ASSERT_TRUE(Read(path, kMap).ok());
  EXPECT_TRUE(Read(path, kMap)->unchanged);
  auto net = kMap;
  net["BilledCost"] = "Cost";
  const auto again = Read(path, net);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->unchanged);
  EXPECT_THAT(Query({Dimension::kMonth}), ElementsAre("2026-11 EUR 30 31.9 2"));
}

TEST_P(DeliveryTest, AColumnThatARuleNamesLaterIsReadFromTheSameFile) {
  const std::string path =
      Write("bill.csv",
            "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
            "ChargeCategory,ServiceName,x_Project\n"
            "5,5,EUR,2026-11-01,2026-11-02T00:00:00Z,Usage,Support,atlas\n");
  ASSERT_TRUE(Read(path).ok());
  rules_ =
      "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: [{name: projects, column: "
      "x_Project, entity: 'system:default/{value}'}]}";
  Start();
  EXPECT_THAT(Query({Dimension::kEntity}), ElementsAre("unallocated EUR 5 5 1"));
  const auto again = Read(path);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->unchanged) << "the column was not kept the first time";
  EXPECT_THAT(Query({Dimension::kEntity}), ElementsAre("system:default/atlas EUR 5 5 1"));
  EXPECT_TRUE(Read(path)->unchanged);
}

TEST_P(DeliveryTest, ScopesOfASourceAreReplacedApart) {
  const auto deliver = [&](const std::string& source, const std::string& billed) {
    return service_->Ingest(
        {.source = source, .paths = {Write("a.csv", testing::BillOf({{.billed = billed}}))}});
  };
  ASSERT_TRUE(deliver("cloud", "1").ok());
  ASSERT_TRUE(deliver("cloud/payer=2", "20").ok());
  ASSERT_TRUE(deliver("cloud/payer=2", "25").ok());
  EXPECT_THAT(Query({Dimension::kSource}), ElementsAre("cloud USD 26 26 2"));
  const auto invoices =
      service_->Reconcile(absl::CivilDay(2026, 11, 1), absl::CivilDay(2026, 11, 1));
  ASSERT_TRUE(invoices.ok()) << invoices.status();
  ASSERT_EQ(invoices->size(), 2u);
  EXPECT_EQ((*invoices)[1].source, "cloud/payer=2");
  for (const char* const wrong : {"cloud/", "cloud/a b", "/a", "Cloud/a"}) {
    EXPECT_EQ(deliver(wrong, "1").status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
  // Whatever a bucket's folders are called makes a scope, and different ones different scopes.
  EXPECT_EQ(SourceOf("aws", ""), "aws");
  EXPECT_EQ(SourceOf("aws", "exports/focus"), "aws/exports/focus");
  EXPECT_NE(SourceOf("aws", "Konten ä"), SourceOf("aws", "Konten ö"));
  EXPECT_TRUE(deliver(SourceOf("aws", std::string(1'000, 'x') + " "), "1").ok());
}

// A month's memory is what its sums take in the form in which they are stored, however many threads
// and temporary files they came through.
TEST_P(DeliveryTest, SumsAreHeldInTheFormInWhichTheyAreStored) {
  constexpr int kResources = 700;
  std::vector<testing::Charge> charges;
  for (int resource = 0; resource < kResources; ++resource) {
    for (int day = 1; day <= 30; ++day) {
      charges.push_back({.billed = absl::StrCat(resource % 97, ".", 123456 + day),
                         .day = day,
                         .resource = absl::StrCat("res-", resource)});
    }
  }
  const std::string path = Write("month.csv", testing::BillOf(charges));
  std::vector<std::string> read;
  for (const size_t group_bytes : {kDeliveryGroupBytes, size_t{64 << 10}}) {
    const IngestRequest request{.source = "cloud", .paths = {path}};
    Delivery delivery(request, {}, absl::CivilDay(2027, 1, 1), "", group_bytes);
    Quarantine quarantine(folder_ + "/q", "a");
    IngestReport report;
    ASSERT_TRUE(delivery.Read(quarantine, report).ok());
    const DeliveredSums& sums = delivery.sums();
    EXPECT_EQ(sums.size(), charges.size());
    // What is at work takes 96 bytes a sum, besides its key. What a text has at hand may be twice
    // what it needs.
    EXPECT_LT(sums.bytes(), sums.size() * 2 * 24);
    EXPECT_EQ(sums.bytes_in_file(), 0u);
    std::string text;
    ASSERT_TRUE(sums.ForEachSubject([&](uint32_t number, const auto& subject) {
                      absl::StrAppend(&text, number, " ", subject.resource_id, "\n");
                      for (const DeliveredMonth& month : subject.months) {
                        for (const Fact& fact : month.facts) {
                          absl::StrAppend(&text, month.month, " ", fact.day, " ",
                                          fact.sums.billed.ToString(), "\n");
                        }
                      }
                      return absl::OkStatus();
                    })
                    .ok());
    read.push_back(std::move(text));
  }
  EXPECT_EQ(read[0], read[1]);
}

// Functions, jobs and the like: an id, and a tag, that only one row has.
TEST_P(DeliveryTest, AResourcePerRowIsReadInBoundedMemory) {
  constexpr int kRows = 50'000;
  std::string bill =
      "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
      "ChargeCategory,ServiceName,ResourceId,SubAccountId,Tags\n";
  const std::string padding(120, 'x');
  for (int i = 0; i < kRows; ++i) {
    absl::StrAppend(&bill, i, ".5,", i, ".5,USD,2026-11-01,2026-11-", i % 2 == 0 ? "02" : "03",
                    ",Usage,Jobs,arn:", padding, i, ",42,\"{\"\"run\"\":\"\"", i, "\"\"}\"\n");
  }
  const std::string path = Write("jobs.csv", bill);
  const IngestRequest request{.source = "cloud", .paths = {path}};
  Delivery delivery(request, {}, absl::CivilDay(2027, 1, 1), "", /*group_bytes=*/1 << 20);
  Quarantine quarantine(folder_ + "/q", "a");
  IngestReport report;
  ASSERT_TRUE(delivery.Read(quarantine, report).ok());
  EXPECT_EQ(delivery.sums().subjects(), static_cast<size_t>(kRows));
  EXPECT_LE(delivery.sums().bytes(), 2 * kHeldSumsBytes);
  EXPECT_GT(delivery.sums().bytes_in_file() + kHeldSumsBytes, kRows * padding.size());
  // Nobody's, in one: as many as there are days are held of them, not as there are rows.
  const auto allocation = Allocation::Default();
  Numbers numbers;
  const auto graph = EntityGraph::Empty();
  const MetricSums metrics;
  MonthAllocator allocator(*allocation, *graph, metrics, numbers);
  const uint32_t item = numbers.items.NumberOf({"Jobs", "", "", "Usage", "usage", "USD", ""});
  const uint32_t bill_number =
      numbers.bills.NumberOf({"cloud", absl::CivilDay(2026, 11, 1), "", ""});
  const uint32_t nobody = allocator.PlaceOf(kUnallocated);
  const base::Decimal amount = base::Decimal::FromUnits(1'234'567'890'123);
  for (int i = 0; i < 10 * kRows; ++i) {
    allocator.Add(nobody, {item, bill_number, 1 + i % 30, {amount, amount, {}, {}, 1}});
  }
  EXPECT_LE(allocator.bytes(), 3u << 20);
  ASSERT_TRUE(allocator.Split().ok());
  EXPECT_LE(allocator.bytes(), 4'096u);

  const auto stored = service_->Ingest(request);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->rows_stored, kRows);
  EXPECT_THAT(Query({Dimension::kMonth}),
              ElementsAre(absl::StrCat("2026-11 USD ", int64_t{kRows} * kRows / 2, " ",
                                       int64_t{kRows} * kRows / 2, " ", kRows)));
}

TEST_P(DeliveryTest, LongTextsAreKeptInPartAndToldApart) {
  std::string bill =
      "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
      "ChargeCategory,ServiceName,ResourceName\n";
  std::string name(1 + kMaxColumnBytes / 2, 'x');
  for (int i = 0; i < 300; ++i) name += "ä";
  for (const char* const end : {"a", "b", "c"}) {
    absl::StrAppend(&bill, "1,1,EUR,2026-11-01,2026-11-02,Usage,S3,", name, end, "\n");
  }
  const auto report = Read(Write("bill.csv", bill));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(Query({Dimension::kMonth}), ElementsAre("2026-11 EUR 3 3 3"));
}

// More subjects than are written together: some stay, some change, some go, some come.
TEST_P(DeliveryTest, ARestatementOfManySubjects) {
  constexpr int kResources = 3 * static_cast<int>(kWrittenTogether) + 5;
  const auto bill = [&](int from, int to, int changed) {
    std::vector<testing::Charge> charges;
    for (int i = from; i < to; ++i) {
      charges.push_back({.billed = changed > 0 && i % changed == 0 ? "3" : "1",
                         .resource = absl::StrCat("res-", i),
                         .team = i % 2 == 0 ? "web" : "data"});
    }
    return charges;
  };
  Deliver(bill(0, kResources, 0));
  Deliver({{.billed = "7", .month = 10, .resource = "res-0", .team = "web"}});
  const int64_t version = *service_->DataVersion();
  Deliver(bill(0, kResources, 0));
  EXPECT_EQ(*service_->DataVersion(), version) << "the same";
  Deliver(bill(100, kResources + 50, 10));
  const int stayed = kResources - 50;
  const int changed = (kResources + 50 - 1) / 10 - 9;
  EXPECT_THAT(
      Query({Dimension::kMonth}),
      ElementsAre("2026-10 USD 7 7 1", absl::StrCat("2026-11 USD ", stayed + 2 * changed, " ",
                                                    stayed + 2 * changed, " ", stayed)));
  const auto diff = service_->Diff({.source = "cloud",
                                    .billing_period = absl::CivilDay(2026, 11, 1),
                                    .group_by = {Dimension::kService}});
  ASSERT_TRUE(diff.ok()) << diff.status();
  ASSERT_EQ(diff->rows.size(), 1u);
  EXPECT_EQ(diff->rows[0].billed.ToString(), absl::StrCat(stayed + 2 * changed - kResources));
  // Gone, come, and of those that stayed the changed ones.
  const int changed_before = (kResources - 1) / 10 - 9;
  EXPECT_EQ(diff->rows[0].changed, 100 + 50 + changed_before);
}

TEST_P(DeliveryTest, AMonthIsAllocatedInTheFormInWhichItIsStored) {
  const auto allocation = Allocation::Default();
  Numbers numbers;
  const auto graph = EntityGraph::Empty();
  const MetricSums metrics;
  MonthAllocator allocator(*allocation, *graph, metrics, numbers);
  const uint32_t item = numbers.items.NumberOf({"S3", "eu", "a", "Usage", "usage", "USD", ""});
  const uint32_t bill = numbers.bills.NumberOf({"cloud", absl::CivilDay(2026, 11, 1), "42", ""});
  constexpr int kEntities = 500;
  for (int entity = 0; entity < kEntities; ++entity) {
    const uint32_t place = allocator.PlaceOf(absl::StrCat("component:default/c", entity));
    for (int day = 1; day <= 30; ++day) {
      const base::Decimal amount = base::Decimal::FromInteger(entity * 31 + day);
      allocator.Add(place, {item, bill, day, {amount, amount, {}, {}, 1}});
    }
  }
  ASSERT_TRUE(allocator.Split().ok());
  EXPECT_LT(allocator.bytes(), kEntities * 30 * 32);
  std::map<NodeKind, int> nodes;
  base::Decimal total;
  ASSERT_TRUE(allocator
                  .RollUp([&](uint32_t node, const std::vector<Fact>& facts) {
                    ++nodes[numbers.nodes[node].kind];
                    EXPECT_EQ(facts.size(), 30u);
                    if (numbers.nodes[node].kind != NodeKind::kTotal) return absl::OkStatus();
                    for (const Fact& fact : facts)
                      base::Decimal::Add(total, fact.sums.billed, &total);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(nodes[NodeKind::kEntity], kEntities);
  EXPECT_EQ(nodes[NodeKind::kTotal], 1);
  // 30 days of 31 × (0 + … + 499), and 500 times 1 + … + 30.
  EXPECT_EQ(total.ToString(),
            absl::StrCat(30 * 31 * (kEntities - 1) * kEntities / 2 + kEntities * 30 * 31 / 2));
}

TEST_P(DeliveryTest, ARowOfAnyFormatIsACharge) {
  const std::string focus =
      Write("focus.csv",
            "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
            "ChargeCategory,ServiceName,ServiceProviderName,x_Team,Tags\n"
            "1,1,EUR,2026-11-01,2026-11-02,Usage,A,Acme,,\n"
            "1,1,EUR,2026-11-01,2026-11-02,Usage,B,Acme,red,\"{\"\"team\"\":\"\"web\"\"}\"\n");
  const auto row = ReadChargeRow({.path = focus, .row = 2});
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->at("ServiceName"), "B");
  EXPECT_EQ(row->at("ProviderName"), "Acme") << "by its name of other versions";
  EXPECT_EQ(row->at("x_Team"), "red");
  EXPECT_EQ(row->at("Tags"), "{\"team\":\"web\"}");
  EXPECT_FALSE(ReadChargeRow({.path = focus, .row = 1})->contains("Tags"));
  EXPECT_EQ(ReadChargeRow({.path = focus, .row = 3}).status().code(), absl::StatusCode::kNotFound);
  // A provider's own format: its columns as FOCUS's.
  const std::string cur = Write(
      "cur.csv",
      "lineItem/LineItemType,lineItem/UsageAccountId,lineItem/ResourceId,"
      "lineItem/UnblendedCost,lineItem/CurrencyCode,lineItem/UsageStartDate,"
      "bill/BillingPeriodStartDate,lineItem/ProductCode,product/region,resourceTags/user:team\n"
      "Usage,42,i-1,1,USD,2026-11-02T00:00:00Z,2026-11-01T00:00:00Z,AmazonEC2,eu-1,web\n");
  const auto line = ReadChargeRow({.path = cur, .row = 1});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->at("SubAccountId"), "42");
  EXPECT_EQ(line->at("ResourceId"), "i-1");
  EXPECT_EQ(line->at("ChargeCategory"), "Usage");
  const std::string json = Write("a.json", "{\"code\":200,\"data\":[{}]}");
  EXPECT_FALSE(ReadChargeRow({.path = json, .row = 1}).ok());
}

TEST_P(DeliveryTest, ALibraryThatIsNoneIsToldAtTheStart) {
  options_.database = database_.get();
  options_.duckdb_library = Write("libduckdb.so", "no library");
  const auto service = CostService::Open(options_);
  EXPECT_EQ(service.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(service.status().message(), HasSubstr("libduckdb.so cannot be loaded"));
  // One that is a library, but another.
  options_.duckdb_library = "libz.so.1";
  const auto other = CostService::Open(options_);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.status().message(), HasSubstr("it has no function duckdb_"));
}

}  // namespace
}  // namespace purser::costs
