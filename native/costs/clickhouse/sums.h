// Sums as ClickHouse gives them.
#ifndef PURSER_COSTS_CLICKHOUSE_SUMS_H_
#define PURSER_COSTS_CLICKHOUSE_SUMS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/decimal.h"
#include "costs/measures.h"

namespace purser::costs {

// The measures of one row, for ReadMeasures.
inline constexpr char kMeasureColumns[] = "billed, effective, list, contracted, charges";
// The sums of rows, for ReadSums. ClickHouse adds decimals up without looking whether the sum fits:
// the sum of the sizes says it.
inline constexpr char kSumsOfColumns[] =
    "sum(billed), sum(effective), sum(list), sum(contracted), sum(charges), "
    "sum(abs(toFloat64(billed)) + abs(toFloat64(effective)) + abs(toFloat64(list)) + "
    "abs(toFloat64(contracted)))";

absl::StatusOr<base::Decimal> ReadAmount(const std::string& text);
// From the column `at` on. OUT_OF_RANGE when a sum no longer fits.
absl::Status ReadMeasures(const std::vector<std::string>& row, size_t at, Measures& measures);
absl::Status ReadSums(const std::vector<std::string>& row, size_t at, Measures& sums);

}  // namespace purser::costs

#endif  // PURSER_COSTS_CLICKHOUSE_SUMS_H_
