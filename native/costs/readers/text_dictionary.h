// Texts numbered by first appearance: a small number stands for a text wherever texts repeat.
#ifndef PURSER_COSTS_READERS_TEXT_DICTIONARY_H_
#define PURSER_COSTS_READERS_TEXT_DICTIONARY_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/string_view.h"

namespace purser::costs {

// A hash of bytes for tables in memory; not the same between versions or machines.
inline uint64_t HashBytes(const char* at, size_t size) {
  constexpr uint64_t kOdd1 = 0x9E3779B97F4A7C15u;
  constexpr uint64_t kOdd2 = 0xD6E8FEB86659FD93u;
  const auto load = [](const char* from) {
    uint64_t word;
    std::memcpy(&word, from, 8);
    return word;
  };
  const auto mix = [](uint64_t a, uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  uint64_t hash = size * kOdd1;
  if (size >= 8) {
    const char* const end = at + size;
    if (size > 48) {
      // Three chains side by side: a multiplication takes longer than what else is to be done. The
      // last bytes are taken together with some of those before, since a loop over what is left
      // would end each time elsewhere.
      uint64_t second = hash, third = hash;
      const auto take = [&](const char* from) {
        hash = mix(load(from) ^ kOdd2 ^ hash, load(from + 8) ^ kOdd1);
        second = mix(load(from + 16) ^ kOdd2 ^ second, load(from + 24) ^ kOdd1);
        third = mix(load(from + 32) ^ kOdd2 ^ third, load(from + 40) ^ kOdd1);
      };
      for (; end - at > 48; at += 48) take(at);
      take(end - 48);
      return hash ^ mix(second ^ kOdd2, third ^ kOdd1);
    }
    for (; end - at > 16; at += 16) hash = mix(load(at) ^ kOdd2 ^ hash, load(at + 8) ^ kOdd1);
    if (end - at > 8) {
      return mix(load(at) ^ kOdd2 ^ hash, load(end - 8) ^ kOdd1);
    }
    return mix(load(end - 8) ^ kOdd2 ^ hash, kOdd1);
  }
  uint64_t word = 0;
  if (size >= 4) {
    uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + size - 4, 4);
    word = low | uint64_t{high} << 32;
  } else if (size > 0) {
    word = static_cast<unsigned char>(at[0]) |
           static_cast<uint64_t>(static_cast<unsigned char>(at[size / 2])) << 8 |
           static_cast<uint64_t>(static_cast<unsigned char>(at[size - 1])) << 16;
  }
  return mix(word ^ kOdd2 ^ hash, kOdd1);
}

// Whether two texts of the same size are the same: in place of a call, since most are short.
inline bool SameBytes(const char* a, const char* b, size_t size) {
  const auto differ = [&](size_t at) {
    uint64_t x, y;
    std::memcpy(&x, a + at, 8);
    std::memcpy(&y, b + at, 8);
    return x ^ y;
  };
  const auto differ32 = [&](size_t at) {
    return differ(at) | differ(at + 8) | differ(at + 16) | differ(at + 24);
  };
  if (size >= 64) {
    for (size_t at = 0; at + 64 < size; at += 64) {
      if ((differ32(at) | differ32(at + 32)) != 0) return false;
    }
    return (differ32(size - 64) | differ32(size - 32)) == 0;
  }
  if (size >= 32) return (differ32(0) | differ32(size - 32)) == 0;
  if (size >= 16) return (differ(0) | differ(8) | differ(size - 16) | differ(size - 8)) == 0;
  if (size >= 8) return (differ(0) | differ(size - 8)) == 0;
  for (size_t at = 0; at < size; ++at) {
    if (a[at] != b[at]) return false;
  }
  return true;
}

// Brings bytes into the cache; of many, the first ones.
inline void PrefetchBytes(const char* at, size_t size) {
  constexpr size_t kMost = 256;
  size = std::min(size, kMost);
  for (size_t line = 0; line < size; line += 64) __builtin_prefetch(at + line);
  __builtin_prefetch(at + size);
}

// One thread.
class TextDictionary {
 public:
  TextDictionary() { slots_.resize(kFirstSlots); }

  // The number of the text, a new one when it was not seen before.
  uint32_t CodeOf(const char* text, size_t size) {
    return CodeOf(text, size, HashBytes(text, size));
  }
  // With the text's hash at hand. Of many texts, those called first, in this order, bring into the
  // cache what the others will look at.
  void PrefetchSlot(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask()]); }
  void PrefetchEntry(uint64_t hash) const {
    const uint32_t code_plus_one = slots_[hash & mask()].code_plus_one;
    if (code_plus_one != 0) __builtin_prefetch(entries_.data() + code_plus_one - 1);
  }
  void PrefetchText(uint64_t hash) const {
    const Slot slot = slots_[hash & mask()];
    if (slot.code_plus_one == 0) return;
    const Entry& entry = entries_[slot.code_plus_one - 1];
    PrefetchBytes(bytes_.data() + entry.offset, entry.size);
  }
  uint32_t CodeOf(const char* text, size_t size, uint64_t hash) {
    const uint32_t tag = static_cast<uint32_t>(hash >> 32);
    for (size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot slot = slots_[at];
      if (slot.code_plus_one == 0) return Add(at, tag, text, size);
      if (slot.tag != tag) continue;
      const Entry& entry = entries_[slot.code_plus_one - 1];
      if (entry.size == size && SameBytes(bytes_.data() + entry.offset, text, size)) {
        return slot.code_plus_one - 1;
      }
    }
  }
  uint32_t CodeOf(absl::string_view text) { return CodeOf(text.data(), text.size()); }

  // Valid until the next CodeOf.
  absl::string_view TextOf(uint32_t code) const {
    return {bytes_.data() + entries_[code].offset, entries_[code].size};
  }
  size_t size() const { return entries_.size(); }
  // Memory in use.
  size_t bytes() const {
    return bytes_.capacity() + entries_.capacity() * sizeof(Entry) + slots_.size() * sizeof(Slot);
  }
  void Clear();

 private:
  static constexpr size_t kFirstSlots = 64;
  struct Slot {
    uint32_t tag = 0;
    uint32_t code_plus_one = 0;
  };
  struct Entry {
    uint64_t offset;
    size_t size;
  };
  size_t mask() const { return slots_.size() - 1; }
  uint32_t Add(size_t at, uint32_t tag, const char* text, size_t size);

  std::vector<Slot> slots_;
  std::vector<Entry> entries_;
  std::vector<char> bytes_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_TEXT_DICTIONARY_H_
