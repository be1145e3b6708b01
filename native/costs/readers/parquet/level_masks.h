// Levels of entries, 64 at a time: which ones are some level, and how many up to each entry.
#ifndef PURSER_COSTS_READERS_PARQUET_LEVEL_MASKS_H_
#define PURSER_COSTS_READERS_PARQUET_LEVEL_MASKS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>

namespace purser::costs::parquet {

inline constexpr size_t kMaskBits = 64;
// Eight bytes are looked at as one number, whose lowest byte comes first.
static_assert(std::endian::native == std::endian::little);
inline constexpr uint64_t kEachByte = 0x0101010101010101u;

// How many levels are `level`.
inline size_t CountOfLevel(const uint8_t* levels, size_t count, uint8_t level) {
  constexpr size_t kLanes = 16, kMost = 255;  // what a byte can count
  size_t equal = 0;
  while (count >= kLanes) {
    uint8_t lanes[kLanes] = {};
    const size_t blocks = std::min(kMost, count / kLanes);
    for (size_t block = 0; block < blocks; ++block, levels += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += levels[lane] == level;
    }
    equal = std::accumulate(std::begin(lanes), std::end(lanes), equal);
    count -= blocks * kLanes;
  }
  return equal + static_cast<size_t>(std::count(levels, levels + count, level));
}

// The lowest `count` bits, at most kMaskBits.
inline uint64_t LowBits(size_t count) {
  return count < kMaskBits ? (uint64_t{1} << count) - 1 : ~uint64_t{0};
}

// The lowest bits of 64 bytes.
inline uint64_t LowestBits(const uint8_t* bytes) {
  uint64_t mask = 0;
  for (size_t i = 0; i < kMaskBits; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    mask |= (word * 0x0102040810204080u >> 56) << i;
  }
  return mask;
}

// Of the next 64 levels: returns which are `level`; `upto` gets by entry how many are, itself
// included.
inline uint64_t CountLevel(const uint8_t* levels, uint8_t level, uint8_t* upto) {
  for (size_t i = 0; i < kMaskBits; ++i) upto[i] = levels[i] == level;
  const uint64_t mask = LowestBits(upto);
  uint64_t before = 0;  // in each byte
  for (size_t i = 0; i < kMaskBits; i += 8) {
    uint64_t word;
    std::memcpy(&word, upto + i, sizeof word);
    word = word * kEachByte + before;
    std::memcpy(upto + i, &word, sizeof word);
    before = (word >> 56) * kEachByte;
  }
  return mask;
}

// Which of the next 64 numbers are not 0.
inline uint64_t MaskOfNotZero(const uint16_t* numbers) {
  uint8_t some[kMaskBits];
  for (size_t i = 0; i < kMaskBits; ++i) some[i] = numbers[i] != 0;
  return LowestBits(some);
}

// The lowest bits of `bits`, one after the other, where `places` has ones: the rest is 0.
inline uint64_t SpreadOver(uint64_t bits, uint64_t places) {
  for (uint64_t holes = ~places; holes != 0; holes &= holes - 1) {
    const uint64_t below = (holes & (0 - holes)) - 1;
    bits = (bits & below) | (bits & ~below) << 1;
  }
  return bits;
}

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_LEVEL_MASKS_H_
