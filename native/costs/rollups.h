// The tables of the costs domain and what is written to them.
#ifndef PURSER_COSTS_ROLLUPS_H_
#define PURSER_COSTS_ROLLUPS_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "costs/decisions.h"
#include "costs/delivered_sums.h"
#include "costs/entity_graph.h"
#include "costs/month_allocator.h"
#include "costs/numbers.h"
#include "costs/service.h"
#include "store/store.h"

namespace purser::costs {

// "2026-11-01".
std::string DayText(absl::CivilDay day);

absl::Status MigrateTables(store::Database& database);

// A subject's identity in tables: its parts may be long, its key is not.
std::string SubjectKey(const DeliveredSubject& subject);

// The items that a subject has charges of, as they are stored.
std::string ItemsToText(const std::set<uint32_t>& items);
absl::StatusOr<std::set<uint32_t>> ItemsFromText(absl::string_view text);

// One more than the largest `id` of a table.
absl::StatusOr<int64_t> NextId(store::Connection& connection, const std::string& table);

// Records a delivery with its totals, and that its billing periods are its own.
absl::Status StoreIngest(store::Connection& connection, const IngestRequest& request,
                         const IngestReport& report, int64_t ingest, absl::Time now);
absl::Status StorePeriods(store::Connection& connection, const std::string& source,
                          const DeliveredSums& sums, int64_t ingest);

// True when the current data of every period of `totals` came with this content.
absl::StatusOr<bool> IsStored(store::Connection& connection, absl::string_view source,
                              const IngestReport& report);

// Replaces the delivery's billing periods of `source`; returns the months that are to be allocated
// anew. `decisions` are by the delivery's items. What was replaced is kept of the last
// `keep_deliveries`. Runs inside the caller's transaction.
absl::StatusOr<std::set<int64_t>> StoreDelivery(
    store::Connection& connection, const IngestRequest& request, const IngestReport& report,
    const DeliveredSums& sums, const DecidedSubjects& decisions, int keep_deliveries,
    Numbers& numbers, absl::Time now);

// The metrics of a month, that splits use.
absl::StatusOr<MetricSums> LoadMetrics(store::Connection& connection, int64_t month);

// Allocates one month anew from its facts and the stored decisions. Runs inside the caller's
// transaction.
absl::Status AllocateMonth(store::Connection& connection, const Allocation& allocation,
                           const EntityGraph& graph, int64_t month, Numbers& numbers);

// A subject as stored, to allocate it again.
struct KnownSubject {
  int64_t id;
  std::string resource_id;
  std::string sub_account;
  std::string tags;     // JSON
  std::string columns;  // JSON
  std::set<uint32_t> items;
  std::string decisions;  // Decisions::ToText
};
// At most `limit` of them, by their ids, beginning behind `after`.
absl::StatusOr<std::vector<KnownSubject>> SubjectsAfter(store::Connection& connection,
                                                        int64_t after, size_t limit);
absl::Status StoreDecisions(store::Connection& connection,
                            const std::vector<std::pair<int64_t, std::string>>& changed);
absl::StatusOr<std::set<int64_t>> MonthsOf(store::Connection& connection,
                                           const std::vector<int64_t>& subjects);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ROLLUPS_H_
