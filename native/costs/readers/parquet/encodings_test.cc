#include "costs/readers/parquet/encodings.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace purser::costs::parquet {
namespace {

TEST(TakePlainTest, GoesOnWhereItEnded) {
  Leaf leaf;
  leaf.type = PhysicalType::kByteArray;
  const std::string texts(
      "\x01\x00\x00\x00"
      "a"
      "\x00\x00\x00\x00"
      "\x02\x00\x00\x00"
      "bc",
      15);
  absl::string_view rest = texts;
  Values values;
  ASSERT_TRUE(TakePlain(rest, leaf, 2, values));
  ASSERT_TRUE(TakePlain(rest, leaf, 1, values));
  EXPECT_EQ(values.bytes, (std::vector<absl::string_view>{"a", "", "bc"}));
  EXPECT_FALSE(TakePlain(rest, leaf, 1, values));
}

}  // namespace
}  // namespace purser::costs::parquet
