// Numbers as Parquet's encodings pack them.
#ifndef PURSER_COSTS_READERS_PARQUET_BITS_H_
#define PURSER_COSTS_READERS_PARQUET_BITS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace purser::costs::parquet {

// Behind the bytes of a page stand this many that may be read (their values do not matter).
inline constexpr size_t kPageSlack = 16;

inline uint64_t Load64(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

// Seven bits a byte, the lowest first. False when it is cut.
inline bool TakeVarint(absl::string_view& bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes.empty()) return false;
    const uint8_t byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

// Bits [bit, bit + width) of bytes that have slack; width at most 56 unless it begins on a byte.
inline uint64_t BitsAt(const char* bytes, size_t bit, int width) {
  if (width == 0) return 0;
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  const int shift = static_cast<int>(bit & 7);
  uint64_t word = Load64(bytes + (bit >> 3)) >> shift;
  if (shift + width > 64) {
    word |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[(bit >> 3) + 8])) << (64 - shift);
  }
  return word & mask;
}

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_BITS_H_
