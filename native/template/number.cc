#include "template/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "template/unicode.h"

namespace purser::tmpl {
namespace {

// A finite number other than 0 as digits d1 d2 … with value 0.d1d2… × 10^point.
struct Digits {
  std::string digits;
  int point;
};

Digits Shortest(double value) {
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  Digits out;
  const char* p = buffer;
  for (; p != end && *p != 'e'; ++p) {
    if (*p != '.') out.digits.push_back(*p);
  }
  int exponent = 0;
  const char* start = p + 1;
  if (start != end && *start == '+') ++start;
  std::from_chars(start, end, exponent);
  out.point = exponent + 1;
  while (out.digits.size() > 1 && out.digits.back() == '0') out.digits.pop_back();
  return out;
}

// The exact decimal expansion: a double has at most 767 significant digits.
Digits Exact(double value) {
  char buffer[1200];
  const int length = std::snprintf(buffer, sizeof(buffer), "%.*e", 1099, value);
  Digits out;
  int i = 0;
  for (; i < length && buffer[i] != 'e'; ++i) {
    if (buffer[i] != '.') out.digits.push_back(buffer[i]);
  }
  out.point = std::atoi(buffer + i + 1) + 1;
  return out;
}

// Keeps `count` digits (may be 0 or negative), half away from zero.
void Round(Digits& number, int count) {
  if (count < 0) {
    number.digits = "0";
    return;
  }
  if (count >= static_cast<int>(number.digits.size())) {
    number.digits.append(count - number.digits.size(), '0');
    return;
  }
  const bool up = number.digits[count] >= '5';
  number.digits.resize(count);
  if (!up) return;
  int i = count - 1;
  while (i >= 0 && number.digits[i] == '9') number.digits[i--] = '0';
  if (i >= 0) {
    ++number.digits[i];
  } else {
    number.digits.insert(number.digits.begin(), '1');
    ++number.point;
  }
}

std::string ExponentText(int exponent) {
  return std::string(exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
}

std::string Scientific(const Digits& number) {
  std::string out = number.digits.substr(0, 1);
  if (number.digits.size() > 1) out += "." + number.digits.substr(1);
  return out + ExponentText(number.point - 1);
}

bool Special(double value, std::string* out) {
  if (std::isnan(value)) {
    *out = "NaN";
  } else if (std::isinf(value)) {
    *out = value < 0 ? "-Infinity" : "Infinity";
  } else {
    return false;
  }
  return true;
}

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

// Length of the longest prefix that is a decimal literal (no sign, no Infinity); 0 if none.
size_t DecimalPrefix(absl::string_view text) {
  size_t i = 0;
  while (i < text.size() && IsAsciiDigit(text[i])) ++i;
  size_t digits = i;
  if (i < text.size() && text[i] == '.') {
    size_t j = i + 1;
    while (j < text.size() && IsAsciiDigit(text[j])) ++j;
    digits += j - i - 1;
    if (digits > 0) i = j;
  }
  if (digits == 0) return 0;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    size_t j = i + 1;
    if (j < text.size() && (text[j] == '+' || text[j] == '-')) ++j;
    const size_t first = j;
    while (j < text.size() && IsAsciiDigit(text[j])) ++j;
    if (j > first) i = j;
  }
  return i;
}

double DecimalValue(absl::string_view literal) {
  double value = 0;
  const auto result = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    // from_chars leaves the value alone: tell overflow from underflow by strtod.
    value = std::strtod(std::string(literal).c_str(), nullptr);
  }
  return value;
}

double RadixValue(absl::string_view digits, int radix) {
  if (radix == 10) return DecimalValue(digits);
  double value = 0;
  if ((radix & (radix - 1)) == 0) {
    // A power of two: from_chars on hexadecimal would round rightly for 16 only, so keep 64 bits
    // and a sticky bit.
    int bits = 0;
    while ((1 << bits) < radix) ++bits;
    uint64_t mantissa = 0;
    int shift = 0;
    bool sticky = false;
    for (const char c : digits) {
      for (int b = bits - 1; b >= 0; --b) {
        const uint64_t bit = (DigitValue(c) >> b) & 1;
        if (mantissa >> 62) {
          ++shift;
          sticky |= bit != 0;
        } else {
          mantissa = mantissa << 1 | bit;
        }
      }
    }
    if (sticky) mantissa |= 1;
    return std::ldexp(static_cast<double>(mantissa), shift);
  }
  for (const char c : digits) value = value * radix + DigitValue(c);
  return value;
}

}  // namespace

std::string NumberToString(double value) {
  std::string out;
  if (Special(value, &out)) return out;
  if (value == 0) return "0";
  if (value == std::trunc(value) && std::fabs(value) < 9007199254740992.0) {
    return std::to_string(static_cast<int64_t>(value));
  }
  const std::string sign = value < 0 ? "-" : "";
  const Digits number = Shortest(std::fabs(value));
  const int count = static_cast<int>(number.digits.size());
  if (count <= number.point && number.point <= 21) {
    return sign + number.digits + std::string(number.point - count, '0');
  }
  if (number.point > 0 && number.point <= 21) {
    return sign + number.digits.substr(0, number.point) + "." + number.digits.substr(number.point);
  }
  if (number.point > -6 && number.point <= 0) {
    return sign + "0." + std::string(-number.point, '0') + number.digits;
  }
  return sign + Scientific(number);
}

std::string NumberToFixed(double value, int digits) {
  std::string out;
  if (Special(value, &out)) return out;
  if (std::fabs(value) >= 1e21) return NumberToString(value);
  const bool negative = value < 0;
  Digits number = {"0", 1};
  if (value != 0) {
    number = Exact(std::fabs(value));
    Round(number, number.point + digits);
  }
  // Now digits[0..point) stand before the point.
  std::string whole, part;
  for (int i = 0; i < number.point; ++i) {
    whole.push_back(i < static_cast<int>(number.digits.size()) ? number.digits[i] : '0');
  }
  if (whole.empty()) whole = "0";
  for (int i = 0; i < digits; ++i) {
    const int at = number.point + i;
    part.push_back(at >= 0 && at < static_cast<int>(number.digits.size()) ? number.digits[at]
                                                                          : '0');
  }
  out = whole;
  if (digits > 0) out += "." + part;
  // (-0.4).toFixed(0) is "-0": the sign stays for every value below zero.
  return (negative ? "-" : "") + out;
}

std::string NumberToExponential(double value, int digits) {
  std::string out;
  if (Special(value, &out)) return out;
  const std::string sign = value < 0 ? "-" : "";
  if (value == 0) return Scientific({std::string(std::max(digits, 0) + 1, '0'), 1});
  Digits number = digits < 0 ? Shortest(std::fabs(value)) : Exact(std::fabs(value));
  if (digits >= 0) {
    Round(number, digits + 1);
    number.digits.resize(digits + 1);
  }
  return sign + Scientific(number);
}

std::string NumberToPrecision(double value, int digits) {
  std::string out;
  if (Special(value, &out)) return out;
  const std::string sign = value < 0 ? "-" : "";
  Digits number = {std::string(digits, '0'), 1};
  if (value != 0) {
    number = Exact(std::fabs(value));
    Round(number, digits);
    number.digits.resize(digits);
  }
  const int exponent = number.point - 1;
  if (exponent < -6 || exponent >= digits) return sign + Scientific(number);
  if (exponent == digits - 1) return sign + number.digits;
  if (exponent >= 0) {
    return sign + number.digits.substr(0, exponent + 1) + "." + number.digits.substr(exponent + 1);
  }
  return sign + "0." + std::string(-(exponent + 1), '0') + number.digits;
}

std::string NumberToRadix(double value, int radix) {
  std::string out;
  if (radix == 10) return NumberToString(value);
  if (Special(value, &out)) return out;
  const bool negative = value < 0;
  value = std::fabs(value);
  static constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  double whole = std::floor(value);
  double part = value - whole;
  // As V8: digits of the fraction are written until they name the number uniquely, that is, until
  // the rest is below half the distance to the next number.
  double delta =
      std::max(0.5 * (std::nextafter(value, std::numeric_limits<double>::infinity()) - value),
               std::numeric_limits<double>::denorm_min());
  std::string behind;
  if (part >= delta) {
    do {
      part *= radix;
      delta *= radix;
      const int digit = static_cast<int>(part);
      behind.push_back(kDigits[digit]);
      part -= digit;
      if (part > 0.5 || (part == 0.5 && (digit & 1))) {
        if (part + delta > 1) {
          // Round up and carry.
          while (true) {
            if (behind.empty()) {
              whole += 1;
              break;
            }
            const int last = DigitValue(behind.back());
            behind.pop_back();
            if (last + 1 < radix) {
              behind.push_back(kDigits[last + 1]);
              break;
            }
          }
          break;
        }
      }
    } while (part >= delta);
  }
  std::string before;
  // Beyond 2^53 the low digits carry no information and are written as 0.
  while (std::ilogb(whole) >= 53) {
    whole /= radix;
    before.push_back('0');
  }
  do {
    const double rest = std::fmod(whole, radix);
    before.push_back(kDigits[static_cast<int>(rest)]);
    whole = (whole - rest) / radix;
  } while (whole > 0);
  if (negative) before.push_back('-');
  std::reverse(before.begin(), before.end());
  if (!behind.empty()) before += "." + behind;
  return before;
}

double StringToNumber(absl::string_view text) {
  text = TrimEnd(TrimStart(text));
  if (text.empty()) return 0;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  if (text.size() > 2 && text[0] == '0') {
    const char kind = text[1];
    const int radix = kind == 'x' || kind == 'X'   ? 16
                      : kind == 'o' || kind == 'O' ? 8
                      : kind == 'b' || kind == 'B' ? 2
                                                   : 0;
    if (radix != 0) {
      const absl::string_view digits = text.substr(2);
      for (const char c : digits) {
        if (DigitValue(c) >= radix) return nan;
      }
      return RadixValue(digits, radix);
    }
  }
  bool negative = false;
  if (text[0] == '+' || text[0] == '-') {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "Infinity") {
    const double infinity = std::numeric_limits<double>::infinity();
    return negative ? -infinity : infinity;
  }
  const size_t length = DecimalPrefix(text);
  if (length == 0 || length != text.size()) return nan;
  const double value = DecimalValue(text);
  return negative ? -value : value;
}

double ParseFloat(absl::string_view text) {
  text = TrimStart(text);
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  double value;
  if (text.substr(0, 8) == "Infinity") {
    value = std::numeric_limits<double>::infinity();
  } else {
    const size_t length = DecimalPrefix(text);
    if (length == 0) return std::numeric_limits<double>::quiet_NaN();
    value = DecimalValue(text.substr(0, length));
  }
  return negative ? -value : value;
}

double ParseInt(absl::string_view text, double radix_value) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  text = TrimStart(text);
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  auto radix = static_cast<int32_t>(ToUint32(radix_value));
  bool strip = true;
  if (radix != 0) {
    if (radix < 2 || radix > 36) return nan;
    strip = radix == 16;
  } else {
    radix = 10;
  }
  if (strip && text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    text.remove_prefix(2);
    radix = 16;
  }
  size_t length = 0;
  while (length < text.size() && DigitValue(text[length]) < radix) ++length;
  if (length == 0) return nan;
  const double value = RadixValue(text.substr(0, length), radix);
  return negative ? -value : value;
}

double ToIntegerOrInfinity(double value) {
  if (std::isnan(value)) return 0;
  const double whole = std::trunc(value);
  return whole == 0 ? 0 : whole;  // never -0
}

uint32_t ToUint32(double value) {
  if (!std::isfinite(value)) return 0;
  double rest = std::fmod(std::trunc(value), 4294967296.0);
  if (rest < 0) rest += 4294967296.0;
  return static_cast<uint32_t>(rest);
}

}  // namespace purser::tmpl
