// The tables on ClickHouse servers, and what in the store says which of their rows count.
//
// Rows are written in segments: all charges of one delivery in one billing period, or all that
// allocation made of one month. A segment is a partition of its own, is never changed, and counts
// only once the store points to it: pointers of a whole delivery change in one transaction, so that
// readers on any number of servers see the old or the new data. What nothing points to is removed.
#ifndef PURSER_COSTS_CLICKHOUSE_TABLES_H_
#define PURSER_COSTS_CLICKHOUSE_TABLES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "costs/clickhouse/client.h"
#include "costs/entity_graph.h"
#include "costs/service.h"
#include "store/store.h"

namespace purser::costs {

// What was read: one row per day, subject, item and bill of a delivery.
// The days a column of type Date can hold; it takes others for some of these.
inline constexpr absl::CivilDay kFirstDate(1970, 1, 1);
inline constexpr absl::CivilDay kLastDate(2105, 12, 31);

inline constexpr char kChargesTable[] = "cost_charges";
// What allocation made of it, for every node of the catalog, with its parts and by day.
inline constexpr char kRollupsTable[] = "cost_rollups";
inline constexpr char kDailyTable[] = "cost_daily";
// Which rule gave a subject's charges to whom.
inline constexpr char kDecisionsTable[] = "cost_decisions";

// Makes what is missing.
absl::Status MakeClickHouseTables(const ClickHouseClient& client);

// Charges of a delivery in one billing period.
struct ChargeSegment {
  std::string source;
  absl::CivilDay period;
  std::string id;
  std::set<int64_t> months;  // of its days
};

// A state of the data.
struct ClickHouseState {
  int64_t version = 0;
  int64_t first_month = 0;  // older ones are forgotten
  std::vector<ChargeSegment> charges;
  std::map<int64_t, std::string> months;  // the segment of each month's allocation
  std::set<int64_t> stale;                // months that are to be allocated anew
  std::string allocation;                 // AllocationFingerprint of now
  std::string decided_by;                 // the rules by which all subjects were decided last

  std::vector<std::string> ChargeIds() const;
  std::vector<std::string> ChargeIds(int64_t month) const;
  // Of months from that of `from` to that of `to`.
  std::vector<std::string> MonthIds(absl::CivilDay from, absl::CivilDay to) const;
};

absl::Status MigrateClickHouseState(store::Database& database);
absl::StatusOr<ClickHouseState> ReadClickHouseState(store::Connection& connection,
                                                    const Allocation& allocation,
                                                    const EntityGraph& graph);
// ABORTED when the data is not at `version` any more.
absl::Status CheckVersion(store::Connection& connection, int64_t version);

// Points to the segment as what the delivery `ingest` said of its billing period.
absl::Status PointToCharges(store::Connection& connection, int64_t ingest,
                            const ChargeSegment& segment);
absl::Status PointToMonth(store::Connection& connection, int64_t month, const std::string& segment,
                          const std::string& allocation);
// Forgets the charges of all but the current delivery of a billing period and the `keep` before it.
absl::Status ForgetDeliveries(store::Connection& connection, const std::string& source,
                              absl::CivilDay period, int keep);
// Forgets all months before `first`.
absl::Status ForgetMonthsBefore(store::Connection& connection, int64_t first);
// NOT_FOUND: nothing points to the delivery's charges any more.
absl::StatusOr<std::string> ChargesOf(store::Connection& connection,
                                      const StoredDelivery& delivery);

// Removes partitions that nothing points to and that nobody can still be writing.
absl::Status RemoveUnused(const ClickHouseClient& client, store::Database& database);
// Removes these segments; those that are not there are no error.
absl::Status RemoveSegments(const ClickHouseClient& client, const std::set<std::string>& ids);

}  // namespace purser::costs

#endif  // PURSER_COSTS_CLICKHOUSE_TABLES_H_
