// Estimates from price books and from what like things cost.
#include "costs/price_book.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "costs/testing/policy_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using costs::testing::Line;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class PriceBookTest : public costs::testing::PolicyFixture {};

TEST_F(PriceBookTest, EstimatesFromThePriceBookAndFromLikeThings) {
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
  const auto unpriced =
      EstimateCost(*service_, *book, "lakes", *json::Parse(R"({"size":"medium"})"));
  ASSERT_TRUE(unpriced.ok()) << unpriced.status();
  ASSERT_THAT(unpriced->lines, SizeIs(2));
  EXPECT_EQ(unpriced->lines[1].what, "size = medium: no price is known");
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

}  // namespace
}  // namespace purser::costs
