// Reads billing files on all cores and sums their rows by groups.
#ifndef PURSER_COSTS_BILL_SCAN_H_
#define PURSER_COSTS_BILL_SCAN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/group_runs.h"
#include "costs/grouper.h"
#include "costs/readers/bad_row.h"
#include "costs/readers/columns.h"
#include "costs/readers/csv_chunk.h"
#include "costs/sorted_groups.h"

namespace purser::costs {

inline constexpr int kMaxScanThreads = 64;
// Of all threads' groups together, before they are written to temporary files.
inline constexpr size_t kScanGroupBytes = 96 << 20;

struct ScanProgress {
  int64_t rows = 0;
  int64_t bytes = 0;        // read from the files so far (compressed, if they are)
  int64_t total_bytes = 0;  // of all files
};

struct ScanRequest {
  std::vector<std::string> paths;
  Wanted wanted;
  std::vector<KeyPart> parts;
  size_t currency = 0;                   // into parts
  size_t group_bytes = kScanGroupBytes;  // groups beyond go to files
  int threads = 0;                       // 0: as many as the machine has cores
  size_t chunk_bytes = kCsvChunkBytes;
  bool hash = false;
  // The libduckdb that reads Parquet which is not read here, see readers/duckdb; "": none.
  std::string duckdb_library = "";
  // Called for each row that cannot be counted, from one thread at a time, in no order; an error
  // ends the scan. Null: the first such row (in its file) is the scan's error.
  std::function<absl::Status(const std::string& path, const BadRow& row)> on_bad_row = nullptr;
  // Called on the caller's thread every few megabytes; may be empty.
  std::function<void(const ScanProgress&)> on_progress = nullptr;
  std::stop_token stop = {};  // CANCELLED
};

// Where the groups are: a group may be in several tables or runs.
struct ScannedGroups {
  std::vector<std::unique_ptr<GroupTable>> tables;  // by thread; none when there are runs
  std::unique_ptr<GroupRuns> runs;                  // null when all groups fit into memory

  // By the texts of their parts. Not by several threads at once.
  absl::Status ForEachSorted(const OnGroup& on_group) const;
};

struct ScanResult {
  std::unique_ptr<ScannedGroups> groups;
  std::map<std::string, ControlTotal> totals;  // by currency, of the rows in the groups
  int64_t rows_added = 0;
  int64_t rows_bad = 0;
  int64_t rounded = 0;  // amounts that lost digits, in rows that were added
  std::string sha256;   // hexadecimal, over the digests of all files in order
};

absl::StatusOr<ScanResult> ScanBills(const ScanRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_BILL_SCAN_H_
