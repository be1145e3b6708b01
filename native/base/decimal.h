// Money: exact decimal numbers, 128-bit fixed point with 18 digits behind the point.
//
// Scale 18 holds every amount seen in real billing files exactly (see docs of the costs folder);
// inputs with more digits are rounded half-even and say so, so that a report can count them.
// Range ±170'141'183'460'469'231'731.687303715884105727; beyond it is OUT_OF_RANGE, never wrapped.
#ifndef PURSER_BASE_DECIMAL_H_
#define PURSER_BASE_DECIMAL_H_

#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::base {

class Decimal {
 public:
  static constexpr int kScale = 18;

  constexpr Decimal() = default;
  static constexpr Decimal FromUnits(__int128 units) { return Decimal(units); }  // units of 10^-18
  static constexpr Decimal FromInteger(int64_t value) {
    return Decimal(static_cast<__int128>(value) * 1'000'000'000'000'000'000);
  }

  // Accepts -?digits[.digits][(e|E)[+-]?digits]; no spaces, no thousands separators.
  // INVALID_ARGUMENT says what was wrong; OUT_OF_RANGE on overflow. `*rounded` (when given) is set
  // to true if digits behind the 18th were lost, left alone otherwise.
  static absl::StatusOr<Decimal> Parse(absl::string_view text, bool* rounded = nullptr);

  // Checked arithmetic: false on overflow, `*out` untouched then.
  static bool Add(Decimal a, Decimal b, Decimal* out);
  static bool Subtract(Decimal a, Decimal b, Decimal* out);
  // Product rounded half-even to 18 digits.
  static bool Multiply(Decimal a, Decimal b, Decimal* out);

  // Shortest exact text, no exponent, no trailing zeros: "0", "-1.5", "0.000000000000000001".
  std::string ToString() const;
  // Rounded half-even to `digits` (0..18) behind the point, with exactly that many: the one place
  // where rounding happens is the edge that shows an amount.
  std::string ToRounded(int digits) const;

  // The nearest double: for statistics and curves on pages, never for money that is added or told.
  constexpr double ToDouble() const { return static_cast<double>(units_) / 1e18; }

  constexpr __int128 units() const { return units_; }
  constexpr bool IsZero() const { return units_ == 0; }
  constexpr bool IsNegative() const { return units_ < 0; }
  constexpr Decimal operator-() const { return Decimal(-units_); }
  friend constexpr auto operator<=>(Decimal, Decimal) = default;

 private:
  explicit constexpr Decimal(__int128 units) : units_(units) {}
  __int128 units_ = 0;
};

}  // namespace purser::base

#endif  // PURSER_BASE_DECIMAL_H_
