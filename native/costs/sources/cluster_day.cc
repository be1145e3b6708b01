#include "costs/sources/cluster_day.h"

#include <algorithm>

#include "base/status.h"
#include "costs/split.h"

namespace purser::costs {
namespace {

using base::Decimal;

constexpr int64_t kGib = int64_t{1} << 30;

absl::Status DoesNotFit() {
  return absl::OutOfRangeError("a sum of a cluster's day does not fit: is a metric wrong?");
}

absl::Status AddTo(Decimal& sum, Decimal more) {
  return Decimal::Add(sum, more, &sum) ? absl::OkStatus() : DoesNotFit();
}

Decimal AtLeastZero(Decimal value) { return value.IsNegative() ? Decimal() : value; }

constexpr size_t Index(ClusterResource resource) { return static_cast<size_t>(resource); }

}  // namespace

ClusterDay::ClusterDay(const ClusterPrices& prices, absl::Duration step)
    : prices_(prices),
      step_seconds_(Decimal::FromInteger(absl::ToInt64Seconds(step))),
      step_minutes_(absl::ToInt64Minutes(step)) {}

absl::Status ClusterDay::ToHours(Decimal* steps) const {
  Decimal seconds;
  if (!Decimal::Multiply(*steps, step_seconds_, &seconds) ||
      !Divide(seconds, Decimal::FromInteger(3600), steps)) {
    return DoesNotFit();
  }
  return absl::OkStatus();
}

TakenResource& ClusterDay::PartOf(PodCost& cost, size_t resource) {
  return resource == 0 ? cost.cpu : resource == 1 ? cost.memory : cost.gpu;
}

PodCost ClusterDay::CostOf(const PodKey& key, const Pod& pod) const {
  return {.pod = key,
          .minutes = pod.steps * step_minutes_,
          .cpu = pod.of[0],
          .memory = pod.of[1],
          .gpu = pod.of[2]};
}

absl::Status ClusterDay::PricesToHours() {
  for (auto& [name, node] : nodes_) {
    for (Decimal& cost : node.cost) PURSER_RETURN_IF_ERROR(ToHours(&cost));
  }
  for (auto& [key, volume] : volumes_) {
    for (auto& [pod, part] : volume.pods) {
      PURSER_RETURN_IF_ERROR(ToHours(&part.byte_hours));
      PURSER_RETURN_IF_ERROR(ToHours(&part.cost));
    }
  }
  for (auto& [key, balancer] : load_balancers_) {
    PURSER_RETURN_IF_ERROR(ToHours(&balancer.hours));
    PURSER_RETURN_IF_ERROR(ToHours(&balancer.cost));
  }
  return absl::OkStatus();
}

absl::Status ClusterDay::TakenToHours(PodCost& cost) const {
  for (size_t i = 0; i < kResources; ++i) {
    TakenResource& taken = PartOf(cost, i);
    for (Decimal* sum : {&taken.requested, &taken.limit, &taken.used, &taken.allocated}) {
      PURSER_RETURN_IF_ERROR(ToHours(sum));
    }
  }
  return absl::OkStatus();
}

absl::Status ClusterDay::AddRequest(const PodKey& pod, ClusterResource resource, absl::Time at,
                                    Decimal value) {
  Pod& of = pods_[pod];
  Decimal& requested = of.moments[Index(resource)][at].first;
  of.running.insert(at);
  return AddTo(requested, AtLeastZero(value));
}

absl::Status ClusterDay::AddUse(const PodKey& pod, ClusterResource resource, absl::Time at,
                                Decimal value) {
  Pod& of = pods_[pod];
  Decimal& used = of.moments[Index(resource)][at].second;
  of.running.insert(at);
  return AddTo(used, AtLeastZero(value));
}

absl::Status ClusterDay::AddLimit(const PodKey& pod, ClusterResource resource, Decimal value) {
  return AddTo(pods_[pod].of[Index(resource)].limit, AtLeastZero(value));
}

absl::Status ClusterDay::EndMoments(Volume& volume) {
  static const auto& nobody = *new std::set<std::string>{kUnmountedPod};
  for (const auto& [at, stored] : volume.moments) {
    const auto mounted = volume.mounts.find(at);
    const std::set<std::string>& pods = mounted == volume.mounts.end() ? nobody : mounted->second;
    const std::vector<Decimal> even(pods.size(), Decimal::FromInteger(1));
    const std::vector<Decimal> bytes = SplitExactly(stored.byte_hours, even);
    const std::vector<Decimal> money = SplitExactly(stored.cost, even);
    size_t part = 0;
    for (const std::string& pod : pods) {
      Stored& of = volume.pods[pod];
      PURSER_RETURN_IF_ERROR(AddTo(of.byte_hours, bytes[part]));
      PURSER_RETURN_IF_ERROR(AddTo(of.cost, money[part]));
      ++part;
    }
  }
  volume.moments.clear();
  volume.mounts.clear();
  return absl::OkStatus();
}

absl::Status ClusterDay::EndMoments() {
  for (auto& [key, volume] : volumes_) PURSER_RETURN_IF_ERROR(EndMoments(volume));
  for (auto& [key, pod] : pods_) {
    for (size_t i = 0; i < kResources; ++i) {
      for (const auto& [at, moment] : pod.moments[i]) {
        PURSER_RETURN_IF_ERROR(AddTo(pod.of[i].requested, moment.first));
        PURSER_RETURN_IF_ERROR(AddTo(pod.of[i].used, moment.second));
        PURSER_RETURN_IF_ERROR(AddTo(pod.of[i].allocated, std::max(moment.first, moment.second)));
      }
      pod.moments[i].clear();
    }
    pod.steps += static_cast<int64_t>(pod.running.size());
    pod.running.clear();
  }
  return absl::OkStatus();
}

absl::StatusOr<Decimal> ClusterDay::Priced(Decimal amount, Decimal price, bool per_gib) {
  if (per_gib && !Divide(amount, Decimal::FromInteger(kGib), &amount)) return DoesNotFit();
  Decimal cost;
  if (!Decimal::Multiply(amount, price, &cost)) return DoesNotFit();
  return cost;
}

absl::Status ClusterDay::AddCapacity(const std::string& node, ClusterResource resource,
                                     Decimal value, const Decimal* price) {
  const bool memory = resource == ClusterResource::kMemory;
  Node& of = nodes_[node];
  const Decimal there = AtLeastZero(value);
  const Decimal listed = memory                              ? prices_.memory_hour
                         : resource == ClusterResource::kGpu ? prices_.gpu_hour
                                                             : prices_.cpu_hour;
  PURSER_ASSIGN_OR_RETURN(const Decimal cost,
                          Priced(there, price != nullptr ? *price : listed, memory));
  PURSER_RETURN_IF_ERROR(AddTo(of.there[Index(resource)], there));
  PURSER_RETURN_IF_ERROR(AddTo(of.cost[Index(resource)], cost));
  if (resource == ClusterResource::kCpu) ++of.steps;
  return absl::OkStatus();
}

void ClusterDay::SetNodeHour(const std::string& node, Decimal price) { nodes_[node].hour = price; }

absl::Status ClusterDay::AddVolume(const VolumeKey& volume, const std::string& name, absl::Time at,
                                   Decimal bytes, const Decimal* price) {
  Volume& of = volumes_[volume];
  of.name = name;
  const Decimal there = AtLeastZero(bytes);
  PURSER_ASSIGN_OR_RETURN(const Decimal cost,
                          Priced(there, price != nullptr ? *price : prices_.storage_hour, true));
  of.moments[at] = {there, cost};
  return absl::OkStatus();
}

void ClusterDay::AddMount(const VolumeKey& volume, const std::string& pod, absl::Time at) {
  volumes_[volume].mounts[at].insert(pod);
}

absl::Status ClusterDay::AddSent(const std::string& ns, const std::string& pod, Decimal bytes) {
  return AddTo(traffic_[{ns, pod}].sent, AtLeastZero(bytes));
}

absl::Status ClusterDay::AddReceived(const std::string& ns, const std::string& pod, Decimal bytes) {
  return AddTo(traffic_[{ns, pod}].received, AtLeastZero(bytes));
}

absl::Status ClusterDay::AddLoadBalancer(const std::string& ns, const std::string& service,
                                         const Decimal* price) {
  LoadBalancer& of = load_balancers_[{ns, service}];
  PURSER_RETURN_IF_ERROR(AddTo(of.hours, Decimal::FromInteger(1)));
  return AddTo(of.cost, AtLeastZero(price != nullptr ? *price : prices_.load_balancer_hour));
}

absl::Status ClusterDay::PriceNode(const Node& node, Decimal (&costs)[kResources]) const {
  for (size_t i = 0; i < kResources; ++i) costs[i] = node.cost[i];
  if (!node.hour.has_value()) return absl::OkStatus();
  Decimal hours = Decimal::FromInteger(node.steps), total;
  PURSER_RETURN_IF_ERROR(ToHours(&hours));
  if (!Decimal::Multiply(hours, *node.hour, &total)) return DoesNotFit();
  std::vector<Decimal> weights;
  PURSER_ASSIGN_OR_RETURN(weights.emplace_back(), Priced(node.there[0], prices_.cpu_hour, false));
  PURSER_ASSIGN_OR_RETURN(weights.emplace_back(), Priced(node.there[1], prices_.memory_hour, true));
  PURSER_ASSIGN_OR_RETURN(weights.emplace_back(), Priced(node.there[2], prices_.gpu_hour, false));
  const std::vector<Decimal> parts = SplitExactly(total, weights);
  for (size_t i = 0; i < kResources; ++i) costs[i] = parts.empty() ? Decimal() : parts[i];
  if (parts.empty()) costs[0] = total;
  return absl::OkStatus();
}

absl::Status ClusterDay::FinishNode(const std::string& name, const Node& node, size_t first,
                                    std::vector<PodCost>& costs) const {
  Decimal cost[kResources];
  PURSER_RETURN_IF_ERROR(PriceNode(node, cost));
  PodCost idle{.pod = {"", "", name}, .idle = true, .minutes = node.steps * step_minutes_};
  for (size_t i = 0; i < kResources; ++i) {
    std::vector<Decimal> weights;
    Decimal taken;
    for (size_t at = first; at < costs.size(); ++at) {
      weights.push_back(PartOf(costs[at], i).allocated);
      if (!Decimal::Add(taken, weights.back(), &taken)) return DoesNotFit();
    }
    Decimal left;
    if (!Decimal::Subtract(node.there[i], taken, &left)) return DoesNotFit();
    PartOf(idle, i).allocated = AtLeastZero(left);
    weights.push_back(PartOf(idle, i).allocated);
    const std::vector<Decimal> parts = SplitExactly(cost[i], weights);
    // Nothing of it is there to be taken.
    if (parts.empty()) {
      PartOf(idle, i).cost = cost[i];
      continue;
    }
    for (size_t at = first; at < costs.size(); ++at) PartOf(costs[at], i).cost = parts[at - first];
    PartOf(idle, i).cost = parts.back();
  }
  costs.push_back(std::move(idle));
  return absl::OkStatus();
}

absl::Status ClusterDay::AddVolumesAndNetwork(std::vector<PodCost>& costs) const {
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (size_t i = 0; i < costs.size(); ++i) {
    if (!costs[i].idle) places.emplace(std::pair(costs[i].pod.ns, costs[i].pod.pod), i);
  }
  const auto place = [&](const std::string& ns, const std::string& pod) -> PodCost& {
    const auto [at, added] = places.try_emplace({ns, pod}, costs.size());
    if (added) costs.push_back({.pod = {ns, pod, ""}});
    return costs[at->second];
  };
  for (const auto& [key, volume] : volumes_) {
    for (const auto& [pod, part] : volume.pods) {
      place(key.first, pod).volumes.push_back({volume.name, part.byte_hours, part.cost});
    }
  }
  for (const auto& [key, traffic] : traffic_) {
    if (traffic.sent.IsZero() && traffic.received.IsZero()) continue;
    PodCost& of = place(key.first, key.second);
    of.network_sent = traffic.sent;
    of.network_received = traffic.received;
    PURSER_ASSIGN_OR_RETURN(of.network_cost, Priced(traffic.sent, prices_.network_gib, true));
  }
  for (const auto& [key, balancer] : load_balancers_) {
    costs.push_back({.pod = {key.first, kLoadBalancerPod, ""},
                     .service = key.second,
                     .load_balancer_hours = balancer.hours,
                     .load_balancer_cost = balancer.cost});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PodCost>> ClusterDay::Finish() {
  PURSER_RETURN_IF_ERROR(EndMoments());
  PURSER_RETURN_IF_ERROR(PricesToHours());
  std::map<std::string, std::vector<Pods::const_iterator>> pods_of;
  for (auto pod = pods_.cbegin(); pod != pods_.cend(); ++pod) {
    pods_of[pod->first.node].push_back(pod);
  }
  std::vector<PodCost> costs;
  for (const auto& [name, node] : nodes_) {
    const size_t first = costs.size();
    for (const auto& pod : pods_of[name]) costs.push_back(CostOf(pod->first, pod->second));
    pods_of.erase(name);
    PURSER_RETURN_IF_ERROR(FinishNode(name, node, first, costs));
  }
  // Pods on nodes whose capacity is not known have no price.
  for (const auto& [name, pods] : pods_of) {
    for (const auto& pod : pods) costs.push_back(CostOf(pod->first, pod->second));
  }
  for (PodCost& cost : costs) PURSER_RETURN_IF_ERROR(TakenToHours(cost));
  PURSER_RETURN_IF_ERROR(AddVolumesAndNetwork(costs));
  return costs;
}

}  // namespace purser::costs
