#include "base/decimal.h"

#include <string>

#include "base/rng.h"
#include "gtest/gtest.h"

namespace purser::base {
namespace {

std::string Shown(absl::string_view text) {
  const absl::StatusOr<Decimal> value = Decimal::Parse(text);
  return value.ok() ? value->ToString() : value.status().ToString();
}

absl::StatusCode CodeOf(absl::string_view text) { return Decimal::Parse(text).status().code(); }

constexpr char kMax[] = "170141183460469231731.687303715884105727";

TEST(DecimalTest, ReadsWhatBillsContain) {
  EXPECT_EQ(Shown("0"), "0");
  EXPECT_EQ(Shown("-0"), "0");
  EXPECT_EQ(Shown("-0.000"), "0");
  EXPECT_EQ(Shown("00012.3400"), "12.34");
  EXPECT_EQ(Shown("-1.5"), "-1.5");
  EXPECT_EQ(Shown("0.00000080000"), "0.0000008");
  EXPECT_EQ(Shown("9.7379661922E-8"), "0.000000097379661922");
  EXPECT_EQ(Shown("2.323760000E-9"), "0.00000000232376");
  EXPECT_EQ(Shown("6.65679e-09"), "0.00000000665679");
  EXPECT_EQ(Shown("35.2E+7"), "352000000");
  EXPECT_EQ(Shown("1e0"), "1");
  EXPECT_EQ(Shown("0.000000000000000001"), "0.000000000000000001");
  EXPECT_EQ(Shown("123456789012345678901234E-18"), "123456.789012345678901234");
}

TEST(DecimalTest, RefusesWhatIsNoNumberAndSaysWhy) {
  for (const char* text :
       {"",    "-",    "+1",   ".5",    "1.",  "1,000", " 1",  "1 ",  "1e", "1e+",
        "1e-", "NULL", "0x10", "1.2.3", "--1", "1e5.5", "nan", "inf", "$1", "1E--2"}) {
    EXPECT_EQ(CodeOf(text), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(Decimal::Parse("1,000").status().message(),
            "\"1,000\" is not a decimal number: unexpected character at position 2");
  EXPECT_EQ(Decimal::Parse("").status().message(), "\"\" is not a decimal number: it is empty");
}

TEST(DecimalTest, RoundsHalfEvenBehindTheEighteenthDigitAndSaysSo) {
  const auto parse = [](absl::string_view text) {
    bool rounded = false;
    const std::string shown = Decimal::Parse(text, &rounded)->ToString();
    return shown + (rounded ? " rounded" : "");
  };
  EXPECT_EQ(parse("0.0000000000000000005"), "0 rounded");
  EXPECT_EQ(parse("0.0000000000000000015"), "0.000000000000000002 rounded");
  EXPECT_EQ(parse("0.0000000000000000025"), "0.000000000000000002 rounded");
  EXPECT_EQ(parse("0.00000000000000000250001"), "0.000000000000000003 rounded");
  EXPECT_EQ(parse("0.0000000000000000024999"), "0.000000000000000002 rounded");
  EXPECT_EQ(parse("-0.0000000000000000015"), "-0.000000000000000002 rounded");
  EXPECT_EQ(parse("0.0000000000000000010000000"), "0.000000000000000001");
  EXPECT_EQ(parse("5E-19"), "0 rounded");
  EXPECT_EQ(parse("15E-19"), "0.000000000000000002 rounded");
  EXPECT_EQ(parse("9E-20"), "0 rounded");
  EXPECT_EQ(parse("99E-20"), "0.000000000000000001 rounded");
  EXPECT_EQ(parse("1E-999999999999999999"), "0 rounded");
  EXPECT_EQ(parse("0E-999"), "0");
  EXPECT_EQ(parse("0.9999999999999999999"), "1 rounded");
}

TEST(DecimalTest, LimitsAreErrorsNeverWrapped) {
  EXPECT_EQ(Shown(kMax), kMax);
  EXPECT_EQ(Shown(std::string("-") + kMax), std::string("-") + kMax);
  EXPECT_EQ(Shown("0E999999999999"), "0");
  EXPECT_EQ(Shown("17E19"), "170000000000000000000");
  for (const char* text :
       {"170141183460469231731.687303715884105728", "170141183460469231731.6873037158841057275",
        "-170141183460469231731.687303715884105728", "170141183460469231732", "18E19", "1E21",
        "1E999999999999", "999999999999999999999999999999999999999999999999"}) {
    EXPECT_EQ(CodeOf(text), absl::StatusCode::kOutOfRange) << text;
  }
  const Decimal max = *Decimal::Parse(kMax);
  const Decimal unit = Decimal::FromUnits(1);
  Decimal out = Decimal::FromInteger(7);
  EXPECT_FALSE(Decimal::Add(max, unit, &out));
  EXPECT_FALSE(Decimal::Subtract(-max, unit, &out));
  EXPECT_FALSE(Decimal::Multiply(max, Decimal::FromInteger(2), &out));
  EXPECT_FALSE(Decimal::Multiply(max, max, &out));
  EXPECT_EQ(out, Decimal::FromInteger(7));
  EXPECT_TRUE(Decimal::Multiply(max, Decimal::FromInteger(-1), &out));
  EXPECT_EQ(out, -max);
}

TEST(DecimalTest, Arithmetic) {
  Decimal out;
  ASSERT_TRUE(Decimal::Add(*Decimal::Parse("0.1"), *Decimal::Parse("0.2"), &out));
  EXPECT_EQ(out.ToString(), "0.3");
  ASSERT_TRUE(Decimal::Subtract(*Decimal::Parse("0.1"), *Decimal::Parse("0.2"), &out));
  EXPECT_EQ(out.ToString(), "-0.1");
  ASSERT_TRUE(Decimal::Multiply(*Decimal::Parse("-1.5"), *Decimal::Parse("2.25"), &out));
  EXPECT_EQ(out.ToString(), "-3.375");
  ASSERT_TRUE(
      Decimal::Multiply(*Decimal::Parse("0.000000001"), *Decimal::Parse("0.0000000005"), &out));
  EXPECT_EQ(out.ToString(), "0");  // 0.5 units: half to even
  ASSERT_TRUE(
      Decimal::Multiply(*Decimal::Parse("0.000000001"), *Decimal::Parse("0.0000000015"), &out));
  EXPECT_EQ(out.ToString(), "0.000000000000000002");
  ASSERT_TRUE(Decimal::Multiply(*Decimal::Parse("123456789.123456789"),
                                *Decimal::Parse("987654321.987654321"), &out));
  EXPECT_EQ(out.ToString(), "121932631356500531.347203169112635269");
  EXPECT_LT(*Decimal::Parse("-1"), *Decimal::Parse("-0.999999999999999999"));
}

TEST(DecimalTest, ShowsRoundedHalfEven) {
  EXPECT_EQ(Decimal::Parse("2.5")->ToRounded(0), "2");
  EXPECT_EQ(Decimal::Parse("3.5")->ToRounded(0), "4");
  EXPECT_EQ(Decimal::Parse("-2.675")->ToRounded(2), "-2.68");
  EXPECT_EQ(Decimal::Parse("2.665")->ToRounded(2), "2.66");
  EXPECT_EQ(Decimal::Parse("1")->ToRounded(3), "1.000");
  EXPECT_EQ(Decimal::Parse("-0.004")->ToRounded(2), "0.00");
  EXPECT_EQ(Decimal::Parse("0.000000000000000001")->ToRounded(18), "0.000000000000000001");
  EXPECT_EQ(Decimal::Parse(kMax)->ToRounded(0), "170141183460469231732");
}

TEST(DecimalTest, IsTheNearestDouble) {
  EXPECT_EQ(Decimal::Parse("0.1")->ToDouble(), 0.1);
  EXPECT_EQ(Decimal::Parse("-1234567.89")->ToDouble(), -1234567.89);
  EXPECT_EQ(Decimal().ToDouble(), 0.0);
  EXPECT_EQ(Decimal::Parse("170141183460469231731")->ToDouble(), 170141183460469231731.0);
}

// Text and value are one to one, and sums agree with integer arithmetic.
TEST(DecimalTest, RandomValuesSurviveTheirText) {
  SeededRng rng(20261121);
  for (int i = 0; i < 20'000; ++i) {
    const int shift = static_cast<int>(rng.Below(127));
    __int128 units = ((static_cast<__int128>(rng.Next()) << 64) | rng.Next()) >> shift;
    if (units < 0 && -units < 0) continue;
    const Decimal value = Decimal::FromUnits(units);
    const absl::StatusOr<Decimal> again = Decimal::Parse(value.ToString());
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(again->units(), units) << value.ToString();
    const Decimal other = Decimal::FromUnits(static_cast<int64_t>(rng.Next()));
    Decimal sum, back;
    if (Decimal::Add(value, other, &sum)) {
      ASSERT_TRUE(Decimal::Subtract(sum, other, &back));
      ASSERT_EQ(back, value);
    }
  }
}

}  // namespace
}  // namespace purser::base
