// Sums of billing files by any of their columns, without a store: `purser costs aggregate`.
#ifndef PURSER_COSTS_AGGREGATE_H_
#define PURSER_COSTS_AGGREGATE_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/service.h"

namespace purser::costs {

inline constexpr size_t kMaxGroupColumns = 32;

struct AggregateRequest {
  std::vector<std::string> paths;  // FOCUS CSV, .csv or .csv.gz
  // "day", "month", "tag:KEY" or any column of the files, in any version's spelling.
  std::vector<std::string> group_by = {};
  BadRows bad_rows = BadRows::kRefuse;  // kQuarantine: left out, counted and told
  // Called every few megabytes; may be empty.
  std::function<void(const IngestProgress&)> on_progress = nullptr;
  std::stop_token stop = {};
};

struct AggregateResult {
  std::vector<CostRow> rows;  // ordered by keys, then currency; NULL is ""
  int64_t rows_read = 0;
  int64_t rows_bad = 0;
  int64_t rounded_numbers = 0;
  std::vector<std::string> problems;  // at most kMaxProblems
};

// Memory grows with the groups (at most kMaxRollups), not with the files.
absl::StatusOr<AggregateResult> Aggregate(const AggregateRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_AGGREGATE_H_
