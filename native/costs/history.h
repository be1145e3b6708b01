// What deliveries replaced: kept, so that a re-statement can be compared with what stood before.
//
// A delivery writes only the rows of facts that it changes. What such a row held before stays
// beside it under the delivery's number: an undo log. The state after any kept delivery is what is
// stored now, undone by all later ones; the difference of two deliveries touches only rows some
// delivery between them changed, so that comparing costs what changed, not what is stored.
#ifndef PURSER_COSTS_HISTORY_H_
#define PURSER_COSTS_HISTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "costs/query.h"
#include "costs/service.h"
#include "store/store.h"

namespace purser::costs {

// Forgets what all but the last `keep` deliveries of the source's billing period replaced; whether
// there was anything.
absl::StatusOr<bool> ForgetReplaced(store::Connection& connection, const std::string& source,
                                    absl::CivilDay period, int keep);

// Forgets all months before `first`: what was read, what allocation made of it, and the deliveries.
// Returns how many months went.
absl::StatusOr<int64_t> ForgetMonths(store::Connection& connection, int64_t first);

// Of any engine: what is known of billing periods that ended before `first`, deliveries that said
// nothing of later ones, and metrics.
absl::Status ForgetPeriodsBefore(store::Connection& connection, absl::CivilDay first);

// Subjects that nothing refers to any more.
absl::Status ForgetSubjects(store::Connection& connection, const std::string& source);

// As CostService::Deliveries, of any engine.
absl::StatusOr<std::vector<StoredDelivery>> ListDeliveries(store::Connection& connection,
                                                           const std::string& source, int limit);
// The last day that is known of a source, of all when "", see DeliveredDays; of any engine.
absl::StatusOr<std::optional<absl::CivilDay>> LastKnownDay(store::Connection& connection,
                                                           const std::string& source);

// The two deliveries a request compares, of any engine. Refuses what cannot be compared, as
// CostService::Diff says.
struct ComparedDeliveries {
  StoredDelivery before;
  StoredDelivery after;
};
absl::StatusOr<ComparedDeliveries> ChooseDeliveries(store::Connection& connection,
                                                    const DiffRequest& request);
// By currency, the largest change of billed first.
void SortBySize(std::vector<DiffRow>& rows);
absl::StatusOr<DeliveryDiff> RunDiff(const QueryContext& context, const DiffRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_HISTORY_H_
