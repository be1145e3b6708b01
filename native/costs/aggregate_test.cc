#include "costs/aggregate.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kHeader[] =
    "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,"
    "ServiceName,ResourceId,SubAccountId,Tags\n";

class AggregateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/purser-aggregate-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Write(const std::string& rows) {
    const std::string path = folder_ + "/bill.csv";
    std::ofstream(path) << kHeader << rows;
    return path;
  }
  std::string folder_;
};

TEST_F(AggregateTest, GroupsExactlyAndKeepsCurrenciesApart) {
  AggregateRequest request;
  request.paths = {
      Write("0.1,0.2,USD,2026-11-01,2026-11-03T10:00:00Z,Usage,Storage,a,,\n"
            "0.2,0.1,USD,2026-11-01,2026-11-03T23:00:00Z,Usage,Storage,b,,\n"
            "1E-18,0,EUR,2026-11-01,2026-11-04,Usage,Storage,a,,\n"
            "-0.3,0,USD,2026-11-01,2026-11-04,Credit,Compute,a,,\n")};
  request.group_by = {"month", "ServiceName"};
  const absl::StatusOr<AggregateResult> result = Aggregate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->rows.size(), 3u);
  EXPECT_THAT(result->rows[0].keys, ElementsAre("2026-11", "Compute"));
  EXPECT_EQ(result->rows[0].billed.ToString(), "-0.3");
  EXPECT_EQ(result->rows[1].currency, "EUR");
  EXPECT_EQ(result->rows[1].billed.ToString(), "0.000000000000000001");
  EXPECT_EQ(result->rows[2].billed.ToString(), "0.3");
  EXPECT_EQ(result->rows[2].charges, 2);
  EXPECT_EQ(result->rows_read, 4);
}

TEST_F(AggregateTest, ABadRowRefusesOrIsCounted) {
  AggregateRequest request;
  request.paths = {
      Write("1,1,USD,2026-11-01,2026-11-03,Usage,Storage,a,,\n"
            "abc,1,USD,2026-11-01,2026-11-03,Usage,Storage,a,,\n")};
  const absl::Status refused = Aggregate(request).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("bill.csv:3: column BilledCost"));
  request.bad_rows = BadRows::kQuarantine;
  const absl::StatusOr<AggregateResult> result = Aggregate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->rows_bad, 1);
  EXPECT_EQ(result->rows[0].billed.ToString(), "1");
}

TEST_F(AggregateTest, AnUnknownColumnIsNamed) {
  AggregateRequest request;
  request.paths = {Write("1,1,USD,2026-11-01,2026-11-03,Usage,Storage,a,,\n")};
  request.group_by = {"Colour"};
  EXPECT_THAT(std::string(Aggregate(request).status().message()), HasSubstr("Colour"));
}

}  // namespace
}  // namespace purser::costs
