// The inside of ParseAmounts by vectors: what its levels share. Included by one file per level,
// each compiled for its processors, AVX2 at least; so everything here is local to the including
// file.
#ifndef PURSER_COSTS_READERS_AMOUNT_VECTORS_H_
#define PURSER_COSTS_READERS_AMOUNT_VECTORS_H_

#include <immintrin.h>

#include <cstring>

#include "costs/readers/amount_scan.h"

namespace purser::costs {
namespace {

constexpr size_t kAmountBlock = 64;  // amounts that are read together
constexpr uint32_t kMostAmountBytes = 30;
constexpr uint32_t kMostMantissa = 16;  // without the sign
constexpr uint32_t kAmountScale = 18;

// What stands in the texts of some amounts; a mask has a bit for each byte of its text.
struct AmountTexts {
  alignas(64) uint32_t size[kAmountBlock];  // 0: too long
  alignas(64) uint32_t tail[kAmountBlock];  // the last two bytes
  alignas(64) uint32_t digit[kAmountBlock];
  alignas(64) uint32_t point[kAmountBlock];
  alignas(64) uint32_t e[kAmountBlock];
  alignas(64) uint32_t minus[kAmountBlock];
  alignas(64) uint8_t values[kAmountBlock][32];  // of the digits
};

// How the amounts are made of their digits.
struct AmountForms {
  alignas(64) uint32_t negative[kAmountBlock];  // 1 or 0
  alignas(64) uint32_t whole[kAmountBlock];     // digits in front of the point
  alignas(64) uint32_t count[kAmountBlock];     // all digits
  alignas(64) uint32_t shift[kAmountBlock];     // times ten to this they are units
  uint64_t usual = 0;                           // a bit for each amount
};

// A Level has what takes instructions of its own:
//   Lanes            as many numbers as amounts are understood side by side
//   Equal(bytes, c)  a bit for each byte that is c
//   UpTo(bytes, c)   a bit for each byte that is at most c
//   AsFloats(lanes)  the bits of the floating numbers that have these values
//   LastBits(lanes)  a bit for each lane: its last one
template <typename Level>
class AmountParser {
 public:
  static size_t Parse(const AmountColumn& column, __int128* units, uint32_t* others) {
    // The lanes behind the last amount hold what was there before.
    AmountTexts texts = {};
    size_t left = 0;
    for (size_t first = 0; first < column.rows; first += kAmountBlock) {
      const size_t count = column.rows - first < kAmountBlock ? column.rows - first : kAmountBlock;
      AmountForms forms;
      Look(column, first, count, texts);
      for (size_t i = 0; i < kAmountBlock; i += kLanes) Understand(texts, i, forms);
      alignas(32) int64_t values[kAmountBlock];
      Value(texts, forms, values);
      for (size_t i = 0; i < count; ++i) {
        const int64_t minus = -static_cast<int64_t>(forms.negative[i]);
        units[first + i] = static_cast<__int128>((values[i] ^ minus) - minus) *
                           static_cast<int64_t>(kPowersOfTen[forms.shift[i]]);
      }
      const uint64_t valid = ~uint64_t{0} >> (kAmountBlock - count);
      for (uint64_t rest = ~forms.usual & valid; rest != 0; rest &= rest - 1) {
        others[left++] = static_cast<uint32_t>(first + static_cast<size_t>(__builtin_ctzll(rest)));
      }
    }
    return left;
  }

 private:
  using Lanes = typename Level::Lanes;
  static constexpr size_t kLanes = sizeof(Lanes) / sizeof(uint32_t);

  static void Look(const AmountColumn& column, size_t first, size_t count, AmountTexts& texts) {
    const uint32_t* end = column.ends + first * column.stride;
    for (size_t i = 0; i < count; ++i, end += column.stride) {
      const uint32_t begin = end[-1] + 1;
      const char* text = column.text + begin;
      const uint32_t quote = *text == '"';
      text += quote;
      uint32_t size = end[0] - begin - 2 * quote;
      size = size > kMostAmountBytes ? 0 : size;
      uint16_t tail;
      std::memcpy(&tail, text + (size < 2 ? 2 : size) - 2, 2);
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
      const __m256i values = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
      texts.size[i] = size;
      texts.tail[i] = tail;
      texts.digit[i] = Level::UpTo(values, 9);
      texts.point[i] = Level::Equal(bytes, '.');
      texts.e[i] = Level::Equal(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), 'e');
      texts.minus[i] = Level::Equal(bytes, '-');
      _mm256_store_si256(reinterpret_cast<__m256i*>(texts.values[i]), values);
    }
  }

  static Lanes Load(const uint32_t* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof(lanes));
    return lanes;
  }
  static void Store(uint32_t* to, Lanes lanes) { std::memcpy(to, &lanes, sizeof(lanes)); }
  // Which bit is the only one that is set, of the first 31; of none, any number.
  static Lanes PlaceOf(Lanes bit) { return (Level::AsFloats(bit) >> 23) - 127; }
  // One where the comparison is true.
  template <typename Comparison>
  static Lanes One(Comparison comparison) {
    return reinterpret_cast<Lanes>(comparison) & 1;
  }

  // Of kLanes amounts: [-]digits[.digits][E[-]digits], with two digits in the exponent at most.
  static void Understand(const AmountTexts& texts, size_t first, AmountForms& forms) {
    const Lanes size = Load(texts.size + first);
    const Lanes behind = (Lanes{} + 1) << size;
    const Lanes all = behind - 1;
    const Lanes digit = Load(texts.digit + first) & all;
    const Lanes minus = Load(texts.minus + first) & all;

    // In front of the exponent, or of the end.
    const Lanes ends = (Load(texts.e + first) & all) | behind;
    const Lanes mantissa = ~ends & (ends - 1);
    const Lanes end = ends & ~(ends - 1);
    const Lanes digits = digit & mantissa;
    const Lanes point = Load(texts.point + first) & mantissa;
    const Lanes negative = minus & 1;
    const Lanes has_point = One(point != 0);
    const Lanes length = PlaceOf(end) - negative;
    const Lanes count = length - has_point;
    const Lanes whole = ((PlaceOf(point) - negative) & (0 - has_point)) | (count & (has_point - 1));
    Lanes wrong = (mantissa ^ (digits | point | negative)) | (point & (point - 1));
    // A digit in front and on both sides of the point.
    wrong |= ~(digits >> negative) & 1;
    wrong |= point & ~(digits << 1 & digits >> 1);

    // The exponent.
    const Lanes there = One((end & all) != 0);
    const Lanes down = minus & end << 1;
    const Lanes sign = One(down != 0);
    wrong |= all & ~(mantissa | end | down | digit);
    const Lanes places = size - (length + negative) - 1 - sign;
    const Lanes tail = Load(texts.tail + first);
    const Lanes tens = ((tail & 0xff) - '0') & (0 - One(places == 2));
    const Lanes value = ((tail >> 8) - '0' + 10 * tens) & (0 - there);
    const Lanes shift = kAmountScale - (count - whole) + ((value ^ (0 - sign)) + sign);

    const auto usual =
        reinterpret_cast<Lanes>((wrong == 0) & (length <= kMostMantissa) & (shift <= kAmountScale) &
                                ((there == 0) | (places - 1 <= 1)));
    Store(forms.negative + first, negative);
    Store(forms.whole + first, whole & usual);
    Store(forms.count + first, count & usual);
    Store(forms.shift + first, shift & usual);
    forms.usual |= uint64_t{Level::LastBits(usual)} << first;
  }

  // The sixteen digits of an amount, the last ones of which are its own.
  static __m128i DigitsOf(const AmountTexts& texts, const AmountForms& forms, size_t i) {
    // Read from where as many places as there are digits are left.
    alignas(32) static constexpr int8_t kPlaces[32] = {
        -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
        -128, -128, -128, -128, -128, 0,    1,    2,    3,    4,    5,
        6,    7,    8,    9,    10,   11,   12,   13,   14,   15};
    const auto load = [](const void* from) {
      return _mm_loadu_si128(static_cast<const __m128i*>(from));
    };
    __m128i places = load(kPlaces + forms.count[i]);
    const __m128i whole = _mm_set1_epi8(static_cast<char>(forms.whole[i] - 1));
    places = _mm_sub_epi8(places, _mm_cmpgt_epi8(places, whole));  // over the point
    return _mm_shuffle_epi8(load(texts.values[i] + forms.negative[i]), places);
  }

  // Without the signs.
  static void Value(const AmountTexts& texts, const AmountForms& forms, int64_t* values) {
    const auto fours = [](__m256i digits) {
      const __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(1 << 8 | 10));
      return _mm256_madd_epi16(pairs, _mm256_set1_epi32(1 << 16 | 100));
    };
    for (size_t i = 0; i < kAmountBlock; i += 4) {
      const auto digits = [&](size_t k) { return DigitsOf(texts, forms, i + k); };
      const __m256i even = fours(_mm256_set_m128i(digits(2), digits(0)));
      const __m256i odd = fours(_mm256_set_m128i(digits(3), digits(1)));
      const __m256i eights =
          _mm256_madd_epi16(_mm256_packus_epi32(even, odd), _mm256_set1_epi32(1 << 16 | 10'000));
      const __m256i four = _mm256_add_epi64(
          _mm256_mul_epu32(eights, _mm256_set1_epi64x(100'000'000)), _mm256_srli_epi64(eights, 32));
      _mm256_store_si256(reinterpret_cast<__m256i*>(values + i), four);
    }
  }
};

}  // namespace
}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_AMOUNT_VECTORS_H_
