#include "costs/clickhouse/sums.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {
namespace {

constexpr size_t kMeasures = 5;
constexpr double kMaxSum = 9.9e19;  // of 38 digits, 18 of them behind the point

}  // namespace

absl::StatusOr<base::Decimal> ReadAmount(const std::string& text) {
  absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(text);
  if (amount.ok()) return amount;
  return absl::DataLossError(absl::StrCat("ClickHouse's amount ", text, " is none"));
}

absl::Status ReadMeasures(const std::vector<std::string>& row, size_t at, Measures& measures) {
  if (row.size() < at + kMeasures) return absl::DataLossError("ClickHouse's row lacks columns");
  PURSER_ASSIGN_OR_RETURN(measures.billed, ReadAmount(row[at]));
  PURSER_ASSIGN_OR_RETURN(measures.effective, ReadAmount(row[at + 1]));
  PURSER_ASSIGN_OR_RETURN(measures.list, ReadAmount(row[at + 2]));
  PURSER_ASSIGN_OR_RETURN(measures.contracted, ReadAmount(row[at + 3]));
  if (absl::SimpleAtoi(row[at + 4], &measures.charges)) return absl::OkStatus();
  return absl::DataLossError("ClickHouse's count of charges is no number");
}

absl::Status ReadSums(const std::vector<std::string>& row, size_t at, Measures& sums) {
  double size = 0;
  if (row.size() <= at + kMeasures || !absl::SimpleAtod(row[at + kMeasures], &size)) {
    return absl::DataLossError("ClickHouse's row lacks columns");
  }
  if (!(size < kMaxSum)) return absl::OutOfRangeError("a sum of costs does not fit");
  return ReadMeasures(row, at, sums);
}

}  // namespace purser::costs
