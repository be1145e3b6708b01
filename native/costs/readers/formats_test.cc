#include "costs/readers/formats.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/decimal.h"
#include "costs/aggregate.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/column_map.h"
#include "costs/readers/csv_scanner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Groups of a file as "[key]currency billed effective charges".
std::vector<std::string> SumFile(const std::string& path, std::vector<std::string> by) {
  const auto result = Aggregate({.paths = {path}, .group_by = std::move(by), .threads = 2});
  if (!result.ok()) return {result.status().ToString()};
  std::vector<std::string> rows;
  const absl::Status status = result->ForEach([&](const AggregateRow& row) {
    std::string text;
    for (const absl::string_view key : row.keys) absl::StrAppend(&text, "[", key, "]");
    rows.push_back(absl::StrCat(text, row.currency, " ", row.sums[0].ToString(), " ",
                                row.sums[1].ToString(), " ", row.charges));
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return rows;
}

class FormatsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "formats-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<std::string> Sum(absl::string_view text, std::vector<std::string> by) {
    const std::string path = folder_ + "/bill";
    std::ofstream(path, std::ios::binary) << text;
    return SumFile(path, std::move(by));
  }

  std::string folder_;
};

TEST_F(FormatsTest, LegacyCostAndUsageReport) {
  const std::string text =
      "bill/BillingPeriodStartDate,lineItem/UsageAccountId,lineItem/LineItemType,"
      "lineItem/UsageStartDate,lineItem/ProductCode,lineItem/CurrencyCode,lineItem/UnblendedCost,"
      "lineItem/ResourceId,reservation/EffectiveCost,"
      "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod,reservation/UnusedRecurringFee,"
      "savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment,"
      "savingsPlan/SavingsPlanEffectiveCost,resourceTags/user:team,resourceTags/aws:createdBy\n"
      "2026-11-01T00:00:00.000Z,42,Usage,2026-11-02T03:00:00Z,AmazonEC2,USD,9.0E-10,i-1,,,,,,,a,\n"
      "2026-11-01T00:00:00.000Z,42,SavingsPlanCoveredUsage,2026-11-02T03:00:00Z,AmazonEC2,USD,5,i-"
      "1,"
      ",,,,,3.5,a,x\n"
      "2026-11-01T00:00:00.000Z,42,SavingsPlanNegation,2026-11-02T03:00:00Z,AmazonEC2,USD,-5,i-1,,,"
      ",,"
      ",,a,\n"
      "2026-11-01T00:00:00.000Z,42,SavingsPlanRecurringFee,2026-11-02T03:00:00Z,AmazonEC2,USD,4,,,,"
      ","
      "4,3.5,,,\n"
      "2026-11-01T00:00:00.000Z,42,DiscountedUsage,2026-11-03T03:00:00Z,AmazonEC2,USD,0,i-2,1.25,,,"
      ","
      ",,b,\n"
      "2026-11-01T00:00:00.000Z,42,RIFee,2026-11-03T03:00:00Z,AmazonEC2,USD,2,,,0.5,0.25,,,,,\n"
      "2026-11-01T00:00:00.000Z,42,Tax,2026-11-03T03:00:00Z,AmazonEC2,USD,0.7,,,,,,,,,\n"
      "2026-11-01T00:00:00.000Z,42,Refund,2026-11-03T03:00:00Z,AmazonEC2,USD,-1,,,,,,,,b,\n";
  EXPECT_THAT(Sum(text, {"ChargeCategory"}),
              ElementsAre("[Credit]USD -1 -1 1", "[Purchase]USD 6 1.25 2", "[Tax]USD 0.7 0.7 1",
                          "[Usage]USD 0.0000000009 4.7500000009 4"));
  EXPECT_THAT(
      Sum(text, {"day", "tag:team", "ResourceId", "ProviderName"}),
      ElementsAre("[2026-11-02][][][AWS]USD 4 0.5 1",
                  "[2026-11-02][a][i-1][AWS]USD 0.0000000009 3.5000000009 3",
                  "[2026-11-03][][][AWS]USD 2.7 1.45 2", "[2026-11-03][b][][AWS]USD -1 -1 1",
                  "[2026-11-03][b][i-2][AWS]USD 0 1.25 1"));
  EXPECT_THAT(Sum(text, {"Tags", "ServiceName"})[0],
              HasSubstr("[{\"aws:createdBy\":\"x\",\"team\":\"a\"}][AmazonEC2]USD 5 3.5 1"));
}

TEST_F(FormatsTest, CostAndUsageReport2) {
  EXPECT_THAT(
      Sum("bill_billing_period_start_date,line_item_usage_account_id,line_item_line_item_type,"
          "line_item_usage_start_date,line_item_product_code,line_item_currency_code,"
          "line_item_unblended_cost,resource_tags,savings_plan_savings_plan_effective_cost\n"
          "2026-11-01 00:00:00,42,Usage,2026-11-02 03:00:00,AmazonS3,USD,1.5,"
          "\"{\"\"user_team\"\":\"\"data\"\"}\",\n"
          "2026-11-01 00:00:00,42,SavingsPlanCoveredUsage,2026-11-02 "
          "03:00:00,AmazonS3,USD,2,{},1\n",
          {"month", "SubAccountId", "ServiceName", "tag:team"}),
      ElementsAre("[2026-11][42][AmazonS3][]USD 2 1 1",
                  "[2026-11][42][AmazonS3][data]USD 1.5 1.5 1"));
}

// Headers in another language have the English name in parentheses; tags lack their braces; dates
// begin with the month.
TEST_F(FormatsTest, AzureInAnyLanguage) {
  const std::string rows =
      "09/22/2023,Storage,Microsoft.Storage,s-1,/r/1,\"\"\"team\"\": \"\"a\"\",\"\"k\"\": "
      "\"\"v\"\"\",6.65679E-09,EUR,9/1/2023,Usage\r\n"
      "9/3/2023,Storage,Microsoft.Storage,s-1,/r/1,,2,EUR,9/1/2023,UnusedReservation\r\n"
      "2023-09-04,Bandwidth,Microsoft.Network,s-2,,,-1,EUR,9/1/2023,Refund\r\n";
  const std::vector<std::string> by = {"day", "ServiceName", "SubAccountId", "tag:team",
                                       "ChargeCategory"};
  const auto expected =
      ElementsAre("[2023-09-03][Storage][s-1][][Usage]EUR 2 2 1",
                  "[2023-09-04][Bandwidth][s-2][][Credit]EUR -1 -1 1",
                  "[2023-09-22][Storage][s-1][a][Usage]EUR 0.00000000665679 0.00000000665679 1");
  EXPECT_THAT(Sum(absl::StrCat("\xEF\xBB\xBF"
                               "Date,MeterCategory,ConsumedService,SubscriptionId,ResourceId,Tags,"
                               "CostInBillingCurrency,BillingCurrencyCode,BillingPeriodStartDate,"
                               "ChargeType\r\n",
                               rows),
                  by),
              expected);
  EXPECT_THAT(
      Sum(absl::StrCat("Datum (Date),Kategorie (MeterCategory),Dienst (ConsumedService),"
                       "Abonnement-GUID (SubscriptionGuid),Instanz-ID (InstanceId),Tags (Tags),"
                       "Kosten (CostInBillingCurrency),Währung (BillingCurrency),Beginn "
                       "(BillingPeriodStartDate),Art (ChargeType)\r\n",
                       rows),
          by),
      expected);
}

TEST_F(FormatsTest, LegacyReportWithTheNamesOfItsParquet) {
  const std::string text =
      "line_item_line_item_type,line_item_unblended_cost,line_item_currency_code,"
      "line_item_usage_start_date,resource_tags_user_team,resource_tags_aws_created_by\n"
      "Usage,1.5,USD,2026-11-02 03:00:00,web,me\n";
  EXPECT_THAT(Sum(text, {"tag:team", "tag:aws_created_by"}), ElementsAre("[web][me]USD 1.5 1.5 1"));
}

TEST_F(FormatsTest, OracleCostReport) {
  EXPECT_THAT(Sum("lineItem/intervalUsageStart,product/service,cost/myCost,cost/currencyCode,"
                  "lineItem/isCorrection,lineItem/backreferenceNo\r\n"
                  "2023-08-02T21:00Z,COMPUTE,3,USD,false,\r\n"
                  "2023-07-02T21:00Z,COMPUTE,-1,USD,true,77\r\n",
                  {"day", "ChargeClass"}),
              ElementsAre("[2023-07-02][Correction]USD -1 -1 1", "[2023-08-02][]USD 3 3 1"));
  EXPECT_THAT(
      Sum("lineItem/intervalUsageStart,product/service,product/resourceId,product/compartmentName,"
          "cost/myCost,cost/currencyCode,lineItem/isCorrection,tags/team,tags/"
          "Oracle-Tags.CreatedBy\r\n"
          "2023-08-02T21:00Z,COMPUTE,ocid1.a,root,9.7379661922E-8,USD,false,data,me\r\n"
          "2023-08-03T21:00Z,COMPUTE,ocid1.a,root,2.323760000E-9,USD,false,,\r\n",
          {"day", "tag:team", "tag:Oracle-Tags.CreatedBy", "ResourceId"}),
      ElementsAre("[2023-08-02][data][me][ocid1.a]USD 0.000000097379661922 0.000000097379661922 1",
                  "[2023-08-03][][][ocid1.a]USD 0.00000000232376 0.00000000232376 1"));
}

TEST_F(FormatsTest, GoogleCloudExportAsJsonLines) {
  const std::string text =
      R"({"billing_account_id":"B-1","service":{"id":"6F81","description":"Compute Engine"},)"
      R"("sku":{"id":"S-1","description":"core"},"usage_start_time":"2026-10-31 23:00:00 UTC",)"
      R"("usage_end_time":"2026-11-01 00:00:00 UTC","project":{"id":"shop","labels":[]},)"
      R"("labels":[{"key":"team","value":"data"},{"key":"env","value":"prod"}],)"
      R"("location":{"region":"europe-west1"},"cost":0.1,"currency":"EUR",)"
      R"("credits":[{"name":"sud","amount":-0.03},{"name":"free","amount":-1E-2}],)"
      R"("invoice":{"month":"202611"},"cost_type":"regular"})"
      "\n\n"
      R"({"service":{"description":"Invoice"},"usage_start_time":"2026-11-01T00:00:00Z",)"
      R"("project":null,"labels":[],"cost":0.19,"currency":"EUR","credits":[],)"
      R"("invoice":{"month":"202611"},"cost_type":"tax"})";
  EXPECT_THAT(Sum(text, {"day", "SubAccountId", "tag:team", "ChargeCategory", "RegionId"}),
              ElementsAre("[2026-10-31][shop][data][Usage][europe-west1]EUR 0.06 0.06 1",
                          "[2026-11-01][][][Tax][]EUR 0.19 0.19 1"));
  EXPECT_THAT(Sum(text + "\nnot json\n", {})[0], HasSubstr("bill:4: not JSON at byte"));
}

TEST_F(FormatsTest, FocusAsJsonLines) {
  EXPECT_THAT(
      Sum(R"({"BilledCost":1.50,"EffectiveCost":"1E-3","BillingCurrency":"USD","ServiceName":"S3",)"
          R"("ChargePeriodStart":"2026-11-01","Tags":{"team":"web","n":null}})"
          "\n"
          R"({"BilledCost":2,"EffectiveCost":2,"BillingCurrency":"USD","ServiceName":"S3",)"
          R"("ChargePeriodStart":"2026-11-01","Tags":"{\"team\":\"data\"}"})",
          {"day", "tag:team", "ServiceName"}),
      ElementsAre("[2026-11-01][data][S3]USD 2 2 1", "[2026-11-01][web][S3]USD 1.5 0.001 1"));
}

TEST_F(FormatsTest, OpenCostAllocations) {
  EXPECT_THAT(
      Sum(R"({"code":200,"data":[{"prod/api":{"name":"prod/api","properties":{"cluster":"c1",)"
          R"("namespace":"prod","labels":{"team":"web","app":"api"}},"window":{"start":)"
          R"("2026-11-02T00:00:00Z","end":"2026-11-03T00:00:00Z"},"cpuCost":1.000001,)"
          R"("ramCost":0.5,"gpuCost":0,"pvCost":0,"networkCost":0.25,"sharedCost":0.1,)"
          R"("totalCost":1.850001},"__idle__":{"name":"__idle__","properties":{"cluster":"c1"},)"
          R"("window":{"start":"2026-11-02T00:00:00Z"},"cpuCost":2,"ramCost":1}}]})",
          {"day", "ResourceName", "SubAccountId", "properties.namespace", "tag:team"}),
      ElementsAre("[2026-11-02][__idle__][c1][][]USD 3 3 1",
                  "[2026-11-02][prod/api][c1][prod][web]USD 1.850001 1.850001 1"));
}

// A bill of no known kind, by a map of its columns.
TEST_F(FormatsTest, AnyCsvByAMapOfItsColumns) {
  const std::string path = folder_ + "/any.csv";
  std::ofstream(path)
      << ("Date,Total Cost,Tax,Project,Product,Curr,label_team\n"
          "11/02/2026,10.5,1.5,p1,Compute,EUR,data\n"
          "11/30/2026,\"1\",,p2,\"Storage, cold\",EUR,\n");
  const auto sum = [&](std::map<std::string, std::string> map) {
    AggregateRequest request{.paths = {path},
                             .group_by = {"day", "SubAccountId", "ServiceName", "ChargeCategory",
                                          "tag:team", "BillingPeriodStart"},
                             .measures = {"BilledCost"}};
    const auto format = MapColumns(map);
    if (!format.ok()) return std::vector<std::string>{std::string(format.status().message())};
    request.format = *format;
    const auto result = Aggregate(request);
    if (!result.ok()) return std::vector<std::string>{std::string(result.status().message())};
    std::vector<std::string> rows;
    EXPECT_TRUE(result
                    ->ForEach([&](const AggregateRow& row) {
                      rows.push_back(absl::StrCat(absl::StrJoin(row.keys, " "), " ", row.currency,
                                                  " ", row.sums[0].ToString()));
                      return absl::OkStatus();
                    })
                    .ok());
    return rows;
  };
  std::map<std::string, std::string> map = {
      {"BilledCost", "TotalCost + Tax"}, {"BillingCurrency", "Curr"},
      {"ChargePeriodStart", "Date"},     {"BillingPeriodStart", "month:Date"},
      {"SubAccountId", "Project"},       {"ServiceName", "Product"},
      {"ChargeCategory", "=Usage"},      {"tags", "label_"},
      {"dates", "month-first"}};
  EXPECT_THAT(sum(map), ElementsAre("2026-11-02 p1 Compute Usage data 11/02/2026 EUR 12",
                                    "2026-11-30 p2 Storage, cold Usage  11/30/2026 EUR 1"));
  map["BilledCost"] = "=5";
  EXPECT_THAT(sum(map), ElementsAre(HasSubstr("an amount is read, not given")));
  map["BilledCost"] = "Amount";
  EXPECT_THAT(sum(map), ElementsAre(HasSubstr("not a mapped file: column BilledCost")));
  map["dates"] = "day-first";
  EXPECT_THAT(sum(map), ElementsAre(HasSubstr("can only be month-first")));
}

// Oracle's cost files have FOCUS's name and the columns of its preview.
TEST_F(FormatsTest, OciWithTheNamesOfThePreview) {
  EXPECT_THAT(
      Sum("Provider,Publisher,Region,InvoiceIssuer,BilledCost,EffectiveCost,BillingCurrency,"
          "BillingPeriodStart,ChargePeriodStart,ChargeCategory,ChargeSubcategory,ServiceName,"
          "SubAccountId,UsageQuantity,UsageUnit,Tags,oci_CompartmentName,oci_BackReferenceNumber\n"
          "Oracle,Oracle,eu-frankfurt-1,Oracle,9.7379661922E-8,2.323760000E-9,EUR,"
          "2026-11-01T00:00Z,2026-11-02T01:00Z,Usage,On-Demand,COMPUTE,ocid1.tenancy,1,HOUR,"
          "\"{\"\"team\"\":\"\"data\"\"}\",prod,\n",
          {"day", "ProviderName", "PublisherName", "RegionId", "InvoiceIssuerName", "ConsumedUnit",
           "tag:team", "oci_CompartmentName"}),
      ElementsAre("[2026-11-02][Oracle][Oracle][eu-frankfurt-1][Oracle][HOUR][data][prod]"
                  "EUR 0.000000097379661922 0.00000000232376 1"));
}

// The sum of one column by the slow way.
std::string SlowSum(const std::string& path, const std::string& column) {
  const auto file = FileSource::Open(path, nullptr);
  CsvScanner scanner(**file, path);
  const CsvRecord* record = *scanner.Next();
  size_t at = 0;
  while (record->fields[at].text != column) ++at;
  base::Decimal sum;
  for (record = *scanner.Next(); record != nullptr; record = *scanner.Next()) {
    const auto amount = base::Decimal::Parse(record->fields[at].text);
    if (!amount.ok()) continue;  // an empty one
    EXPECT_TRUE(base::Decimal::Add(sum, *amount, &sum));
  }
  return sum.ToString();
}

// Files of the clouds themselves.
TEST(RealSamplesTest, AreReadToTheLastDigit) {
  const char* const given = getenv("PURSER_SHARED");
  const std::string shared = given != nullptr ? given : PURSER_SOURCE_DIR "/../shared";
  const std::string folder = shared + "/data/focus/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "SKIP no " << folder;
  const struct {
    const char* file;
    const char* cost;
    int64_t rows;
  } samples[] = {{"focus_sample.csv", "BilledCost", 1'000},
                 {"aws_cur_legacy.csv", "lineItem/UnblendedCost", 1'281},
                 {"azure_ea.csv", "CostInBillingCurrency", 27}};
  for (const auto& sample : samples) {
    const std::string path = folder + sample.file;
    const auto result =
        Aggregate({.paths = {path}, .group_by = {"day", "ServiceName", "tag:org"}, .threads = 2});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->rows_read, sample.rows) << sample.file;
    base::Decimal billed;
    const absl::Status status = result->ForEach([&](const AggregateRow& row) {
      EXPECT_TRUE(base::Decimal::Add(billed, row.sums[0], &billed));
      EXPECT_EQ(row.keys[0].size(), 10u);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(billed.ToString(), SlowSum(path, sample.cost)) << sample.file;
  }
  // Seven of its charges have no contracted cost.
  const auto measures =
      Aggregate({.paths = {folder + "focus_sample.csv"},
                 .measures = {"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"}});
  ASSERT_TRUE(measures.ok()) << measures.status();
  std::vector<base::Decimal> sums(4);
  EXPECT_TRUE(measures
                  ->ForEach([&](const AggregateRow& row) {
                    for (size_t i = 0; i < sums.size(); ++i) {
                      EXPECT_TRUE(base::Decimal::Add(sums[i], row.sums[i], &sums[i]));
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  const char* const costs[] = {"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"};
  for (size_t i = 0; i < sums.size(); ++i) {
    EXPECT_EQ(sums[i].ToString(), SlowSum(folder + "focus_sample.csv", costs[i])) << costs[i];
  }
  const auto parquet = Aggregate({.paths = {folder + "focus_validator_sample.parquet"},
                                  .group_by = {"ChargeCategory"},
                                  .measures = {"BilledCost"}});
  EXPECT_TRUE(parquet.ok() ||
              absl::StrContains(parquet.status().message(), "not a FOCUS file: column"))
      << parquet.status();
}

}  // namespace
}  // namespace purser::costs
