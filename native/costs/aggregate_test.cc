#include "costs/aggregate.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string& Fixture() {
  static const auto& path =
      *new std::string(PURSER_SOURCE_DIR "/native/costs/testdata/oddities.csv");
  return path;
}

std::vector<std::string> Sum(std::vector<std::string> group_by) {
  const absl::StatusOr<AggregateResult> result =
      Aggregate({.paths = {Fixture()}, .group_by = std::move(group_by)});
  if (!result.ok()) return {result.status().ToString()};
  std::vector<std::string> rows;
  for (const CostRow& row : result->rows) {
    std::string text;
    for (const std::string& key : row.keys) absl::StrAppend(&text, "[", key, "]");
    rows.push_back(absl::StrCat(text, row.currency, " ", row.billed.ToString(), " ", row.charges));
  }
  return rows;
}

TEST(AggregateTest, SumsByAnyColumn) {
  EXPECT_THAT(Sum({}), ElementsAre("EUR 3.5 1", "USD 12.250000097385785372 5"));
  EXPECT_THAT(Sum({"month", "tag:team"}),
              ElementsAre("[2026-10][]USD 11.250000097379661922 3", "[2026-10][data]EUR 3.5 1",
                          "[2026-10][data]USD 1.00000000000612345 2"));
  EXPECT_THAT(
      Sum({"day", "sub_account_id", "x_Note"}),
      ElementsAre("[2026-10-05][][]USD 1 1", "[2026-10-05][4711][]USD 0.000000097385785372 2",
                  "[2026-10-06][][]USD -0.75 1", "[2026-10-06][4711][]EUR 3.5 1",
                  "[2026-10-31][4711][]USD 12 1"));
}

TEST(AggregateTest, ErrorsNameWhatIsWrong) {
  EXPECT_THAT(Sum({"Colour"})[0], HasSubstr("column Colour is missing"));
  EXPECT_EQ(Aggregate({.paths = {"/nowhere.csv"}}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Aggregate({.paths = {Fixture()},
                       .group_by = std::vector<std::string>(kMaxGroupColumns + 1, "day")})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace purser::costs
