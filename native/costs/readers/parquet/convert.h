// Values of Parquet's types as the texts and amounts of a bill.
#ifndef PURSER_COSTS_READERS_PARQUET_CONVERT_H_
#define PURSER_COSTS_READERS_PARQUET_CONVERT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "costs/readers/amount.h"
#include "costs/readers/parquet/encodings.h"
#include "costs/readers/parquet/metadata.h"

namespace purser::costs::parquet {

// False when values of the type have no text: intervals, times of day, binary decimals beyond 16
// bytes.
bool HasText(const Leaf& leaf);
// The value as a CSV file would have it: dates and times as ISO 8601 in UTC, numbers as shortest
// decimal. `scratch` holds it where it had to be made. False when it is not UTF-8 text, or holds
// NUL.
bool TextOf(const Leaf& leaf, const Values& values, size_t index, std::string& scratch,
            absl::string_view* text);

bool HasAmount(const Leaf& leaf);
// Exact units of 10^-18. A floating number is the shortest decimal that reads as it: what the
// provider's own CSV has.
AmountKind AmountOf(const Leaf& leaf, const Values& values, size_t index, __int128* units);

// AmountOf of the first values, up to one that is not exact or whose type is not among the usual
// ones: how many.
size_t FirstExactAmounts(const Leaf& leaf, const Values& values, __int128* units);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_CONVERT_H_
