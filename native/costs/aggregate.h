// Sums of billing files by columns, without a store: what `purser costs aggregate` prints, and the
// plainest way to check a bill.
#ifndef PURSER_COSTS_AGGREGATE_H_
#define PURSER_COSTS_AGGREGATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/service.h"

namespace purser::costs {

struct AggregateRequest {
  std::vector<std::string> paths;     // FOCUS CSV, .csv or .csv.gz
  std::vector<std::string> group_by;  // "day", "month", or any column of the files
  BadRows bad_rows =
      BadRows::kRefuse;  // kQuarantine: counted and left out; no side file is written
};

struct AggregateResult {
  std::vector<CostRow> rows;  // ordered by keys, then currency
  int64_t rows_read = 0;
  int64_t rows_bad = 0;
  std::vector<std::string> problems;  // at most kMaxProblems
};

// One thread, constant memory but for the groups (at most kMaxRollups, else RESOURCE_EXHAUSTED).
// INVALID_ARGUMENT: a column that is not there, or (kRefuse) the first bad row.
absl::StatusOr<AggregateResult> Aggregate(const AggregateRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_AGGREGATE_H_
