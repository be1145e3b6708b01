#include "base/decimal.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::base {
namespace {

using Unsigned = unsigned __int128;

constexpr Unsigned kMaxMagnitude = ~Unsigned{0} >> 1;
constexpr uint64_t kOne = 1'000'000'000'000'000'000;
// Exponents beyond this are the same as this: the value is zero or does not fit.
constexpr int64_t kMaxExponent = 1'000'000'000;
// 10^38 is the largest power of ten that a signed 128-bit number holds.
constexpr int kMaxPower = 38;

constexpr std::array<Unsigned, kMaxPower + 1> kPowers = [] {
  std::array<Unsigned, kMaxPower + 1> powers{};
  Unsigned power = 1;
  for (auto& entry : powers) {
    entry = power;
    power *= 10;
  }
  return powers;
}();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status NotANumber(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", EscapeForDisplay(text, 60), "\" is not a decimal number: ", why));
}

absl::Status TooLarge(absl::string_view text) {
  return absl::OutOfRangeError(
      absl::StrCat("\"", EscapeForDisplay(text, 60),
                   "\" does not fit: amounts are limited to ±170141183460469231731.6873"));
}

// The parts of a number's text once its form has been checked.
struct Parts {
  bool negative = false;
  absl::string_view whole;
  absl::string_view fraction;
  int64_t exponent = 0;
};

absl::StatusOr<Parts> Split(absl::string_view text) {
  Parts parts;
  size_t at = 0;
  if (at < text.size() && text[at] == '-') {
    parts.negative = true;
    ++at;
  }
  const size_t whole = at;
  while (at < text.size() && IsDigit(text[at])) ++at;
  parts.whole = text.substr(whole, at - whole);
  if (parts.whole.empty()) {
    return NotANumber(text, text.empty() ? "it is empty" : "a digit is expected first");
  }
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = ++at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    parts.fraction = text.substr(fraction, at - fraction);
    if (parts.fraction.empty()) return NotANumber(text, "digits are expected behind the point");
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool negative = false;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) negative = text[at++] == '-';
    const size_t first = at;
    for (; at < text.size() && IsDigit(text[at]); ++at) {
      parts.exponent = std::min(kMaxExponent, parts.exponent * 10 + (text[at] - '0'));
    }
    if (at == first) return NotANumber(text, "digits are expected behind the E");
    if (negative) parts.exponent = -parts.exponent;
  }
  if (at != text.size()) {
    return NotANumber(text, absl::StrCat("unexpected character at position ", at + 1));
  }
  return parts;
}

// magnitude / divisor, rounded half-even.
Unsigned DivideRounded(Unsigned magnitude, Unsigned divisor) {
  Unsigned quotient = magnitude / divisor;
  const Unsigned rest = magnitude % divisor;
  const Unsigned other = divisor - rest;
  if (rest > other || (rest == other && (quotient & 1) != 0)) ++quotient;
  return quotient;
}

Unsigned Magnitude(__int128 units) {
  return units < 0 ? Unsigned{0} - static_cast<Unsigned>(units) : static_cast<Unsigned>(units);
}

__int128 Signed(bool negative, Unsigned magnitude) {
  return negative ? -static_cast<__int128>(magnitude) : static_cast<__int128>(magnitude);
}

std::string Digits(Unsigned value) {
  char buffer[40];
  char* at = std::end(buffer);
  do {
    *--at = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return std::string(at, std::end(buffer));
}

// `value` with exactly `width` digits.
std::string PaddedDigits(Unsigned value, int width) {
  std::string digits = Digits(value);
  if (digits.size() < static_cast<size_t>(width)) digits.insert(0, width - digits.size(), '0');
  return digits;
}

}  // namespace

absl::StatusOr<Decimal> Decimal::Parse(absl::string_view text, bool* rounded) {
  absl::StatusOr<Parts> split = Split(text);
  if (!split.ok()) return std::move(split).status();
  const Parts& parts = *split;

  // The digits, point forgotten, as one number of at most 38 significant digits. The number of
  // digits that belong to the result's units follows from the place of the point; what lies behind
  // decides the rounding.
  const int64_t units_digits = static_cast<int64_t>(parts.whole.size()) + parts.exponent + kScale;
  const int64_t all_digits = static_cast<int64_t>(parts.whole.size() + parts.fraction.size());
  Unsigned magnitude = 0;
  int significant = 0;
  int64_t index = 0;
  // 0: nothing lost, 1: below half, 2: exactly half, 3: above half.
  int lost = 0;
  for (const absl::string_view piece : {parts.whole, parts.fraction}) {
    for (const char c : piece) {
      const int digit = c - '0';
      if (index < units_digits) {
        if (significant > 0 || digit != 0) {
          if (++significant > kMaxPower + 1) return TooLarge(text);
          // 39 digits can pass 2^128: check before the last one is added.
          if (significant == kMaxPower + 1 && magnitude > (kMaxMagnitude - digit) / 10) {
            return TooLarge(text);
          }
          magnitude = magnitude * 10 + digit;
        }
      } else if (index == units_digits) {
        lost = digit == 0 ? 0 : digit < 5 ? 1 : digit == 5 ? 2 : 3;
      } else if (digit != 0) {
        // Behind a place further right than the first lost one, a digit is below half by itself.
        if (lost == 0) lost = 1;
        if (lost == 2) lost = 3;
      }
      ++index;
    }
  }
  if (lost != 0 && units_digits < 0) lost = 1;  // the first lost place lies before the digits
  if (magnitude != 0 && units_digits > all_digits) {
    const int64_t missing = units_digits - all_digits;
    if (missing > kMaxPower || magnitude > kMaxMagnitude / kPowers[missing]) return TooLarge(text);
    magnitude *= kPowers[missing];
  }
  if (lost == 3 || (lost == 2 && (magnitude & 1) != 0)) ++magnitude;
  if (magnitude > kMaxMagnitude) return TooLarge(text);
  if (lost != 0 && rounded != nullptr) *rounded = true;
  return Decimal(Signed(parts.negative, magnitude));
}

bool Decimal::Add(Decimal a, Decimal b, Decimal* out) {
  __int128 sum;
  if (__builtin_add_overflow(a.units_, b.units_, &sum) || Magnitude(sum) > kMaxMagnitude) {
    return false;
  }
  out->units_ = sum;
  return true;
}

bool Decimal::Subtract(Decimal a, Decimal b, Decimal* out) {
  __int128 difference;
  if (__builtin_sub_overflow(a.units_, b.units_, &difference) ||
      Magnitude(difference) > kMaxMagnitude) {
    return false;
  }
  out->units_ = difference;
  return true;
}

bool Decimal::Multiply(Decimal a, Decimal b, Decimal* out) {
  const Unsigned x = Magnitude(a.units_);
  const Unsigned y = Magnitude(b.units_);
  // Schoolbook product in four limbs of 64 bits, lowest first.
  const Unsigned low = Unsigned{static_cast<uint64_t>(x)} * static_cast<uint64_t>(y);
  const Unsigned cross1 = Unsigned{static_cast<uint64_t>(x)} * static_cast<uint64_t>(y >> 64);
  const Unsigned cross2 = Unsigned{static_cast<uint64_t>(x >> 64)} * static_cast<uint64_t>(y);
  const Unsigned high = Unsigned{static_cast<uint64_t>(x >> 64)} * static_cast<uint64_t>(y >> 64);
  const Unsigned middle =
      (low >> 64) + static_cast<uint64_t>(cross1) + static_cast<uint64_t>(cross2);
  const Unsigned upper = high + (cross1 >> 64) + (cross2 >> 64) + (middle >> 64);
  const uint64_t limbs[4] = {static_cast<uint64_t>(low), static_cast<uint64_t>(middle),
                             static_cast<uint64_t>(upper), static_cast<uint64_t>(upper >> 64)};
  uint64_t quotient[4];
  uint64_t rest = 0;
  for (int i = 3; i >= 0; --i) {
    const Unsigned part = (Unsigned{rest} << 64) | limbs[i];
    quotient[i] = static_cast<uint64_t>(part / kOne);
    rest = static_cast<uint64_t>(part % kOne);
  }
  if (quotient[3] != 0 || quotient[2] != 0) return false;
  Unsigned magnitude = (Unsigned{quotient[1]} << 64) | quotient[0];
  if (magnitude > kMaxMagnitude) return false;
  const uint64_t half = kOne / 2;
  if (rest > half || (rest == half && (magnitude & 1) != 0)) ++magnitude;
  if (magnitude > kMaxMagnitude) return false;
  out->units_ = Signed((a.units_ < 0) != (b.units_ < 0), magnitude);
  return true;
}

std::string Decimal::ToString() const {
  const Unsigned magnitude = Magnitude(units_);
  std::string text = absl::StrCat(units_ < 0 ? "-" : "", Digits(magnitude / kOne));
  std::string fraction = PaddedDigits(magnitude % kOne, kScale);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  if (!fraction.empty()) absl::StrAppend(&text, ".", fraction);
  return text;
}

std::string Decimal::ToRounded(int digits) const {
  digits = std::clamp(digits, 0, kScale);
  const Unsigned magnitude = DivideRounded(Magnitude(units_), kPowers[kScale - digits]);
  const Unsigned one = kPowers[digits];
  // What rounds to zero is shown as zero, without a sign.
  std::string text = absl::StrCat(units_ < 0 && magnitude != 0 ? "-" : "", Digits(magnitude / one));
  if (digits > 0) absl::StrAppend(&text, ".", PaddedDigits(magnitude % one, digits));
  return text;
}

}  // namespace purser::base
