#include "costs/readers/parquet/level_masks.h"

#include <vector>

#include "base/rng.h"
#include "gtest/gtest.h"

namespace purser::costs::parquet {
namespace {

TEST(LevelMasksTest, AreWhatOneLookAtEachLevelFinds) {
  base::SeededRng rng(5);
  for (int round = 0; round < 2'000; ++round) {
    const uint64_t most = 1 + rng.Below(round % 2 == 0 ? 3 : 256);
    uint8_t levels[kMaskBits], upto[kMaskBits];
    uint16_t numbers[kMaskBits];
    for (size_t i = 0; i < kMaskBits; ++i) {
      levels[i] = static_cast<uint8_t>(rng.Below(most));
      numbers[i] = static_cast<uint16_t>(rng.Below(3) == 0 ? rng.Below(65'536) : 0);
    }
    const auto level = static_cast<uint8_t>(rng.Below(most));
    const uint64_t mask = CountLevel(levels, level, upto);
    const uint64_t some = MaskOfNotZero(numbers);
    const uint64_t spread = SpreadOver(some, mask);
    uint8_t count = 0;
    for (size_t i = 0; i < kMaskBits; ++i) {
      const uint64_t bit = uint64_t{1} << i;
      const bool equal = levels[i] == level;
      EXPECT_EQ((spread & bit) != 0, equal && (some >> count & 1) != 0) << i;
      count += equal;
      EXPECT_EQ((mask & bit) != 0, equal) << i;
      EXPECT_EQ(upto[i], count) << i;
      EXPECT_EQ((some & bit) != 0, numbers[i] != 0) << i;
    }
  }
}

TEST(LevelMasksTest, CountsLevelsOfAnyLength) {
  base::SeededRng rng(6);
  for (const size_t size : {0, 1, 15, 16, 17, 300, 4079, 4080, 4081, 9000}) {
    std::vector<uint8_t> levels(size);
    size_t expected = 0;
    for (uint8_t& level : levels) {
      level = rng.Below(100) < 95 ? 2 : 1;
      expected += level == 2;
    }
    EXPECT_EQ(CountOfLevel(levels.data(), size, 2), expected) << size;
  }
}

TEST(LevelMasksTest, LowBitsOfAnyCount) {
  EXPECT_EQ(LowBits(0), 0u);
  EXPECT_EQ(LowBits(3), 7u);
  EXPECT_EQ(LowBits(64), ~uint64_t{0});
}

}  // namespace
}  // namespace purser::costs::parquet
