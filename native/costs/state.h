// What the store knows of costs beside the charges: by what they were allocated, which version of
// the data this is, and what costs roll up along. All run inside the caller's transaction.
#ifndef PURSER_COSTS_STATE_H_
#define PURSER_COSTS_STATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/entity_graph.h"
#include "store/store.h"

namespace purser::costs {

// By which AllocationFingerprint each month was allocated; "" when it is to be allocated anew.
absl::StatusOr<std::map<int64_t, std::string>> MonthFingerprints(store::Connection& connection);
absl::Status SetMonthFingerprint(store::Connection& connection, int64_t month,
                                 const std::string& value);

// Named texts that outlive a restart; "" when never set.
absl::StatusOr<std::string> GetState(store::Connection& connection, absl::string_view name);
absl::Status SetState(store::Connection& connection, absl::string_view name,
                      const std::string& value);
// Counts every change of what queries see.
absl::StatusOr<int64_t> DataVersion(store::Connection& connection);
absl::Status BumpDataVersion(store::Connection& connection);

// The catalog's part that costs roll up along.
absl::StatusOr<std::vector<GraphEntity>> LoadGraph(store::Connection& connection);
absl::Status StoreGraph(store::Connection& connection, const EntityGraph& graph);

}  // namespace purser::costs

#endif  // PURSER_COSTS_STATE_H_
