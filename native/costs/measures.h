// What is summed: the four costs of FOCUS and how many charges they came from.
#ifndef PURSER_COSTS_MEASURES_H_
#define PURSER_COSTS_MEASURES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/decimal.h"

namespace purser::costs {

enum class Measure {
  kBilled,      // what the invoice says, the basis of reconciliation
  kEffective,   // amortised: commitments spread over what they cover
  kList,        // at public prices
  kContracted,  // at negotiated prices, before commitments
};
// "billed", "effective", "list", "contracted".
absl::StatusOr<Measure> ParseMeasure(absl::string_view name);
absl::string_view MeasureName(Measure measure);

// A file without a column counts as 0 there.
struct Measures {
  base::Decimal billed;
  base::Decimal effective;
  base::Decimal list;
  base::Decimal contracted;
  int64_t charges = 0;

  // OUT_OF_RANGE when a sum no longer fits; nothing is added then.
  absl::Status Add(const Measures& more);
  // The same for loops over many; false when a sum no longer fits.
  bool TryAdd(const Measures& more) {
    const auto add = [](base::Decimal& sum, base::Decimal other, __int128* total) {
      return __builtin_add_overflow(sum.units(), other.units(), total);
    };
    __int128 totals[4];
    if (add(billed, more.billed, &totals[0]) || add(effective, more.effective, &totals[1]) ||
        add(list, more.list, &totals[2]) || add(contracted, more.contracted, &totals[3])) {
      return false;
    }
    billed = base::Decimal::FromUnits(totals[0]);
    effective = base::Decimal::FromUnits(totals[1]);
    list = base::Decimal::FromUnits(totals[2]);
    contracted = base::Decimal::FromUnits(totals[3]);
    charges += more.charges;
    return true;
  }
  base::Decimal Of(Measure measure) const;
  friend bool operator==(const Measures&, const Measures&) = default;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_MEASURES_H_
