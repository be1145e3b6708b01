#include "connectors/pace.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace purser::connectors {
namespace {

constexpr Pace kPace = {absl::Seconds(2), absl::Seconds(30)};

TEST(PaceTest, LooksSeldomTheLongerItWaits) {
  for (const auto& [waited, base] : {std::pair(absl::ZeroDuration(), absl::Seconds(2)),
                                     std::pair(absl::Seconds(100), absl::Seconds(10)),
                                     std::pair(absl::Hours(5), absl::Seconds(30))}) {
    const absl::Duration look = NextLook(waited, kPace, "run_1/step/1");
    EXPECT_GE(look, base);
    EXPECT_LE(look, base * 5 / 4);
  }
}

TEST(PaceTest, WaitsThatBeganTogetherPart) {
  std::set<absl::Duration> looks;
  for (int i = 0; i < 50; ++i) {
    looks.insert(NextLook(absl::Seconds(100), kPace, absl::StrCat("run_", i)));
  }
  EXPECT_GT(looks.size(), 10);
  EXPECT_EQ(NextLook(absl::Seconds(9), kPace, "a"), NextLook(absl::Seconds(9), kPace, "a"));
}

}  // namespace
}  // namespace purser::connectors
