// ParseAmounts for processors with AVX-512. Compiled with those instructions on x86-64, else empty.
#include "costs/readers/amount_scan.h"

#if defined(__AVX512VBMI2__) && defined(__AVX512VPOPCNTDQ__) && defined(__AVX512BW__) && \
    defined(__AVX512VL__)
#include <immintrin.h>

namespace purser::costs {
namespace {

constexpr size_t kBlock = 64;  // amounts that are read together
constexpr size_t kLanes = 16;
constexpr uint32_t kMostBytes = 31;
constexpr uint32_t kMostDigits = 16;
constexpr uint32_t kScale = 18;

// What stands in the texts of some amounts; a mask has a bit for each byte of its text.
struct Texts {
  alignas(64) uint32_t size[kBlock];  // 0: too long
  alignas(64) uint32_t tail[kBlock];  // the last two bytes
  alignas(64) uint32_t digit[kBlock];
  alignas(64) uint32_t point[kBlock];
  alignas(64) uint32_t e[kBlock];
  alignas(64) uint32_t minus[kBlock];
  alignas(64) uint32_t plus[kBlock];
  alignas(64) uint8_t values[kBlock][32];  // of the digits
};

// How the amounts are made of their digits.
struct Forms {
  alignas(64) uint32_t digit[kBlock];  // those in front of the exponent, as a mask
  alignas(64) uint32_t place[kBlock];  // as many bits, the last ones of sixteen
  alignas(64) uint32_t shift[kBlock];  // times ten to this they are units
  uint64_t negative = 0;               // a bit for each amount
  uint64_t usual = 0;
};

void Look(const AmountColumn& column, size_t first, size_t count, Texts& texts) {
  const uint32_t* end = column.ends + first * column.stride;
  for (size_t i = 0; i < count; ++i, end += column.stride) {
    const uint32_t begin = end[-1] + 1;
    const char* text = column.text + begin;
    const uint32_t quote = *text == '"';
    text += quote;
    uint32_t size = end[0] - begin - 2 * quote;
    size = size > kMostBytes ? 0 : size;
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
    const __m256i values = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
    const char* const tail = text + (size < 2 ? 2 : size) - 2;
    texts.size[i] = size;
    texts.tail[i] = static_cast<uint32_t>(static_cast<unsigned char>(tail[0])) |
                    static_cast<uint32_t>(static_cast<unsigned char>(tail[1])) << 16;
    texts.digit[i] = _mm256_cmplt_epu8_mask(values, _mm256_set1_epi8(10));
    texts.point[i] = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8('.'));
    texts.e[i] = _mm256_cmpeq_epi8_mask(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)),
                                        _mm256_set1_epi8('e'));
    texts.minus[i] = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8('-'));
    texts.plus[i] = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8('+'));
    _mm256_store_si256(reinterpret_cast<__m256i*>(texts.values[i]), values);
  }
}

// Of kLanes amounts: [-]digits[.digits][E[+-]digits], with at most kMostDigits digits and two in
// the exponent.
void Understand(const Texts& texts, size_t first, Forms& forms) {
  const auto load = [&](const uint32_t* from) { return _mm512_load_si512(from + first); };
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i behind = _mm512_sllv_epi32(one, load(texts.size));
  const __m512i all = _mm512_sub_epi32(behind, one);
  const __m512i digit = _mm512_and_si512(load(texts.digit), all);
  const __m512i minus = _mm512_and_si512(load(texts.minus), all);
  const __m512i plus = _mm512_and_si512(load(texts.plus), all);

  // In front of the exponent, or of the end.
  const __m512i ends = _mm512_or_si512(_mm512_and_si512(load(texts.e), all), behind);
  const __m512i end = _mm512_andnot_si512(_mm512_sub_epi32(ends, one), ends);
  const __m512i mantissa = _mm512_andnot_si512(ends, _mm512_sub_epi32(ends, one));
  const __m512i digits = _mm512_and_si512(digit, mantissa);
  const __m512i point = _mm512_and_si512(load(texts.point), mantissa);
  const __m512i negative = _mm512_and_si512(minus, one);
  const __m512i count = _mm512_popcnt_epi32(digits);
  const __m512i below_point = _mm512_sub_epi32(point, one);
  const __m512i fraction =
      _mm512_popcnt_epi32(_mm512_andnot_si512(_mm512_or_si512(point, below_point), mantissa));
  __m512i wrong =
      _mm512_xor_si512(mantissa, _mm512_or_si512(_mm512_or_si512(digits, point), negative));
  wrong = _mm512_or_si512(wrong, _mm512_and_si512(point, below_point));
  // A digit in front and on both sides of the point.
  wrong = _mm512_or_si512(wrong, _mm512_andnot_si512(_mm512_srlv_epi32(digits, negative), one));
  wrong = _mm512_or_si512(wrong, _mm512_andnot_si512(_mm512_and_si512(_mm512_slli_epi32(digits, 1),
                                                                      _mm512_srli_epi32(digits, 1)),
                                                     point));

  // The exponent.
  const __mmask16 there = _mm512_test_epi32_mask(end, all);
  const __m512i sign_place = _mm512_slli_epi32(end, 1);
  const __m512i down = _mm512_and_si512(minus, sign_place);
  const __m512i head = _mm512_or_si512(_mm512_or_si512(mantissa, end),
                                       _mm512_or_si512(down, _mm512_and_si512(plus, sign_place)));
  const __m512i exponent_digits = _mm512_andnot_si512(head, all);
  wrong = _mm512_or_si512(wrong, _mm512_andnot_si512(digit, exponent_digits));
  const __m512i places = _mm512_popcnt_epi32(exponent_digits);
  const __m512i tail = _mm512_sub_epi16(load(texts.tail), _mm512_set1_epi16('0'));
  // Both digits, or the last one alone.
  const __m512i weights =
      _mm512_mask_blend_epi32(_mm512_cmpeq_epi32_mask(places, _mm512_set1_epi32(2)),
                              _mm512_set1_epi32(1 << 16), _mm512_set1_epi32(1 << 16 | 10));
  __m512i exponent = _mm512_maskz_mov_epi32(there, _mm512_madd_epi16(tail, weights));
  exponent = _mm512_mask_sub_epi32(exponent, _mm512_test_epi32_mask(down, down),
                                   _mm512_setzero_si512(), exponent);
  const __m512i shift =
      _mm512_add_epi32(_mm512_sub_epi32(_mm512_set1_epi32(kScale), fraction), exponent);

  const __mmask16 usual = _mm512_testn_epi32_mask(wrong, wrong) &
                          _mm512_cmple_epu32_mask(count, _mm512_set1_epi32(kMostDigits)) &
                          _mm512_cmple_epu32_mask(shift, _mm512_set1_epi32(kScale)) &
                          _mm512_cmple_epu32_mask(places, _mm512_set1_epi32(2)) &
                          static_cast<__mmask16>(~there | _mm512_test_epi32_mask(places, places));
  _mm512_store_si512(forms.digit + first, digits);
  _mm512_store_si512(forms.place + first,
                     _mm512_srlv_epi32(_mm512_set1_epi32(static_cast<int>(0xffff0000u)), count));
  _mm512_store_si512(forms.shift + first, _mm512_maskz_mov_epi32(usual, shift));
  forms.negative |= uint64_t{_mm512_test_epi32_mask(negative, negative)} << first;
  forms.usual |= uint64_t{usual} << first;
}

// The values of eight amounts, whose digits stand in lanes of sixteen bytes: even amounts in one
// vector, odd ones in the other.
__m512i ValuesOf(__m512i even, __m512i odd) {
  const auto fours = [](__m512i digits) {
    const __m512i pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(1 << 8 | 10));
    return _mm512_madd_epi16(pairs, _mm512_set1_epi32(1 << 16 | 100));
  };
  const __m512i eights = _mm512_madd_epi16(_mm512_packus_epi32(fours(even), fours(odd)),
                                           _mm512_set1_epi32(1 << 16 | 10'000));
  return _mm512_add_epi64(_mm512_mul_epu32(eights, _mm512_set1_epi64(100'000'000)),
                          _mm512_srli_epi64(eights, 32));
}

void Value(const Texts& texts, const Forms& forms, int64_t* values) {
  alignas(64) uint8_t digits[kBlock][16];
  for (size_t i = 0; i < kBlock; ++i) {
    const __m256i text = _mm256_load_si256(reinterpret_cast<const __m256i*>(texts.values[i]));
    const __m128i packed = _mm256_castsi256_si128(
        _mm256_maskz_compress_epi8(static_cast<__mmask32>(forms.digit[i]), text));
    const size_t place = (i & ~size_t{7}) | (i & 1) << 2 | (i & 7) >> 1;
    _mm_store_si128(reinterpret_cast<__m128i*>(digits[place]),
                    _mm_maskz_expand_epi8(static_cast<__mmask16>(forms.place[i]), packed));
  }
  for (size_t i = 0; i < kBlock; i += 8) {
    const __m512i eight = ValuesOf(_mm512_load_si512(digits[i]), _mm512_load_si512(digits[i + 4]));
    _mm512_store_si512(values + i,
                       _mm512_mask_sub_epi64(eight, static_cast<__mmask8>(forms.negative >> i),
                                             _mm512_setzero_si512(), eight));
  }
}

}  // namespace

size_t ParseAmountsAvx512(const AmountColumn& column, __int128* units, uint32_t* others) {
  // The lanes behind the last amount hold what was there before.
  Texts texts = {};
  alignas(64) int64_t values[kBlock];
  size_t left = 0;
  for (size_t first = 0; first < column.rows; first += kBlock) {
    const size_t count = column.rows - first < kBlock ? column.rows - first : kBlock;
    Forms forms;
    Look(column, first, count, texts);
    for (size_t i = 0; i < kBlock; i += kLanes) Understand(texts, i, forms);
    Value(texts, forms, values);
    for (size_t i = 0; i < count; ++i) {
      units[first + i] =
          static_cast<__int128>(values[i]) * static_cast<int64_t>(kPowersOfTen[forms.shift[i]]);
    }
    const uint64_t valid = ~uint64_t{0} >> (kBlock - count);
    for (uint64_t rest = ~forms.usual & valid; rest != 0; rest &= rest - 1) {
      others[left++] = static_cast<uint32_t>(first) + static_cast<uint32_t>(__builtin_ctzll(rest));
    }
  }
  return left;
}

}  // namespace purser::costs
#endif
