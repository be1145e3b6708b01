// Writes segments to ClickHouse and checks that they arrived.
#ifndef PURSER_COSTS_CLICKHOUSE_SEGMENT_WRITER_H_
#define PURSER_COSTS_CLICKHOUSE_SEGMENT_WRITER_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/clickhouse/client.h"
#include "costs/clickhouse/tables.h"
#include "costs/engine.h"

namespace purser::costs {

// Rows of one table on their way: divided among the servers by a key, sent in pieces. One thread.
class ShardedRows {
 public:
  // `client` outlives it.
  ShardedRows(const ClickHouseClient& client, const char* table)
      : client_(client), table_(table), shards_(client.servers()) {}

  // Where the next row of `key` is to be written. EndRow it, then call Sent.
  TabSeparatedRows& RowsOf(absl::string_view key);
  // Sends what has become large.
  absl::Status Sent();
  absl::Status Finish();

 private:
  const ClickHouseClient& client_;
  const char* const table_;
  std::vector<TabSeparatedRows> shards_;
};

// The charges of a delivery, a segment per billing period; nothing points to them yet.
absl::StatusOr<std::vector<ChargeSegment>> WriteCharges(const ClickHouseClient& client,
                                                        const Options& options,
                                                        const ReadDelivery& read);

// Reads the charges of one month in the segments of `state`, allocates them and writes the result
// as a segment of its own: its id. Nothing points to it yet.
absl::StatusOr<std::string> WriteMonth(const ClickHouseClient& client, const Options& options,
                                       const EntityGraph& graph, const ClickHouseState& state,
                                       int64_t month);

// Some of the subjects: work that holds what it knows of subjects does a range after the other.
struct SubjectRange {
  std::string condition;  // " AND …" of the column `subject`, "" of all
};
// Ranges that all subjects lie in, by the largest of the months: about as many charges in each as
// are read together, whatever the subjects are.
absl::StatusOr<std::vector<SubjectRange>> SubjectRanges(const ClickHouseClient& client,
                                                        const ClickHouseState& state,
                                                        const std::set<int64_t>& months);

// What stored charges of a month are about, to decide of them again: one call per subject, and per
// item of it when the rules look at items.
struct ChargeSubject {
  std::string key;
  Decision decision;
};
absl::Status DecideAnew(const ClickHouseClient& client, const Options& options,
                        const ClickHouseState& state, int64_t month, const SubjectRange& range,
                        const std::function<absl::Status(const ChargeSubject&)>& on_subject);

}  // namespace purser::costs

#endif  // PURSER_COSTS_CLICKHOUSE_SEGMENT_WRITER_H_
