// What a cluster's nodes cost on one day, and who used them: the arithmetic, apart from where the
// numbers come from.
//
// A node's CPU, memory and GPUs have a price each. At every moment a pod takes the larger of what
// it asked for and what it used; what no pod took is idle and stays with the node, never below
// zero. A node's cost is split by what was taken, by the method of the largest remainder: pods +
// idle = node, to the last digit. A volume's cost of a moment is shared by the pods that mount it
// then.
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
inline constexpr char kLoadBalancerPod[] = "__load_balancer__";

struct PodKey {
  std::string ns = {};
  std::string pod = {};
  std::string node = {};
  friend auto operator<=>(const PodKey&, const PodKey&) = default;
};

// A claim of a namespace; of a volume that is not claimed ("", the volume).
using VolumeKey = std::pair<std::string, std::string>;

enum class ClusterResource { kCpu, kMemory, kGpu };  // in cores, in bytes, in devices

// Of one resource of a pod, in core-hours, byte-hours or GPU-hours.
struct TakenResource {
  base::Decimal requested = {};
  base::Decimal limit = {};
  base::Decimal used = {};
  base::Decimal allocated = {};
  base::Decimal cost = {};
};

// A pod's part of a volume.
struct VolumePart {
  std::string name = {};  // of the volume, not of the claim
  base::Decimal byte_hours = {};
  base::Decimal cost = {};
};

struct PodCost {
  PodKey pod = {};  // of idle: only the node
  bool idle = false;
  int64_t minutes = 0;
  TakenResource cpu = {};
  TakenResource memory = {};
  TakenResource gpu = {};
  std::vector<VolumePart> volumes = {};
  base::Decimal network_sent = {};      // bytes
  base::Decimal network_received = {};  // bytes
  base::Decimal network_cost = {};
  std::string service = {};  // whose load balancer it is
  base::Decimal load_balancer_hours = {};
  base::Decimal load_balancer_cost = {};
  base::Decimal shared_cost = {};  // of others, see allocation_sums.h
};

// Prices of what no metric names a price of.
struct ClusterPrices {
  base::Decimal cpu_hour = {};      // of a core
  base::Decimal memory_hour = {};   // of a GiB
  base::Decimal gpu_hour = {};      // of a device
  base::Decimal storage_hour = {};  // of a GiB of a volume
  base::Decimal network_gib = {};   // of a GiB sent
  base::Decimal load_balancer_hour = {};
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
  // Limits bind nobody's money: they are only told.
  absl::Status AddLimit(const PodKey& pod, ClusterResource resource, base::Decimal value);
  // All of the moments so far is there. Keeps memory small.
  absl::Status EndMoments();

  // `price` of a core-hour, GiB-hour or device-hour; null: that of ClusterPrices.
  absl::Status AddCapacity(const std::string& node, ClusterResource resource, base::Decimal value,
                           const base::Decimal* price);
  // What the whole machine costs an hour, instead of prices of its parts; divided among them in the
  // proportion ClusterPrices gives them.
  void SetNodeHour(const std::string& node, base::Decimal price);
  // `name` is the volume's, `claim` "" when nobody claims it; `price` of a GiB-hour, null: that of
  // ClusterPrices.
  absl::Status AddVolume(const VolumeKey& volume, const std::string& name, absl::Time at,
                         base::Decimal bytes, const base::Decimal* price);
  void AddMount(const VolumeKey& volume, const std::string& pod, absl::Time at);
  // Bytes during a step.
  absl::Status AddSent(const std::string& ns, const std::string& pod, base::Decimal bytes);
  absl::Status AddReceived(const std::string& ns, const std::string& pod, base::Decimal bytes);
  // A service has a load balancer during a step. `price` of an hour; null: that of ClusterPrices.
  absl::Status AddLoadBalancer(const std::string& ns, const std::string& service,
                               const base::Decimal* price);

  // Nothing is known of any node: there is nothing to allocate, which is not the same as no cost.
  bool empty() const { return nodes_.empty(); }

  // By node, namespace and pod; behind a node's pods its idle part; then what belongs to pods no
  // node is known of. Volumes while nobody mounts them are a pod kUnmountedPod of their namespace,
  // load balancers a pod kLoadBalancerPod each.
  absl::StatusOr<std::vector<PodCost>> Finish();

 private:
  static constexpr size_t kResources = 3;
  using Moment = std::pair<base::Decimal, base::Decimal>;  // requested, used
  struct Pod {
    TakenResource of[kResources];
    std::map<absl::Time, Moment> moments[kResources];
    std::set<absl::Time> running;  // moments of this chunk
    int64_t steps = 0;
  };
  struct Node {
    base::Decimal there[kResources];  // units there were, by steps
    base::Decimal cost[kResources];   // by prices of parts
    std::optional<base::Decimal> hour;
    int64_t steps = 0;
  };
  struct Stored {
    base::Decimal byte_hours;
    base::Decimal cost;
  };
  struct Volume {
    std::string name;
    std::map<absl::Time, Stored> moments;                // of this chunk
    std::map<absl::Time, std::set<std::string>> mounts;  // of this chunk
    std::map<std::string, Stored> pods;
  };
  struct Traffic {
    base::Decimal sent;
    base::Decimal received;
  };
  struct LoadBalancer {
    base::Decimal hours;
    base::Decimal cost;
  };
  using Pods = std::map<PodKey, Pod>;

  static TakenResource& PartOf(PodCost& cost, size_t resource);
  PodCost CostOf(const PodKey& key, const Pod& pod) const;
  // What stood there for some steps, by the hour: multiplied and divided once, at the end, since
  // most steps are no decimal part of an hour.
  absl::Status ToHours(base::Decimal* steps) const;
  absl::Status PricesToHours();
  absl::Status TakenToHours(PodCost& cost) const;
  absl::Status EndMoments(Volume& volume);
  static absl::StatusOr<base::Decimal> Priced(base::Decimal amount, base::Decimal price,
                                              bool per_gib);
  // The node's cost of each resource.
  absl::Status PriceNode(const Node& node, base::Decimal (&costs)[kResources]) const;
  // Behind the node's pods, which are `costs` from `first` on.
  absl::Status FinishNode(const std::string& name, const Node& node, size_t first,
                          std::vector<PodCost>& costs) const;
  absl::Status AddVolumesAndNetwork(std::vector<PodCost>& costs) const;

  const ClusterPrices prices_;
  const base::Decimal step_seconds_;
  const int64_t step_minutes_;
  // Sums count steps instead of hours until Finish has split the money: most steps are no decimal
  // part of an hour.
  Pods pods_;
  std::map<std::string, Node> nodes_;
  std::map<VolumeKey, Volume> volumes_;
  std::map<std::pair<std::string, std::string>, Traffic> traffic_;              // by namespace, pod
  std::map<std::pair<std::string, std::string>, LoadBalancer> load_balancers_;  // …, service
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_CLUSTER_DAY_H_
