// What a cluster's nodes cost on one day, and who used them: the arithmetic, apart from where the
// numbers come from.
//
// A node's CPU and memory have a price each. At every moment a pod takes the larger of what it
// asked for and what it used; what no pod took is idle and stays with the node, never below zero. A
// node's cost is split by what was taken, by the method of the largest remainder: pods + idle =
// node, to the last digit.
#ifndef PURSER_COSTS_SOURCES_CLUSTER_DAY_H_
#define PURSER_COSTS_SOURCES_CLUSTER_DAY_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/decimal.h"

namespace purser::costs {

inline constexpr char kUnmountedPod[] = "__unmounted__";

struct PodKey {
  std::string ns = {};
  std::string pod = {};
  std::string node = {};
  friend auto operator<=>(const PodKey&, const PodKey&) = default;
};

enum class ClusterResource { kCpu, kMemory };  // in cores, in bytes

// Of one resource of a pod, in core-hours or byte-hours.
struct TakenResource {
  base::Decimal requested = {};
  base::Decimal used = {};
  base::Decimal allocated = {};
  base::Decimal cost = {};
};

struct PodCost {
  PodKey pod = {};  // of idle: only the node
  bool idle = false;
  int64_t minutes = 0;
  TakenResource cpu = {};
  TakenResource memory = {};
  base::Decimal volume_byte_hours = {};
  base::Decimal volume_cost = {};
  base::Decimal network_bytes = {};
  base::Decimal network_cost = {};
};

// Prices of what no metric names a price of.
struct ClusterPrices {
  base::Decimal cpu_hour = {};      // of a core
  base::Decimal memory_hour = {};   // of a GiB
  base::Decimal storage_hour = {};  // of a GiB of a volume
  base::Decimal network_gib = {};   // of a GiB sent
};

// One thread. Values below zero count as 0; OUT_OF_RANGE when a sum does not fit.
class ClusterDay {
 public:
  // A value holds for `step`.
  ClusterDay(const ClusterPrices& prices, absl::Duration step);

  absl::Status AddRequest(const PodKey& pod, ClusterResource resource, absl::Time at,
                          base::Decimal value);
  absl::Status AddUse(const PodKey& pod, ClusterResource resource, absl::Time at,
                      base::Decimal value);
  // All requests and uses of the moments so far are there. Keeps memory small.
  absl::Status EndMoments();

  // `price` of a core-hour or GiB-hour; null: that of ClusterPrices.
  absl::Status AddCapacity(const std::string& node, ClusterResource resource, base::Decimal value,
                           const base::Decimal* price);
  // What the whole machine costs an hour, instead of prices of its parts; divided among them in the
  // proportion ClusterPrices gives them.
  void SetNodeHour(const std::string& node, base::Decimal price);
  // `price` of a GiB-hour; null: that of ClusterPrices.
  absl::Status AddVolume(const std::string& ns, const std::string& claim, base::Decimal bytes,
                         const base::Decimal* price);
  void AddMount(const std::string& ns, const std::string& claim, const std::string& pod);
  // Bytes sent during a step.
  absl::Status AddNetwork(const std::string& ns, const std::string& pod, base::Decimal bytes);

  // Nothing is known of any node: there is nothing to allocate, which is not the same as no cost.
  bool empty() const { return nodes_.empty(); }

  // By node, namespace and pod; behind a node's pods its idle part; then what belongs to pods no
  // node is known of. Volumes nobody mounts are a pod kUnmountedPod of their namespace.
  absl::StatusOr<std::vector<PodCost>> Finish();

 private:
  static constexpr size_t kResources = 2;
  using Moment = std::pair<base::Decimal, base::Decimal>;  // requested, used
  struct Pod {
    TakenResource of[kResources];
    std::map<absl::Time, Moment> moments[kResources];
    std::set<absl::Time> running;  // moments of this chunk
    int64_t steps = 0;
  };
  struct Node {
    base::Decimal hours[kResources];  // unit-hours there were
    base::Decimal cost[kResources];   // by prices of parts
    std::optional<base::Decimal> hour;
    int64_t steps = 0;
  };
  struct Volume {
    base::Decimal byte_hours;
    base::Decimal cost;
    std::set<std::string> pods;
  };

  // What stood there for some steps, by the hour: multiplied and divided once, at the end, since
  // most steps are no decimal part of an hour.
  absl::Status ToHours(base::Decimal* steps) const;
  absl::Status AllToHours();
  static absl::StatusOr<base::Decimal> CostOf(base::Decimal amount, base::Decimal price,
                                              bool per_gib);
  // The node's cost of each resource.
  absl::Status PriceNode(const Node& node, base::Decimal (&costs)[kResources]) const;
  absl::Status FinishNode(const std::string& name, const Node& node,
                          std::vector<PodCost>& costs) const;
  absl::Status AddVolumesAndNetwork(std::vector<PodCost>& costs) const;

  const ClusterPrices prices_;
  const base::Decimal step_seconds_;
  const int64_t step_minutes_;
  // Until Finish all sums count steps instead of hours.
  std::map<PodKey, Pod> pods_;
  std::map<std::string, Node> nodes_;
  std::map<std::pair<std::string, std::string>, Volume> volumes_;         // by namespace, claim
  std::map<std::pair<std::string, std::string>, base::Decimal> network_;  // by namespace, pod
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_CLUSTER_DAY_H_
