#include "json/fields.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace purser::json {
namespace {

TEST(Fields, AreReadWhateverStandsThere) {
  const nlohmann::json value = {{"a", {{"b", "text"}, {"n", 7}}}, {"list", {1, 2}}};
  EXPECT_EQ(TextAt(value, {"a", "b"}), "text");
  EXPECT_EQ(TextAt(value, {"a", "n"}), "");
  EXPECT_EQ(TextAt(value, {"a", "b", "c"}), "") << "a text has no members";
  EXPECT_EQ(TextAt(value, {"list", "0"}), "");
  EXPECT_EQ(TextAt(value, "a"), "");
  EXPECT_EQ(TextAt(nlohmann::json(), "a"), "");
  EXPECT_EQ(*ValueAt(value, {"a", "n"}), 7);
  EXPECT_EQ(ValueAt(value, {"none"}), nullptr);
  EXPECT_EQ(*ValueAt(value, {}), value);
}

}  // namespace
}  // namespace purser::json
