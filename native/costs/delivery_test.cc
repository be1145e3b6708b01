// What makes a delivery another one: its bytes, and what is looked at of them. And files that only
// a libduckdb can read.
#include <filesystem>

#include "absl/strings/str_cat.h"
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
INSTANTIATE_TEST_SUITE_P(Databases, DeliveryTest, ::testing::Values("sqlite"),
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
