// What the kept days of clusters add up to, in the form of OpenCost's allocation API: by what they
// belong to, filtered, idle shown, hidden or shared.
#ifndef PURSER_COSTS_SOURCES_ALLOCATION_SUMS_H_
#define PURSER_COSTS_SOURCES_ALLOCATION_SUMS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "costs/sources/cluster_days.h"

namespace purser::costs {

inline constexpr int kMaxAllocationDays = 400;
inline constexpr size_t kMaxAllocationBytes = 32 << 20;  // of an answer

enum class IdleCost { kShow, kHide, kShare };

struct AllocationRequest {
  absl::CivilDay from = {};
  absl::CivilDay to = {};  // inclusive
  // Fields as ParseAllocationField takes them; none: each pod.
  std::vector<std::string> aggregate = {};
  int step_days = 0;        // of one set; 0: all days
  std::string filter = {};  // see allocation_filter.h
  // Shared: by node, in proportion to what its pods cost of the same resource; what nobody can
  // take stays idle.
  IdleCost idle = IdleCost::kShow;
  bool idle_by_node = false;  // CLUSTER/NODE/__idle__ instead of __idle__
  // Their costs are shared by the others in proportion to what these cost, as sharedCost.
  std::vector<std::string> share_namespaces = {};
};

// One set per step, each a JSON object of allocations by name; nothing when no day of any cluster
// is kept. INVALID_ARGUMENT: the request; FAILED_PRECONDITION: clusters have different currencies;
// RESOURCE_EXHAUSTED: more than kMaxAllocationBytes.
absl::StatusOr<std::optional<std::vector<std::string>>> SumAllocations(
    const ClusterDays& days, const AllocationRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_ALLOCATION_SUMS_H_
