#include "costs/readers/parquet/run_reader.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "costs/readers/parquet/bits.h"
#include "gtest/gtest.h"

namespace purser::costs::parquet {
namespace {

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// Numbers in runs of both kinds, and how they are written.
struct Written {
  std::string bytes;
  std::vector<uint32_t> numbers;
};
Written Write(int width, base::Rng& rng) {
  Written written;
  const uint64_t values = uint64_t{1} << width;
  for (uint64_t run = 1 + rng.Below(6); run > 0; --run) {
    if (rng.Below(2) == 0) {
      const uint64_t count = 1 + rng.Below(40);
      const auto number = static_cast<uint32_t>(rng.Below(values));
      AppendVarint(count << 1, written.bytes);
      for (int byte = 0; byte < (width + 7) / 8; ++byte) {
        written.bytes += static_cast<char>(number >> (8 * byte));
      }
      written.numbers.insert(written.numbers.end(), count, number);
      continue;
    }
    const uint64_t groups = 1 + rng.Below(9);
    AppendVarint(groups << 1 | 1, written.bytes);
    std::vector<bool> bits;
    for (uint64_t i = 0; i < groups * 8; ++i) {
      const auto number = static_cast<uint32_t>(rng.Below(values));
      written.numbers.push_back(number);
      for (int bit = 0; bit < width; ++bit) bits.push_back((number >> bit & 1) != 0);
    }
    for (size_t at = 0; at < bits.size(); at += 8) {
      int byte = 0;
      for (size_t bit = 0; bit < 8; ++bit) byte |= int{bits[at + bit]} << bit;
      written.bytes += static_cast<char>(byte);
    }
  }
  return written;
}

TEST(RunReaderTest, GivesNumbersInAnyPieces) {
  base::SeededRng rng(5);
  for (int round = 0; round < 2'000; ++round) {
    const int width = 1 + static_cast<int>(rng.Below(32));
    const Written written = Write(width, rng);
    const std::string slack = written.bytes + std::string(kPageSlack, '\xff');
    RunReader reader(absl::string_view(slack).substr(0, written.bytes.size()), width);
    std::vector<uint32_t> numbers;
    while (numbers.size() < written.numbers.size()) {
      const size_t done = numbers.size();
      const size_t count = 1 + rng.Below(written.numbers.size() - done);
      const uint32_t next = written.numbers[done];
      if (rng.Below(3) == 0 && reader.TakeSame(count, next)) {
        numbers.insert(numbers.end(), count, next);
        continue;
      }
      numbers.resize(done + count);
      if (width <= 8 && rng.Below(2) == 0) {
        std::vector<uint8_t> bytes(count);
        ASSERT_TRUE(reader.Take(count, bytes.data()));
        std::copy(bytes.begin(), bytes.end(), numbers.begin() + static_cast<std::ptrdiff_t>(done));
      } else {
        ASSERT_TRUE(reader.Take(count, numbers.data() + done));
      }
    }
    EXPECT_EQ(numbers, written.numbers) << width;
    EXPECT_FALSE(reader.Take(1, numbers.data()));
  }
}

TEST(RunReaderTest, RefusesWhatIsCut) {
  uint32_t numbers[64];
  const auto taken = [&](std::string bytes, int width, size_t count) {
    const size_t size = bytes.size();
    bytes.append(kPageSlack, '\xff');
    return RunReader(absl::string_view(bytes).substr(0, size), width).Take(count, numbers);
  };
  EXPECT_TRUE(taken("", 0, 5));
  EXPECT_EQ(numbers[4], 0u);
  EXPECT_FALSE(taken("", 3, 1));
  EXPECT_FALSE(taken("\x02\x01", 33, 1));
  EXPECT_FALSE(taken("\x02\x01", -1, 1));
  EXPECT_FALSE(taken(std::string("\x00\x01", 2), 3, 1));  // a run of none
  EXPECT_FALSE(taken("\x04", 3, 2));                      // its number is missing
  EXPECT_FALSE(taken("\x80", 3, 1));                      // its head is cut
  EXPECT_TRUE(taken("\x04\x05", 3, 2));
  EXPECT_EQ(numbers[1], 5u);
  // Of two groups, only the bytes of the first six numbers are there.
  EXPECT_TRUE(taken("\x05\x77\x77\x77", 4, 6));
  EXPECT_FALSE(taken("\x05\x77\x77\x77", 4, 7));
  uint8_t byte;
  EXPECT_FALSE(RunReader("\x02\x01\x01", 9).Take(1, &byte)) << "it may not fit";
}

TEST(RunReaderTest, KnowsWhatIsTheSame) {
  const std::string bytes = std::string("\x0a\x03\x03\x88", 4) + std::string(kPageSlack, '\xff');
  RunReader reader(absl::string_view(bytes).substr(0, 4), 2);  // five times 3, then 0 2 0 2 …
  EXPECT_EQ(reader.Same(5), 3u);
  EXPECT_EQ(reader.Same(6), std::nullopt);
  EXPECT_FALSE(reader.TakeSame(5, 2));
  EXPECT_TRUE(reader.TakeSame(4, 3));
  EXPECT_EQ(reader.Same(1), 3u);
  EXPECT_EQ(reader.Same(2), std::nullopt);
  EXPECT_EQ(RunReader("", 0).Same(9), 0u);
  EXPECT_EQ(RunReader("", 1).Same(1), std::nullopt);
}

}  // namespace
}  // namespace purser::costs::parquet
