// Answers from the rollups.
#ifndef PURSER_COSTS_QUERY_H_
#define PURSER_COSTS_QUERY_H_

#include "absl/status/statusor.h"
#include "costs/service.h"
#include "store/store.h"

namespace purser::costs {

// Inside the caller's snapshot.
absl::StatusOr<QueryPage> RunQuery(store::Connection& connection, const QueryRequest& request);
absl::StatusOr<EntityCostSummary> Summarise(store::Connection& connection,
                                            const EntitySummaryRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_QUERY_H_
