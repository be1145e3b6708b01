// Sums of billing files by any of their columns, without a store: `purser costs aggregate`.
//
//   PURSER_ASSIGN_OR_RETURN(const AggregateResult result,
//                           Aggregate({.paths = {"bill.csv"}, .group_by = {"day", "tag:team"}}));
//   PURSER_RETURN_IF_ERROR(result.ForEach([](const AggregateRow& row) { … }));
#ifndef PURSER_COSTS_AGGREGATE_H_
#define PURSER_COSTS_AGGREGATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/bill_scan.h"

namespace purser::costs {

inline constexpr size_t kMaxGroupColumns = 32;
inline constexpr size_t kMaxMeasures = 16;
inline constexpr size_t kMaxToldRows = 100;  // bad rows that are described; all are counted

struct AggregateRequest {
  std::vector<std::string> paths;  // see BillFile::Open
  // "day", "month", "tag:KEY" or any column of the files, in any version's spelling.
  std::vector<std::string> group_by = {};
  std::vector<std::string> measures = {"BilledCost", "EffectiveCost"};  // columns with amounts
  // What the files are, see readers/column_map.h; null: told by their columns.
  std::shared_ptr<const BillFormat> format = nullptr;
  std::string duckdb_library = "";  // see ScanRequest
  bool leave_out_bad_rows = false;  // counted and told; else the first one is the error
  int threads = 0;                  // 0: as many as the machine has cores
  size_t chunk_bytes = 0;           // of text read at once; 0: what is best
  size_t group_bytes = 0;           // of groups in memory; 0: kScanGroupBytes
  // Called on the caller's thread every few megabytes; may be empty.
  std::function<void(const ScanProgress&)> on_progress = nullptr;
  std::stop_token stop = {};
};

// One group. Currencies are never added together.
struct AggregateRow {
  std::vector<absl::string_view> keys;  // in the order of group_by; NULL is ""
  absl::string_view currency;
  std::vector<base::Decimal> sums;  // in the order of measures
  int64_t charges = 0;
};

struct AggregateResult {
  int64_t rows_read = 0;  // good and bad
  int64_t rows_bad = 0;
  int64_t rounded_numbers = 0;
  std::vector<std::string> problems;  // at most kMaxToldRows, in the order of the files
  // Ordered by keys, then currency. The row is valid during the call; an error ends it. Not by
  // several threads at once.
  absl::Status ForEach(const std::function<absl::Status(const AggregateRow&)>& on_row) const;

  std::shared_ptr<const ScannedGroups> groups;  // of the keys, then the currency
};

// Only columns that are asked for, and BillingCurrency, are looked at. Memory does not
// grow with the files, nor with the groups: those that do not fit go through temporary files.
absl::StatusOr<AggregateResult> Aggregate(const AggregateRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_AGGREGATE_H_
