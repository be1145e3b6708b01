// Splitting an amount so that the parts add up to it exactly.
#ifndef PURSER_COSTS_SPLIT_H_
#define PURSER_COSTS_SPLIT_H_

#include <vector>

#include "base/decimal.h"

namespace purser::costs {

// Parts in proportion to `weights` by the method of the largest remainder, in units of 10^-18:
// their sum is `amount`, to the last digit, whatever its sign. Equal remainders favour the earlier
// part. Weights below zero count as 0. Empty when no weight is above 0: then nobody can take a
// part. Weights beyond 2^62 altogether are made coarser, the sum stays exact.
std::vector<base::Decimal> SplitExactly(base::Decimal amount,
                                        const std::vector<base::Decimal>& weights);

// Rounded half-even to 18 digits; nothing when `divisor` is 0 or the quotient does not fit. For
// rates and prices per unit; sums of money are never divided, they are split.
bool Divide(base::Decimal dividend, base::Decimal divisor, base::Decimal* out);

// part / whole in percent, two digits, for people: "100" when both are 0.
base::Decimal Percent(base::Decimal part, base::Decimal whole);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SPLIT_H_
