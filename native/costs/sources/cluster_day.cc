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

absl::Status ClusterDay::AllToHours() {
  for (auto& [key, pod] : pods_) {
    for (TakenResource& taken : pod.of) {
      for (Decimal* sum : {&taken.requested, &taken.used, &taken.allocated}) {
        PURSER_RETURN_IF_ERROR(ToHours(sum));
      }
    }
  }
  for (auto& [name, node] : nodes_) {
    for (size_t i = 0; i < kResources; ++i) {
      PURSER_RETURN_IF_ERROR(ToHours(&node.hours[i]));
      PURSER_RETURN_IF_ERROR(ToHours(&node.cost[i]));
    }
  }
  for (auto& [key, volume] : volumes_) {
    PURSER_RETURN_IF_ERROR(ToHours(&volume.byte_hours));
    PURSER_RETURN_IF_ERROR(ToHours(&volume.cost));
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

absl::Status ClusterDay::EndMoments() {
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

absl::StatusOr<Decimal> ClusterDay::CostOf(Decimal amount, Decimal price, bool per_gib) {
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
  const Decimal listed = memory ? prices_.memory_hour : prices_.cpu_hour;
  PURSER_ASSIGN_OR_RETURN(const Decimal cost,
                          CostOf(there, price != nullptr ? *price : listed, memory));
  PURSER_RETURN_IF_ERROR(AddTo(of.hours[Index(resource)], there));
  PURSER_RETURN_IF_ERROR(AddTo(of.cost[Index(resource)], cost));
  if (!memory) ++of.steps;
  return absl::OkStatus();
}

void ClusterDay::SetNodeHour(const std::string& node, Decimal price) { nodes_[node].hour = price; }

absl::Status ClusterDay::AddVolume(const std::string& ns, const std::string& claim, Decimal bytes,
                                   const Decimal* price) {
  Volume& volume = volumes_[{ns, claim}];
  const Decimal there = AtLeastZero(bytes);
  PURSER_ASSIGN_OR_RETURN(const Decimal cost,
                          CostOf(there, price != nullptr ? *price : prices_.storage_hour, true));
  PURSER_RETURN_IF_ERROR(AddTo(volume.byte_hours, there));
  return AddTo(volume.cost, cost);
}

void ClusterDay::AddMount(const std::string& ns, const std::string& claim, const std::string& pod) {
  volumes_[{ns, claim}].pods.insert(pod);
}

absl::Status ClusterDay::AddNetwork(const std::string& ns, const std::string& pod, Decimal bytes) {
  Decimal& sum = network_[{ns, pod}];
  return AddTo(sum, AtLeastZero(bytes));
}

absl::Status ClusterDay::PriceNode(const Node& node, Decimal (&costs)[kResources]) const {
  for (size_t i = 0; i < kResources; ++i) costs[i] = node.cost[i];
  if (!node.hour.has_value()) return absl::OkStatus();
  Decimal hours = Decimal::FromInteger(node.steps), total;
  PURSER_RETURN_IF_ERROR(ToHours(&hours));
  if (!Decimal::Multiply(hours, *node.hour, &total)) return DoesNotFit();
  std::vector<Decimal> weights;
  PURSER_ASSIGN_OR_RETURN(weights.emplace_back(), CostOf(node.hours[0], prices_.cpu_hour, false));
  PURSER_ASSIGN_OR_RETURN(weights.emplace_back(), CostOf(node.hours[1], prices_.memory_hour, true));
  const std::vector<Decimal> parts = SplitExactly(total, weights);
  costs[0] = parts.empty() ? total : parts[0];
  costs[1] = parts.empty() ? Decimal() : parts[1];
  return absl::OkStatus();
}

absl::Status ClusterDay::FinishNode(const std::string& name, const Node& node,
                                    std::vector<PodCost>& costs) const {
  Decimal cost[kResources];
  PURSER_RETURN_IF_ERROR(PriceNode(node, cost));
  const size_t first = costs.size();
  for (const auto& [key, pod] : pods_) {
    if (key.node != name) continue;
    costs.push_back(
        {.pod = key, .minutes = pod.steps * step_minutes_, .cpu = pod.of[0], .memory = pod.of[1]});
  }
  PodCost idle{.pod = {"", "", name}, .idle = true, .minutes = node.steps * step_minutes_};
  for (size_t i = 0; i < kResources; ++i) {
    const auto part = [&](PodCost& of) -> TakenResource& { return i == 0 ? of.cpu : of.memory; };
    std::vector<Decimal> weights;
    Decimal taken;
    for (size_t at = first; at < costs.size(); ++at) {
      weights.push_back(part(costs[at]).allocated);
      if (!Decimal::Add(taken, weights.back(), &taken)) return DoesNotFit();
    }
    Decimal left;
    if (!Decimal::Subtract(node.hours[i], taken, &left)) return DoesNotFit();
    part(idle).allocated = AtLeastZero(left);
    weights.push_back(part(idle).allocated);
    const std::vector<Decimal> parts = SplitExactly(cost[i], weights);
    // Nothing of it is there to be taken.
    if (parts.empty()) {
      part(idle).cost = cost[i];
      continue;
    }
    for (size_t at = first; at < costs.size(); ++at) part(costs[at]).cost = parts[at - first];
    part(idle).cost = parts.back();
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
    std::set<std::string> pods = volume.pods;
    if (pods.empty()) pods.insert(kUnmountedPod);
    const std::vector<Decimal> even(pods.size(), Decimal::FromInteger(1));
    const std::vector<Decimal> money = SplitExactly(volume.cost, even);
    const std::vector<Decimal> bytes = SplitExactly(volume.byte_hours, even);
    size_t at = 0;
    for (const std::string& pod : pods) {
      PodCost& of = place(key.first, pod);
      PURSER_RETURN_IF_ERROR(AddTo(of.volume_cost, money[at]));
      PURSER_RETURN_IF_ERROR(AddTo(of.volume_byte_hours, bytes[at]));
      ++at;
    }
  }
  for (const auto& [key, bytes] : network_) {
    if (bytes.IsZero()) continue;
    PodCost& of = place(key.first, key.second);
    of.network_bytes = bytes;
    PURSER_ASSIGN_OR_RETURN(of.network_cost, CostOf(bytes, prices_.network_gib, true));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PodCost>> ClusterDay::Finish() {
  PURSER_RETURN_IF_ERROR(EndMoments());
  PURSER_RETURN_IF_ERROR(AllToHours());
  std::vector<PodCost> costs;
  for (const auto& [name, node] : nodes_) PURSER_RETURN_IF_ERROR(FinishNode(name, node, costs));
  // Pods on nodes whose capacity is not known have no price.
  for (const auto& [key, pod] : pods_) {
    if (nodes_.contains(key.node)) continue;
    costs.push_back(
        {.pod = key, .minutes = pod.steps * step_minutes_, .cpu = pod.of[0], .memory = pod.of[1]});
  }
  PURSER_RETURN_IF_ERROR(AddVolumesAndNetwork(costs));
  return costs;
}

}  // namespace purser::costs
