#include "costs/readers/parquet/convert.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "base/decimal.h"
#include "base/strings.h"

namespace purser::costs::parquet {
namespace {

constexpr int kScale = base::Decimal::kScale;
constexpr int kMaxPower = 38;
constexpr __int128 kSmallest = static_cast<__int128>(static_cast<unsigned __int128>(1) << 127);

__int128 PowerOfTen(int power) {
  __int128 value = 1;
  for (int i = 0; i < power; ++i) value *= 10;
  return value;
}

// unscaled · 10^-scale as units of 10^-18.
AmountKind Rescale(__int128 unscaled, int scale, __int128* units) {
  if (scale < -kMaxPower || scale > kScale + kMaxPower) return AmountKind::kBad;
  if (scale <= kScale) {
    if (unscaled == 0) {
      *units = 0;
      return AmountKind::kExact;
    }
    if (kScale - scale > kMaxPower ||
        __builtin_mul_overflow(unscaled, PowerOfTen(kScale - scale), units)) {
      return AmountKind::kBad;
    }
    return AmountKind::kExact;
  }
  const __int128 divisor = PowerOfTen(scale - kScale);
  const __int128 quotient = unscaled / divisor, rest = unscaled % divisor;
  *units = quotient;
  if (rest == 0) return AmountKind::kExact;
  const __int128 magnitude = rest < 0 ? -rest : rest;
  const __int128 other = divisor - magnitude;
  if (magnitude > other || (magnitude == other && (quotient & 1) != 0)) {
    *units += unscaled < 0 ? -1 : 1;
  }
  return AmountKind::kRounded;
}

// Big-endian, with sign.
__int128 UnscaledOf16(const char* bytes) {  // what writers use for 38 digits
  uint64_t high, low;
  std::memcpy(&high, bytes, 8);
  std::memcpy(&low, bytes + 8, 8);
  return static_cast<__int128>(static_cast<unsigned __int128>(__builtin_bswap64(high)) << 64 |
                               __builtin_bswap64(low));
}
bool UnscaledOf(absl::string_view bytes, __int128* value) {
  if (bytes.size() == 16) {
    *value = UnscaledOf16(bytes.data());
    return true;
  }
  if (bytes.empty() || bytes.size() > 16) return false;
  unsigned __int128 bits =
      static_cast<int8_t>(bytes[0]) < 0 ? ~static_cast<unsigned __int128>(0) : 0;
  for (const char c : bytes) bits = bits << 8 | static_cast<uint8_t>(c);
  *value = static_cast<__int128>(bits);
  return true;
}

bool IsFloating(const Leaf& leaf) {
  return leaf.type == PhysicalType::kDouble || leaf.type == PhysicalType::kFloat;
}
bool IsBytes(const Leaf& leaf) {
  return leaf.type == PhysicalType::kByteArray || leaf.type == PhysicalType::kFixed;
}

// Added and taken away, it rounds what is below 2^51, without a call.
constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52

// Most prices and costs have few digits: if d · 10^12 rounds to an integer below 10^15 that divides
// back to d, that integer's decimal has at most 15 digits, and of those only one reads as d.
bool FewDigits(double value, __int128* units) {
  const double scaled = value * 1e12;
  if (!(std::fabs(scaled) < 1e15)) return false;
  const double whole = (scaled + kRound) - kRound;
  if (whole / 1e12 != value) return false;
  *units = static_cast<__int128>(static_cast<int64_t>(whole)) * 1'000'000;
  return true;
}

// FewDigits of some, side by side. False when one of them has more.
constexpr size_t kAtOnce = 16;
bool FewDigitsEach(const double* values, __int128* units) {
  double whole[kAtOnce];
  int bad = 0;
  for (size_t i = 0; i < kAtOnce; ++i) {
    const double scaled = values[i] * 1e12;
    whole[i] = (scaled + kRound) - kRound;
    bad |= static_cast<int>(!(std::fabs(scaled) < 1e15)) |
           static_cast<int>(whole[i] / 1e12 != values[i]);
  }
  if (bad != 0) return false;
  for (size_t i = 0; i < kAtOnce; ++i) {
    units[i] = static_cast<__int128>(static_cast<int64_t>(whole[i])) * 1'000'000;
  }
  return true;
}

absl::string_view FloatText(const Leaf& leaf, double value, char (&buffer)[64]) {
  const std::to_chars_result end =
      leaf.type == PhysicalType::kFloat
          ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(value))
          : std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, static_cast<size_t>(end.ptr - buffer)};
}

std::string TimeText(int64_t value, int64_t per_second, int digits) {
  int64_t seconds = value / per_second, fraction = value % per_second;
  if (fraction < 0) {
    --seconds;
    fraction += per_second;
  }
  const absl::CivilSecond time = absl::CivilSecond(1970, 1, 1) + seconds;
  std::string text = absl::FormatCivilTime(time);
  if (fraction != 0) absl::StrAppend(&text, absl::StrFormat(".%0*d", digits, fraction));
  return text + "Z";
}

}  // namespace

bool HasText(const Leaf& leaf) {
  if (leaf.meaning == Meaning::kOther) return false;
  if (leaf.type == PhysicalType::kFixed) {
    return leaf.meaning == Meaning::kDecimal || leaf.meaning == Meaning::kUuid;
  }
  return true;
}

bool TextOf(const Leaf& leaf, const Values& values, size_t index, std::string& scratch,
            absl::string_view* text) {
  if (leaf.meaning == Meaning::kDecimal) {
    __int128 units = 0;
    if (AmountOf(leaf, values, index, &units) == AmountKind::kBad) return false;
    scratch = base::Decimal::FromUnits(units).ToString();
    *text = scratch;
    return true;
  }
  if (IsBytes(leaf)) {
    *text = values.BytesAt(index);
    if (leaf.meaning != Meaning::kUuid) {
      return text->find('\0') == absl::string_view::npos && base::IsValidUtf8(*text);
    }
    scratch.clear();
    for (size_t i = 0; i < text->size(); ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) scratch += '-';
      absl::StrAppend(&scratch, absl::Hex(static_cast<uint8_t>((*text)[i]), absl::kZeroPad2));
    }
    *text = scratch;
    return true;
  }
  if (IsFloating(leaf)) {
    char buffer[64];
    scratch = std::string(FloatText(leaf, values.doubles[index], buffer));
    *text = scratch;
    return true;
  }
  const int64_t value = values.integers[index];
  if (leaf.type == PhysicalType::kBoolean) {
    *text = value != 0 ? "true" : "false";
    return true;
  }
  if (leaf.type == PhysicalType::kInt96 || leaf.meaning == Meaning::kNanos) {
    scratch = TimeText(value, 1'000'000'000, 9);
  } else if (leaf.meaning == Meaning::kMicros) {
    scratch = TimeText(value, 1'000'000, 6);
  } else if (leaf.meaning == Meaning::kMillis) {
    scratch = TimeText(value, 1'000, 3);
  } else if (leaf.meaning == Meaning::kDate) {
    scratch = absl::FormatCivilTime(absl::CivilDay(1970, 1, 1) + value);
  } else if (leaf.meaning == Meaning::kUnsigned) {
    scratch = absl::StrCat(static_cast<uint64_t>(value));
  } else {
    scratch = absl::StrCat(value);
  }
  *text = scratch;
  return true;
}

bool HasAmount(const Leaf& leaf) {
  switch (leaf.type) {
    case PhysicalType::kInt32:
    case PhysicalType::kInt64:
      return leaf.meaning == Meaning::kPlain || leaf.meaning == Meaning::kDecimal ||
             leaf.meaning == Meaning::kUnsigned;
    case PhysicalType::kFloat:
    case PhysicalType::kDouble:
      return true;
    case PhysicalType::kByteArray:
      return leaf.meaning == Meaning::kPlain || leaf.meaning == Meaning::kDecimal;
    case PhysicalType::kFixed:
      return leaf.meaning == Meaning::kDecimal;
    default:
      return false;
  }
}

AmountKind AmountOf(const Leaf& leaf, const Values& values, size_t index, __int128* units) {
  if (IsFloating(leaf)) {
    const double value = values.doubles[index];
    if (leaf.type == PhysicalType::kDouble && FewDigits(value, units)) return AmountKind::kExact;
    char buffer[64];
    const absl::string_view text = FloatText(leaf, value, buffer);
    return ParseAmount(text.data(), text.size(), units);
  }
  if (IsBytes(leaf)) {
    const absl::string_view bytes = values.BytesAt(index);
    if (leaf.meaning != Meaning::kDecimal) return ParseAmount(bytes.data(), bytes.size(), units);
    __int128 unscaled;
    // The smallest number has no opposite; no amount comes near it.
    if (!UnscaledOf(bytes, &unscaled) || unscaled == kSmallest) return AmountKind::kBad;
    if (leaf.scale == kScale) {
      *units = unscaled;
      return AmountKind::kExact;
    }
    return Rescale(unscaled, leaf.scale, units);
  }
  const int64_t value = values.integers[index];
  __int128 unscaled = value;
  if (leaf.meaning == Meaning::kUnsigned) unscaled = static_cast<uint64_t>(value);
  return Rescale(unscaled, leaf.meaning == Meaning::kDecimal ? leaf.scale : 0, units);
}

size_t FirstExactAmounts(const Leaf& leaf, const Values& values, __int128* units) {
  size_t done = 0;
  if (leaf.type == PhysicalType::kDouble) {
    while (done + kAtOnce <= values.doubles.size() &&
           FewDigitsEach(values.doubles.data() + done, units + done)) {
      done += kAtOnce;
    }
    while (done < values.doubles.size() && FewDigits(values.doubles[done], units + done)) ++done;
  } else if (leaf.type == PhysicalType::kFixed && leaf.meaning == Meaning::kDecimal &&
             values.fixed_bytes == 16 && leaf.scale == kScale) {
    const size_t count = values.fixed.size() / 16;
    for (; done < count; ++done) {
      units[done] = UnscaledOf16(values.fixed.data() + done * 16);
      if (units[done] == kSmallest) break;
    }
  }
  return done;
}

}  // namespace purser::costs::parquet
