#include "costs/readers/columns.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "costs/readers/days.h"
#include "costs/readers/formats.h"
#include "costs/readers/tags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ColumnsTest, StandInAnyOrderAndSpelling) {
  const absl::StatusOr<Binding> binding =
      Bind("b.csv", {"x_BilledCost", "service_name", "BILLINGCURRENCY", " billed_cost"},
           {.texts = {"ServiceName", "BillingCurrency", "x_billedcost", "servicename", "Tags"},
            .amounts = {"BilledCost"}});
  ASSERT_TRUE(binding.ok()) << binding.status();
  EXPECT_EQ(binding->amounts[0].column(), 3);
  EXPECT_EQ(binding->texts[static_cast<size_t>(binding->wanted[0].source)].column, 1);
  EXPECT_EQ(binding->texts[static_cast<size_t>(binding->wanted[1].source)].column, 2);
  EXPECT_EQ(binding->texts[static_cast<size_t>(binding->wanted[2].source)].column, 0);
  // The same column is read once.
  EXPECT_EQ(binding->wanted[3].source, binding->wanted[0].source);
  EXPECT_EQ(binding->wanted[4].source, -1);
}

TEST(ColumnsTest, AreFoundUnderEveryVersionsName) {
  for (const char* column : {"ProviderName", "ServiceProviderName", "Provider"}) {
    for (const char* asked : {"provider_name", "ServiceProviderName", "Provider"}) {
      const auto binding = Bind("b.csv", {"BilledCost", column}, {.texts = {asked}});
      ASSERT_TRUE(binding.ok()) << column << asked << binding.status();
      EXPECT_EQ(binding->wanted[0].source, 0);
    }
  }
}

// 1.3 has both: what is asked for by its name in the file is that.
TEST(ColumnsTest, OldAndNewNamesInOneFileAreTwoColumns) {
  const auto binding =
      Bind("b.csv", {"HostProviderName", "ProviderName", "ServiceProviderName"},
           {.texts = {"ServiceProviderName", "ProviderName", "PublisherName", "Provider"}});
  ASSERT_TRUE(binding.ok()) << binding.status();
  std::vector<int> columns;
  for (const Binding::Text& text : binding->wanted) {
    columns.push_back(binding->texts[static_cast<size_t>(text.source)].column);
  }
  EXPECT_THAT(columns, ElementsAre(2, 1, 0, 1));
}

TEST(ColumnsTest, MissingAndDoubleColumnsAreNamed) {
  EXPECT_THAT(
      std::string(Bind("b.csv", {"BilledCost", "ServiceName"},
                       {.texts = {"ServiceName", "BillingCurrency"}, .amounts = {"EffectiveCost"}})
                      .status()
                      .message()),
      HasSubstr("b.csv: not a FOCUS file: column BillingCurrency (FOCUS section \"Billing "
                "Currency\"), EffectiveCost (FOCUS section \"Effective Cost\") are missing; it "
                "has BilledCost, ServiceName"));
  for (const char* first : {"billed cost", "billed_cost"}) {
    EXPECT_THAT(std::string(Bind("b.csv", {first, "billed_cost"}, {}).status().message()),
                HasSubstr("column billed_cost is there twice"));
  }
}

// Keys of tags and custom columns may differ in what the names of columns do not.
TEST(ColumnsTest, NamesThatAreAlikeAreToldApartByTheirSpelling) {
  const std::vector<std::string> columns = {"lineItem/LineItemType",
                                            "lineItem/UnblendedCost",
                                            "resourceTags/user:Team",
                                            "resourceTags/user:team",
                                            "x_Note",
                                            "x_note",
                                            "Comment",
                                            "Comment"};
  const auto binding =
      Bind("b.csv", columns, {.texts = {"tag:team", "tag:Team", "x_note", "x_Note"}});
  ASSERT_TRUE(binding.ok()) << binding.status();
  std::vector<int> found;
  for (const Binding::Text& text : binding->wanted) {
    found.push_back(binding->texts[static_cast<size_t>(text.source)].column);
  }
  EXPECT_THAT(found, ElementsAre(3, 2, 5, 4));
  for (const char* name : {"X_NOTE", "Comment"}) {
    EXPECT_THAT(std::string(Bind("b.csv", columns, {.texts = {name}}).status().message()),
                HasSubstr("is there twice"))
        << name;
  }
}

TEST(DaysTest, Days) {
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
  // As they are written, whatever a number of the machine would make of them.
  EXPECT_THAT(*ParseTags(R"({"version": 1.10, "centre": 12345678901234567890123, "z": 1E2})"),
              ElementsAre(Pair("centre", "12345678901234567890123"), Pair("version", "1.10"),
                          Pair("z", "1E2")));
  EXPECT_TRUE(ParseTags("null")->empty());
  EXPECT_FALSE(ParseTags("{\"a\": {}}").ok());
  EXPECT_FALSE(ParseTags("[]").ok());
  EXPECT_FALSE(ParseTags("{\"a\": \"b\"").ok());
  EXPECT_FALSE(ParseTags("team=a").ok());
  // Plain objects, and those that only look so.
  EXPECT_THAT(*ParseTags("{ \"a\" :\t\"x\",\n\"b\":\"\"}"),
              ElementsAre(Pair("a", "x"), Pair("b", "")));
  EXPECT_THAT(*ParseTags(R"({"a": "x\u0041\"", "ä": "ö"})"),
              ElementsAre(Pair("a", "xA\""), Pair("ä", "ö")));
  for (const char* text :
       {R"({"a":"x"}})", R"({"a":"x",})", R"({"a" "x"})", R"({"a":"x")", R"({,})",
        R"({"a":"x"} {})", "{\"a\":\"x\ny\"}", R"({"a":"x","a":{}})", "{\"a"}) {
    EXPECT_FALSE(ParseTags(text).ok()) << text;
  }
  const Tags tags = *ParseTags(R"({"user:team": "a", "b": "c"})");
  EXPECT_EQ(*FindTag(tags, "team"), "a");
  EXPECT_EQ(*FindTag(tags, "b"), "c");
  EXPECT_EQ(FindTag(tags, "c"), nullptr);
  EXPECT_EQ(TagsToJson(tags), R"({"b":"c","user:team":"a"})");
}

}  // namespace
}  // namespace purser::costs
