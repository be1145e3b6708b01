#include "costs/readers/focus_csv.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "costs/readers/tags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kHeader[] =
    "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,"
    "ServiceName,ResourceId,SubAccountId,Tags\n";

// The first row behind the header: what was read, or why not.
std::string First(absl::string_view text) {
  StringSource source(text);
  absl::StatusOr<std::unique_ptr<FocusCsvReader>> reader = FocusCsvReader::Open(source, "b.csv");
  if (!reader.ok()) return std::string(reader.status().message());
  absl::StatusOr<RowKind> kind = (*reader)->Next();
  if (!kind.ok()) return std::string(kind.status().message());
  if (*kind == RowKind::kEnd) return "end";
  if (*kind == RowKind::kBad) return (*reader)->bad_row().ToString("b.csv");
  const Charge& charge = (*reader)->charge();
  return absl::StrCat(charge.billed.ToString(), "|", charge.effective.ToString(), "|",
                      charge.currency, "|", absl::FormatCivilTime(charge.billing_period), "|",
                      absl::FormatCivilTime(charge.day), "|", charge.category, "|", charge.service,
                      "|", charge.resource_id, "|", charge.sub_account, "|", charge.tags, "|",
                      (*reader)->rounded_numbers());
}

std::string Row(absl::string_view row) { return First(absl::StrCat(kHeader, row, "\n")); }

TEST(FocusCsvTest, ReadsWhatTheCloudsWrite) {
  EXPECT_EQ(Row("1.5,1,USD,2026-11-01T00:00:00Z,2026-11-20T23:00:00Z,Usage,S3,r1,42,"
                "\"{\"\"team\"\": \"\"a\"\"}\""),
            "1.5|1|USD|2026-11-01|2026-11-20|Usage|S3|r1|42|{\"team\": \"a\"}|0");
  // NULL, E notation, dates with a blank and without a zone.
  EXPECT_EQ(Row("9.7379661922E-8,-2.323760000E-9,EUR,2026-11-01 00:00:00,\"2026-11-20 01:00:00\","
                "Credit,S3,NULL,NULL,NULL"),
            "0.000000097379661922|-0.00000000232376|EUR|2026-11-01|2026-11-20|Credit|S3||||0");
  // NULL in quotes is a name like others; numbers may be quoted.
  EXPECT_EQ(Row("\"1\",\"2\",USD,2026-11-01,2026-11-02,Tax,\"NULL\",\"\",\"NULL\","),
            "1|2|USD|2026-11-01|2026-11-02|Tax|NULL||NULL||0");
  EXPECT_EQ(Row("1E-19,15E-19,USD,2026-11-01,2026-11-02,Tax,a,,,"),
            "0|0.000000000000000002|USD|2026-11-01|2026-11-02|Tax|a||||2");
}

TEST(FocusCsvTest, ColumnsStandInAnyOrderAndSpelling) {
  EXPECT_EQ(First("\xEF\xBB\xBF"
                  "x_BilledCost,service_name,tags,chargeCategory,charge_period_start,"
                  "billingPeriodStart,BILLINGCURRENCY,\"effective_cost\", billed_cost\r\n"
                  "99,S3,,Usage,2026-11-02,2026-11-01,USD,2,1\r\n"),
            "1|2|USD|2026-11-01|2026-11-02|Usage|S3||||0");
}

TEST(FocusCsvTest, OtherColumnsAreFoundUnderEveryVersionsName) {
  for (const char* column : {"ProviderName", "ServiceProviderName", "Provider"}) {
    const std::string text = absl::StrCat(
        "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,"
        "ChargePeriodStart,ChargeCategory,ServiceName,",
        column, "\n1,1,USD,2026-11-01,2026-11-02,Usage,S3,AWS\n");
    StringSource source(text);
    auto reader = FocusCsvReader::Open(source, "b.csv", {"provider_name"});
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ(*(*reader)->Next(), RowKind::kCharge);
    EXPECT_THAT((*reader)->charge().extra, ElementsAre("AWS"));
  }
}

TEST(FocusCsvTest, MissingAndDoubleColumnsAreNamed) {
  EXPECT_THAT(First("BilledCost,ServiceName,ChargeCategory,ChargePeriodStart,BillingPeriodStart\n"),
              HasSubstr("b.csv:1: not a FOCUS file: column EffectiveCost, BillingCurrency are "
                        "missing (FOCUS 1.0 to 1.4, section Columns)"));
  EXPECT_THAT(First("BilledCost,billed_cost\n"), HasSubstr("column billed_cost is there twice"));
  EXPECT_THAT(First(""), HasSubstr("b.csv is empty"));
  EXPECT_EQ(First(kHeader), "end");
}

TEST(FocusCsvTest, BadRowsAreToldWithPlaceColumnValueAndReason) {
  EXPECT_EQ(
      Row("abc,1,USD,2026-11-01,2026-11-02,Usage,S3,,,"),
      "b.csv:2: column BilledCost: value \"abc\": \"abc\" is not a decimal number: a digit is "
      "expected first (row 1, byte 134)");
  EXPECT_THAT(Row("1,NULL,USD,2026-11-01,2026-11-02,Usage,S3,,,"),
              HasSubstr("column EffectiveCost: value \"NULL\": no amount"));
  EXPECT_THAT(Row("1,1,usd,2026-11-01,2026-11-02,Usage,S3,,,"),
              HasSubstr("column BillingCurrency: value \"usd\""));
  EXPECT_THAT(Row("1,1,USD,2026-13-01,2026-11-02,Usage,S3,,,"),
              HasSubstr("column BillingPeriodStart: value \"2026-13-01\": no such day"));
  EXPECT_THAT(Row("1,1,USD,2026-11-01,NULL,Usage,S3,,,"), HasSubstr("column ChargePeriodStart"));
  EXPECT_THAT(Row("1,1,USD,2026-11-01,2026-11-02,Usages,S3,,,"),
              HasSubstr("not one of Usage, Purchase"));
  EXPECT_THAT(Row("1,1,USD"), HasSubstr("b.csv:2: the row has 3 fields, the header 10"));
  EXPECT_THAT(Row("1,1,USD,2026-11-01,2026-11-02,Usage,S\xff,,,"), HasSubstr("not UTF-8"));
  EXPECT_THAT(Row("1,1,USD,2026-11-01,2026-11-02,Usage,S\"3,,,"),
              HasSubstr("column ServiceName: value \"S\"3\": a quote inside"));
  EXPECT_THAT(Row("1e40,1,USD,2026-11-01,2026-11-02,Usage,S3,,,"), HasSubstr("does not fit"));
}

TEST(FocusCsvTest, Days) {
  const auto day = [](absl::string_view text) {
    const absl::StatusOr<absl::CivilDay> parsed = ParseDay(text);
    return parsed.ok() ? absl::FormatCivilTime(*parsed) : std::string("-");
  };
  EXPECT_EQ(day("2026-11-01"), "2026-11-01");
  EXPECT_EQ(day("2026-11-01T00:00:00.000Z"), "2026-11-01");
  EXPECT_EQ(day("2026-11-01T00:30:00+01:00"), "2026-10-31");
  EXPECT_EQ(day("2026-11-30T23:30:00-01:00"), "2026-12-01");
  EXPECT_EQ(day("2026-11-01 00:00"), "2026-11-01");
  EXPECT_EQ(day("2024-02-29"), "2024-02-29");
  for (const char* text : {"", "2026", "2026-02-29", "2026/11/01", "11/01/2026", "2026-11-01X",
                           "2026-11-01T", "2026-11-01T25:00:00Z", "2026-11-01T00:00:00.Z",
                           "2026-11-01T00:00:00+1", "1026-11-01", "2026-1-1", "2026-11-011"}) {
    EXPECT_EQ(day(text), "-") << text;
  }
}

TEST(TagsTest, Oddities) {
  EXPECT_TRUE(ParseTags("")->empty());
  EXPECT_TRUE(ParseTags("{}")->empty());
  EXPECT_THAT(*ParseTags(R"({"a": "x", " a": "y", "ms:b": true, "n": 4711, "e": "", "z": null})"),
              ElementsAre(Pair(" a", "y"), Pair("a", "x"), Pair("e", ""), Pair("ms:b", "true"),
                          Pair("n", "4711"), Pair("z", "true")));
  EXPECT_THAT(*ParseTags(R"("k": "v","k2": ",NULL,NULL,")"),
              ElementsAre(Pair("k", "v"), Pair("k2", ",NULL,NULL,")));
  EXPECT_FALSE(ParseTags("{\"a\": {}}").ok());
  EXPECT_FALSE(ParseTags("[]").ok());
  EXPECT_FALSE(ParseTags("{\"a\": \"b\"").ok());
  EXPECT_FALSE(ParseTags("team=a").ok());
  const Tags tags = *ParseTags(R"({"user:team": "a", "b": "c"})");
  EXPECT_EQ(*FindTag(tags, "team"), "a");
  EXPECT_EQ(*FindTag(tags, "b"), "c");
  EXPECT_EQ(FindTag(tags, "c"), nullptr);
  EXPECT_EQ(TagsToJson(tags), R"({"b":"c","user:team":"a"})");
}

}  // namespace
}  // namespace purser::costs
