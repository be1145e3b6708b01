// Amounts as text to exact units of 10^-18: what Decimal::Parse reads, at the speed of a scan.
#ifndef PURSER_COSTS_READERS_AMOUNT_H_
#define PURSER_COSTS_READERS_AMOUNT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "costs/readers/amount_scan.h"
#include "costs/readers/simd_level.h"

namespace purser::costs {

enum class AmountKind {
  kExact,
  kRounded,  // digits behind the 18th were rounded half-even
  kBad,
};

// Reads the text of an amount (no quotes around it).
AmountKind ParseAmount(const char* text, size_t size, __int128* units);
// As ParseAmount, of a text with kAmountPadding bytes from its begin that may be read.
inline constexpr size_t kAmountPadding = 40;
AmountKind ParsePaddedAmount(const char* text, size_t size, __int128* units);
// Reads a column's amounts; those in unusual forms, and what is none, are left to ParseAmount, and
// their rows written to `others`, which has room for all. How many these are. The machine has the
// level.
size_t ParseAmounts(const AmountColumn& column, __int128* units, uint32_t* others,
                    SimdLevel level = UsedSimdLevel());
// Why the text is none.
std::string AmountProblem(absl::string_view text);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_AMOUNT_H_
