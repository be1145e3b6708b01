#include "costs/readers/amount.h"

#include <cstdint>
#include <cstring>

#include "base/decimal.h"

namespace purser::costs {
namespace {

constexpr int kScale = base::Decimal::kScale;
constexpr uint64_t kPowers[kScale + 1] = {1u,
                                          10u,
                                          100u,
                                          1'000u,
                                          10'000u,
                                          100'000u,
                                          1'000'000u,
                                          10'000'000u,
                                          100'000'000u,
                                          1'000'000'000u,
                                          10'000'000'000u,
                                          100'000'000'000u,
                                          1'000'000'000'000u,
                                          10'000'000'000'000u,
                                          100'000'000'000'000u,
                                          1'000'000'000'000'000u,
                                          10'000'000'000'000'000u,
                                          100'000'000'000'000'000u,
                                          1'000'000'000'000'000'000u};

// Eight bytes that are all digits.
inline bool EightDigits(uint64_t word) {
  return ((word & 0xF0F0F0F0F0F0F0F0u) |
          (((word + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u) >> 4)) == 0x3333333333333333u;
}

// Their value; the first byte is the highest digit. Adds neighbours, then pairs, then fours.
inline uint32_t ValueOfEight(uint64_t word) {
  word -= 0x3030303030303030u;
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
    *value = *value * 100'000'000 + ValueOfEight(word);
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

}  // namespace

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
  const __int128 magnitude = static_cast<__int128>(value) * kPowers[shift];
  *units = negative ? -magnitude : magnitude;
  return AmountKind::kExact;
}

std::string AmountProblem(absl::string_view text) {
  if (text.empty()) return "no amount; FOCUS allows no NULL here";
  const absl::StatusOr<base::Decimal> value = base::Decimal::Parse(text);
  return value.ok() ? "not an amount" : std::string(value.status().message());
}

}  // namespace purser::costs
