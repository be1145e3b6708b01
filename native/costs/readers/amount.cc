#include "costs/readers/amount.h"

#include <cstdint>
#include <cstring>
#include <iterator>

#include "base/decimal.h"
#include "costs/readers/amount_scan.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace purser::costs {
namespace {

constexpr int kScale = base::Decimal::kScale;
static_assert(std::size(kPowersOfTen) == kScale + 1);
constexpr uint64_t kZeros = 0x3030303030303030u;

// Eight bytes that are all digits.
inline bool EightDigits(uint64_t word) {
  return ((word & 0xF0F0F0F0F0F0F0F0u) |
          (((word + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u) >> 4)) == 0x3333333333333333u;
}

// Of eight numbers below ten, the first byte the highest digit. Adds neighbours, then pairs, then
// fours.
inline uint32_t ValueOfEight(uint64_t word) {
  word = word * 10 + (word >> 8);
  return static_cast<uint32_t>((((word & 0x000000FF000000FFu) * 0x000F424000000064u) +
                                (((word >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u)) >>
                               32);
}

// Appends digits to *value and returns the place behind them.
inline const char* TakeDigits(const char* at, const char* end, uint64_t* value) {
  uint64_t word;
  while (end - at >= 8) {
    std::memcpy(&word, at, 8);
    if (!EightDigits(word)) break;
    *value = *value * 100'000'000 + ValueOfEight(word ^ kZeros);
    at += 8;
  }
  while (at < end) {
    const unsigned digit = static_cast<unsigned char>(*at) - unsigned{'0'};
    if (digit > 9) break;
    *value = *value * 10 + digit;
    ++at;
  }
  return at;
}

AmountKind ParseAnyAmount(const char* text, size_t size, __int128* units) {
  bool rounded = false;
  const absl::StatusOr<base::Decimal> value =
      base::Decimal::Parse(absl::string_view(text, size), &rounded);
  if (!value.ok()) return AmountKind::kBad;
  *units = value->units();
  return rounded ? AmountKind::kRounded : AmountKind::kExact;
}

#if defined(__SSE2__)
constexpr size_t kMaskedBytes = 32;
static_assert(kAmountPadding >= kMaskedBytes + 4, "an exponent is read without a look at the end");

// A bit for each of kMaskedBytes bytes that is a digit.
inline uint32_t DigitMask(const char* text) {
  const __m128i nine = _mm_set1_epi8(9);
  const auto mask = [&](const char* at) {
    const __m128i digits =
        _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)), _mm_set1_epi8('0'));
    return static_cast<uint32_t>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, nine), digits)));
  };
  return mask(text) | mask(text + 16) << 16;
}

// The value of up to eight digits; eight bytes are read.
inline uint64_t ValueOfDigits(const char* at, unsigned count) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  // In two steps, since no digits would shift by all 64 bits.
  const unsigned half = 4 * (8 - count);
  return ValueOfEight((word ^ kZeros) << half << half);
}
#endif

}  // namespace

#if defined(__SSE2__)
// All digits are found at once, so that nothing is guessed about how many there are.
AmountKind ParsePaddedAmount(const char* text, size_t size, __int128* units) {
  if (size == 0 || size >= kMaskedBytes) return ParseAmount(text, size, units);
  const unsigned negative = text[0] == '-';
  uint64_t others = (~uint64_t{DigitMask(text)} | uint64_t{1} << size) & ~uint64_t{negative};
  unsigned end = static_cast<unsigned>(__builtin_ctzll(others));
  const unsigned whole = end - negative;
  const char* fraction = text;
  unsigned digits = 0;  // behind the point
  if (end < size && text[end] == '.') {
    fraction += end + 1;
    others &= others - 1;
    const unsigned point = end;
    end = static_cast<unsigned>(__builtin_ctzll(others));
    digits = end - point - 1;
    if (digits == 0) return AmountKind::kBad;
  }
  // Nineteen digits fit into 64 bits.
  if (whole == 0 || whole > 8 || digits > 16 || whole + digits > 19) {
    return ParseAmount(text, size, units);
  }
  const unsigned first = digits < 8 ? digits : 8;
  const uint64_t value = ValueOfDigits(text + negative, whole) * kPowersOfTen[digits] +
                         ValueOfDigits(fraction, first) * kPowersOfTen[digits - first] +
                         ValueOfDigits(fraction + 8, digits - first);
  // An exponent of one or two digits; half of the amounts have one, so that a guess would be wrong
  // each other time. Whatever else stands there goes the general way.
  const size_t rest = size - end;
  const char* const e = text + end;
  const unsigned down = e[1] == '-';
  const unsigned sign = down | (e[1] == '+');
  const unsigned high = static_cast<unsigned char>(e[1 + sign]) - unsigned{'0'};
  const unsigned low = static_cast<unsigned char>(e[2 + sign]) - unsigned{'0'};
  const unsigned two = rest == size_t{3} + sign;
  const unsigned one = rest == size_t{2} + sign;
  const unsigned is_exponent =
      ((e[0] | 0x20) == 'e') & (high <= 9) & (one | (two & unsigned{low <= 9}));
  const unsigned there = rest != 0;
  const int exponent = static_cast<int>((high + two * (9 * high + low)) & (0 - there));
  const int shift = kScale - static_cast<int>(digits) + (exponent ^ -static_cast<int>(down)) +
                    static_cast<int>(down);
  if ((there & ~is_exponent & 1) != 0 || static_cast<unsigned>(shift) > unsigned{kScale}) {
    return ParseAmount(text, size, units);
  }
  const __int128 magnitude = static_cast<__int128>(value) * kPowersOfTen[shift];
  const __int128 minus = -static_cast<__int128>(negative);
  *units = (magnitude ^ minus) - minus;
  return AmountKind::kExact;
}
#else
AmountKind ParsePaddedAmount(const char* text, size_t size, __int128* units) {
  return ParseAmount(text, size, units);
}
#endif

// The common forms, at most 19 digits in all so that they fit 64 bits; everything else goes the
// general way.
AmountKind ParseAmount(const char* text, size_t size, __int128* units) {
  const char* const end = text + size;
  const char* at = text;
  const bool negative = at < end && *at == '-';
  if (negative) ++at;
  uint64_t value = 0;
  const char* const whole = at;
  at = TakeDigits(at, end, &value);
  int64_t digits = at - whole;
  if (digits == 0) return AmountKind::kBad;
  int64_t shift = kScale;
  if (at < end && *at == '.') {
    const char* const fraction = ++at;
    at = TakeDigits(at, end, &value);
    if (at == fraction) return AmountKind::kBad;
    shift -= at - fraction;
    digits += at - fraction;
  }
  if (digits > 19) return ParseAnyAmount(text, size, units);
  if (at < end) {
    if (*at != 'e' && *at != 'E') return AmountKind::kBad;
    ++at;
    const bool down = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) ++at;
    if (at == end || end - at > 3) return ParseAnyAmount(text, size, units);
    int64_t exponent = 0;
    for (; at < end; ++at) {
      const unsigned digit = static_cast<unsigned char>(*at) - unsigned{'0'};
      if (digit > 9) return AmountKind::kBad;
      exponent = exponent * 10 + digit;
    }
    shift += down ? -exponent : exponent;
  }
  if (shift < 0 || shift > kScale) {
    if (value == 0 && shift >= 0) {
      *units = 0;
      return AmountKind::kExact;
    }
    return ParseAnyAmount(text, size, units);
  }
  const __int128 magnitude = static_cast<__int128>(value) * kPowersOfTen[shift];
  *units = negative ? -magnitude : magnitude;
  return AmountKind::kExact;
}

size_t ParseAmountsBaseline(const AmountColumn& column, __int128* units, uint32_t* others) {
  size_t count = 0;
  const uint32_t* end = column.ends;
  for (size_t row = 0; row < column.rows; ++row, end += column.stride) {
    const size_t begin = static_cast<uint32_t>(end[-1] + 1);
    const char* text = column.text + begin;
    size_t size = end[0] - begin;
    if (size >= 2 && *text == '"') {
      ++text;
      size -= 2;
    }
    const AmountKind kind = ParsePaddedAmount(text, size, &units[row]);
    if (kind != AmountKind::kExact) others[count++] = static_cast<uint32_t>(row);
  }
  return count;
}

size_t ParseAmounts(const AmountColumn& column, __int128* units, uint32_t* others,
                    SimdLevel level) {
#if defined(__x86_64__)
  if (level == SimdLevel::kAvx512) return ParseAmountsAvx512(column, units, others);
  if (level == SimdLevel::kAvx2) return ParseAmountsAvx2(column, units, others);
#else
  static_cast<void>(level);
#endif
  return ParseAmountsBaseline(column, units, others);
}

std::string AmountProblem(absl::string_view text) {
  if (text.empty()) return "no amount; FOCUS allows no NULL here";
  const absl::StatusOr<base::Decimal> value = base::Decimal::Parse(text);
  return value.ok() ? "not an amount" : std::string(value.status().message());
}

}  // namespace purser::costs
