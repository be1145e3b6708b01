// The tables of the costs domain and what is written to them.
#ifndef PURSER_COSTS_ROLLUPS_H_
#define PURSER_COSTS_ROLLUPS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "costs/delivery.h"
#include "costs/service.h"
#include "store/store.h"

namespace purser::costs {

// "2026-11-01".
std::string DayText(absl::CivilDay day);

absl::Status MigrateTables(store::Database& database);

// True when the current data of every period of `totals` came with this content.
absl::StatusOr<bool> IsStored(store::Connection& connection, absl::string_view source,
                              const IngestReport& report);

// Replaces the delivery's billing periods of `source`. `decisions` has one entry per subject of
// the delivery. Runs inside the caller's transaction.
absl::Status StoreDelivery(store::Connection& connection, const IngestRequest& request,
                           const IngestReport& report, const Delivery& delivery,
                           const std::vector<Decision>& decisions, absl::Time now);

// A subject as stored, to allocate it again.
struct KnownSubject {
  int64_t id;
  std::string resource_id;
  std::string sub_account;
  std::string tags;  // JSON
  Decision decision;
};
absl::Status ForEachSubject(store::Connection& connection,
                            const std::function<absl::Status(const KnownSubject&)>& on_subject);
absl::Status StoreDecisions(store::Connection& connection,
                            const std::vector<std::pair<int64_t, Decision>>& changed);

// Of the rules by which the stored subjects were allocated; "" when never.
absl::StatusOr<std::string> AllocationFingerprint(store::Connection& connection);
absl::Status SetAllocationFingerprint(store::Connection& connection, const std::string& value);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ROLLUPS_H_
