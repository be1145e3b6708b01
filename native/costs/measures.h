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
  base::Decimal Of(Measure measure) const;
  friend bool operator==(const Measures&, const Measures&) = default;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_MEASURES_H_
