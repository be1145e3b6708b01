#include "costs/split.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace purser::costs {
namespace {

using Wide = unsigned __int128;

Wide Magnitude(__int128 value) {
  return value < 0 ? ~static_cast<Wide>(value) + 1 : static_cast<Wide>(value);
}

// value * factor / divisor for factor <= divisor < 2^63; the quotient fits because it is at most
// `value`.
Wide MultiplyDivide(Wide value, uint64_t factor, uint64_t divisor, uint64_t* remainder) {
  const Wide low = static_cast<Wide>(static_cast<uint64_t>(value)) * factor;
  const Wide high = static_cast<Wide>(static_cast<uint64_t>(value >> 64)) * factor + (low >> 64);
  // Three limbs, divided from the top as on paper.
  const uint64_t limbs[3] = {static_cast<uint64_t>(high >> 64), static_cast<uint64_t>(high),
                             static_cast<uint64_t>(low)};
  Wide quotient = 0;
  Wide rest = 0;
  for (const uint64_t limb : limbs) {
    rest = rest << 64 | limb;
    quotient = quotient << 64 | rest / divisor;
    rest %= divisor;
  }
  *remainder = static_cast<uint64_t>(rest);
  return quotient;
}

}  // namespace

std::vector<base::Decimal> SplitExactly(base::Decimal amount,
                                        const std::vector<base::Decimal>& weights) {
  Wide largest = 0;
  for (const base::Decimal weight : weights) {
    if (!weight.IsNegative()) largest = std::max(largest, Magnitude(weight.units()));
  }
  if (largest == 0) return {};
  // So that the sum of all stays below 2^62.
  int shift = 0;
  const Wide room = (static_cast<Wide>(1) << 62) / weights.size();
  while ((largest >> shift) >= room) ++shift;
  std::vector<uint64_t> scaled(weights.size());
  uint64_t total = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].IsNegative() || weights[i].IsZero()) continue;
    // Nobody with a weight is left out altogether.
    scaled[i] =
        std::max<uint64_t>(1, static_cast<uint64_t>(Magnitude(weights[i].units()) >> shift));
    total += scaled[i];
  }
  const Wide whole = Magnitude(amount.units());
  std::vector<Wide> parts(weights.size());
  std::vector<uint64_t> remainders(weights.size());
  Wide given = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (scaled[i] == 0) continue;
    parts[i] = MultiplyDivide(whole, scaled[i], total, &remainders[i]);
    given += parts[i];
  }
  size_t left = static_cast<size_t>(whole - given);  // fewer than there are parts
  if (left > 0) {
    std::vector<uint32_t> order(weights.size());
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(left), order.end(),
                      [&](uint32_t a, uint32_t b) {
                        return remainders[a] != remainders[b] ? remainders[a] > remainders[b]
                                                              : a < b;
                      });
    for (size_t i = 0; i < left; ++i) ++parts[order[i]];
  }
  std::vector<base::Decimal> result;
  result.reserve(parts.size());
  for (const Wide part : parts) {
    // Through the unsigned form, so that the smallest amount of all can be a part, too.
    result.push_back(
        base::Decimal::FromUnits(static_cast<__int128>(amount.IsNegative() ? ~part + 1 : part)));
  }
  return result;
}

bool Divide(base::Decimal dividend, base::Decimal divisor, base::Decimal* out) {
  if (divisor.IsZero()) return false;
  const bool negative = dividend.IsNegative() != divisor.IsNegative();
  const Wide by = Magnitude(divisor.units());
  Wide rest = Magnitude(dividend.units());
  Wide quotient = rest / by;
  rest %= by;
  for (int digit = 0; digit < base::Decimal::kScale; ++digit) {
    // rest * 10 may leave 128 bits when the divisor is huge; such a digit is found by steps.
    uint32_t next = 0;
    Wide sum = 0;
    for (int i = 0; i < 10; ++i) {
      const Wide room = by - sum;
      if (rest >= room) {
        ++next;
        sum = rest - room;
      } else {
        sum += rest;
      }
    }
    rest = sum;
    if (quotient > (~static_cast<Wide>(0) >> 1) / 10) return false;
    quotient = quotient * 10 + next;
  }
  const Wide other = by - rest;
  if (rest > other || (rest == other && (quotient & 1) != 0)) ++quotient;
  if (quotient > (~static_cast<Wide>(0) >> 1)) return false;
  const __int128 units = static_cast<__int128>(quotient);
  *out = base::Decimal::FromUnits(negative ? -units : units);
  return true;
}

base::Decimal Percent(base::Decimal part, base::Decimal whole) {
  if (whole.IsZero()) return base::Decimal::FromInteger(part.IsZero() ? 100 : 0);
  base::Decimal ratio;
  if (!Divide(part, whole, &ratio)) return base::Decimal();
  base::Decimal percent;
  if (!base::Decimal::Multiply(ratio, base::Decimal::FromInteger(100), &percent)) {
    return base::Decimal();
  }
  const absl::StatusOr<base::Decimal> rounded = base::Decimal::Parse(percent.ToRounded(2));
  return rounded.ok() ? *rounded : percent;
}

}  // namespace purser::costs
