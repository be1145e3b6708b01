// Numbers as JavaScript writes and reads them.
#ifndef PURSER_TEMPLATE_NUMBER_H_
#define PURSER_TEMPLATE_NUMBER_H_

#include <string>

#include "absl/strings/string_view.h"

namespace purser::tmpl {

// Shortest text that reads back as the same number: "0.1", "1e+21", "NaN", "-Infinity".
std::string NumberToString(double value);
// In base 2..36, as Number.prototype.toString(radix).
std::string NumberToRadix(double value, int radix);
// Digits behind the point 0..100, significant digits 1..100; ties go away from zero, as the
// standard asks. Values of 1e21 and above are written as NumberToString does (toFixed only).
std::string NumberToFixed(double value, int digits);
std::string NumberToPrecision(double value, int digits);
// digits < 0: as many as needed.
std::string NumberToExponential(double value, int digits);

// Number(text): white space around, "" is 0, 0x/0o/0b, else NaN.
double StringToNumber(absl::string_view text);
// parseFloat and parseInt: the longest prefix that is a number.
double ParseFloat(absl::string_view text);
double ParseInt(absl::string_view text, double radix);

// ToIntegerOrInfinity: NaN is 0, else truncated.
double ToIntegerOrInfinity(double value);
// ToUint32: modulo 2^32.
uint32_t ToUint32(double value);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_NUMBER_H_
