#include "costs/measures.h"

#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::costs {

absl::StatusOr<Measure> ParseMeasure(absl::string_view name) {
  for (const Measure measure :
       {Measure::kBilled, Measure::kEffective, Measure::kList, Measure::kContracted}) {
    if (name == MeasureName(measure)) return measure;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown measure \"", base::EscapeForDisplay(name, 60),
                   "\"; known are billed, effective, list, contracted"));
}

absl::string_view MeasureName(Measure measure) {
  switch (measure) {
    case Measure::kBilled:
      return "billed";
    case Measure::kEffective:
      return "effective";
    case Measure::kList:
      return "list";
    case Measure::kContracted:
      break;
  }
  return "contracted";
}

absl::Status Measures::Add(const Measures& more) {
  if (TryAdd(more)) return absl::OkStatus();
  return absl::OutOfRangeError(
      "a sum of costs does not fit into ±170141183460469231731: is an amount in the file wrong?");
}

base::Decimal Measures::Of(Measure measure) const {
  switch (measure) {
    case Measure::kBilled:
      return billed;
    case Measure::kEffective:
      return effective;
    case Measure::kList:
      return list;
    case Measure::kContracted:
      break;
  }
  return contracted;
}

}  // namespace purser::costs
