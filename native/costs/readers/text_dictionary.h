// Texts numbered by first appearance: a small number stands for a text wherever texts repeat.
#ifndef PURSER_COSTS_READERS_TEXT_DICTIONARY_H_
#define PURSER_COSTS_READERS_TEXT_DICTIONARY_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/string_view.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace purser::costs {

inline uint64_t LoadWord(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, 8);
  return word;
}

// Texts up to this are looked up as two words, as if NULs followed them.
inline constexpr size_t kShortText = 16;
struct ShortText {
  uint64_t low = 0, high = 0;
  // Reads kShortText bytes from `text`, however long it is.
  static ShortText Padded(const char* text, size_t size) {
    // Read from where as many of its bytes as the text has are left to keep.
    static constexpr uint8_t kKept[2 * kShortText] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                      255, 255, 255, 255, 255, 255, 255, 255};
    const char* const kept = reinterpret_cast<const char*>(kKept) + kShortText - size;
    return {LoadWord(text) & LoadWord(kept), LoadWord(text + 8) & LoadWord(kept + 8)};
  }
  static ShortText Of(const char* text, size_t size) {
    const size_t unused = 4 * (kShortText - size);
    // In two steps, since a word is not shifted by all its bits.
    if (size >= 8) return {LoadWord(text), LoadWord(text + size - 8) >> unused >> unused};
    ShortText words;
    if (size >= 4) {
      uint32_t first, last;
      std::memcpy(&first, text, 4);
      std::memcpy(&last, text + size - 4, 4);
      words.low = first | uint64_t{last} << (8 * (size - 4));
    } else {
      for (size_t i = 0; i < size; ++i) {
        words.low |= uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
      }
    }
    return words;
  }
  friend bool operator==(const ShortText& a, const ShortText& b) {
    return ((a.low ^ b.low) | (a.high ^ b.high)) == 0;
  }
};

inline constexpr uint64_t kHashOdd1 = 0x9E3779B97F4A7C15u;
inline constexpr uint64_t kHashOdd2 = 0xD6E8FEB86659FD93u;

inline uint64_t HashMix(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t HashShort(ShortText text, size_t size) {
  return HashMix(text.low ^ kHashOdd2 ^ size * kHashOdd1, text.high ^ kHashOdd1);
}

// A hash of bytes for tables in memory; not the same between versions or machines.
inline uint64_t HashBytes(const char* at, size_t size) {
  if (size <= kShortText) return HashShort(ShortText::Of(at, size), size);
  uint64_t hash = size * kHashOdd1;
  const char* const end = at + size;
  if (size > 48) {
    // Three chains side by side: a multiplication takes longer than what else is to be done. The
    // last bytes are taken together with some of those before, since a loop over what is left
    // would end each time elsewhere.
    uint64_t second = hash, third = hash;
    const auto take = [&](const char* from) {
      hash = HashMix(LoadWord(from) ^ kHashOdd2 ^ hash, LoadWord(from + 8) ^ kHashOdd1);
      second = HashMix(LoadWord(from + 16) ^ kHashOdd2 ^ second, LoadWord(from + 24) ^ kHashOdd1);
      third = HashMix(LoadWord(from + 32) ^ kHashOdd2 ^ third, LoadWord(from + 40) ^ kHashOdd1);
    };
    for (; end - at > 48; at += 48) take(at);
    take(end - 48);
    return hash ^ HashMix(second ^ kHashOdd2, third ^ kHashOdd1);
  }
  for (; end - at > 16; at += 16) {
    hash = HashMix(LoadWord(at) ^ kHashOdd2 ^ hash, LoadWord(at + 8) ^ kHashOdd1);
  }
  if (end - at > 8) {
    return HashMix(LoadWord(at) ^ kHashOdd2 ^ hash, LoadWord(end - 8) ^ kHashOdd1);
  }
  return HashMix(LoadWord(end - 8) ^ kHashOdd2 ^ hash, kHashOdd1);
}

// Whether two texts of the same size, at least 32, are the same. Most are, so that no look between
// is worth its while.
inline bool SameManyBytes(const char* a, const char* b, size_t size) {
#if defined(__SSE2__)
  const auto load = [](const char* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  };
  __m128i differ = _mm_setzero_si128();
  const auto see = [&](size_t at) {
    differ = _mm_or_si128(differ, _mm_xor_si128(load(a + at), load(b + at)));
    differ = _mm_or_si128(differ, _mm_xor_si128(load(a + at + 16), load(b + at + 16)));
  };
  for (size_t at = 0; at + 32 < size; at += 32) see(at);
  see(size - 32);
  return _mm_movemask_epi8(_mm_cmpeq_epi8(differ, _mm_setzero_si128())) == 0xffff;
#else
  return std::memcmp(a, b, size) == 0;
#endif
}

// Whether two texts of the same size are the same: in place of a call, since most are short.
[[gnu::always_inline]] inline bool SameBytes(const char* a, const char* b, size_t size) {
  const auto differ = [&](size_t at) { return LoadWord(a + at) ^ LoadWord(b + at); };
  if (size >= 32) return SameManyBytes(a, b, size);
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
  TextDictionary() { Clear(); }

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
    return Find(text, size, hash, [&](const char* other) { return SameBytes(other, text, size); });
  }
  uint32_t CodeOf(absl::string_view text) { return CodeOf(text.data(), text.size()); }
  // As CodeOf, of a text with kShortText bytes from its begin that may be read.
  uint32_t CodeOfPadded(const char* text, size_t size) {
    if (size > kShortText) return CodeOf(text, size);
    const ShortText wanted = ShortText::Padded(text, size);
    const uint64_t hash = HashShort(wanted, size);
    return Find(text, size, hash,
                [&](const char* other) { return ShortText::Padded(other, size) == wanted; });
  }

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
  // `is_same` tells of a text of this size whether it is the one.
  template <typename IsSame>
  uint32_t Find(const char* text, size_t size, uint64_t hash, const IsSame& is_same) {
    const uint32_t tag = static_cast<uint32_t>(hash >> 32);
    for (size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot slot = slots_[at];
      if (slot.code_plus_one == 0) return Add(at, tag, text, size);
      if (slot.tag != tag) continue;
      const Entry& entry = entries_[slot.code_plus_one - 1];
      if (entry.size == size && is_same(bytes_.data() + entry.offset)) {
        return slot.code_plus_one - 1;
      }
    }
  }
  uint32_t Add(size_t at, uint32_t tag, const char* text, size_t size);

  std::vector<Slot> slots_;
  std::vector<Entry> entries_;
  std::vector<char> bytes_;  // behind the texts kShortText more, which CodeOfPadded may read
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_TEXT_DICTIONARY_H_
