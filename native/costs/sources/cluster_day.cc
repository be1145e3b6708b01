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

Decimal HoursOf(absl::Duration step) {
  Decimal hours;
  Divide(Decimal::FromInteger(absl::ToInt64Seconds(step)), Decimal::FromInteger(3600), &hours);
  return hours;
}

Decimal AtLeastZero(Decimal value) { return value.IsNegative() ? Decimal() : value; }

constexpr size_t Index(ClusterResource resource) { return static_cast<size_t>(resource); }

}  // namespace

ClusterDay::ClusterDay(const ClusterPrices& prices, absl::Duration step)
    : prices_(prices), step_hours_(HoursOf(step)), step_minutes_(absl::ToInt64Minutes(step)) {}

absl::Status ClusterDay::AddHours(Decimal value, Decimal* sum) const {
  Decimal hours;
  if (!Decimal::Multiply(AtLeastZero(value), step_hours_, &hours) ||
      !Decimal::Add(*sum, hours, sum)) {
    return DoesNotFit();
  }
  return absl::OkStatus();
}

absl::Status ClusterDay::AddRequest(const PodKey& pod, ClusterResource resource, absl::Time at,
                                    Decimal value) {
  Pod& of = pods_[pod];
  Decimal& requested = of.moments[Index(resource)][at].first;
  of.running.insert(at);
  return Decimal::Add(requested, AtLeastZero(value), &requested) ? absl::OkStatus() : DoesNotFit();
}

absl::Status ClusterDay::AddUse(const PodKey& pod, ClusterResource resource, absl::Time at,
                                Decimal value) {
  Pod& of = pods_[pod];
  Decimal& used = of.moments[Index(resource)][at].second;
  of.running.insert(at);
  return Decimal::Add(used, AtLeastZero(value), &used) ? absl::OkStatus() : DoesNotFit();
}

absl::Status ClusterDay::EndMoments() {
  for (auto& [key, pod] : pods_) {
    for (size_t i = 0; i < kResources; ++i) {
      for (const auto& [at, moment] : pod.moments[i]) {
        PURSER_RETURN_IF_ERROR(AddHours(moment.first, &pod.of[i].requested));
        PURSER_RETURN_IF_ERROR(AddHours(moment.second, &pod.of[i].used));
        PURSER_RETURN_IF_ERROR(
            AddHours(std::max(moment.first, moment.second), &pod.of[i].allocated));
      }
      pod.moments[i].clear();
    }
    pod.steps += static_cast<int64_t>(pod.running.size());
    pod.running.clear();
  }
  return absl::OkStatus();
}

absl::StatusOr<Decimal> ClusterDay::CostOf(Decimal hours, Decimal price, bool per_gib) const {
  if (per_gib && !Divide(hours, Decimal::FromInteger(kGib), &hours)) return DoesNotFit();
  Decimal cost;
  if (!Decimal::Multiply(hours, price, &cost)) return DoesNotFit();
  return cost;
}

absl::Status ClusterDay::AddCapacity(const std::string& node, ClusterResource resource,
                                     Decimal value, const Decimal* price) {
  const bool memory = resource == ClusterResource::kMemory;
  Node& of = nodes_[node];
  Decimal hours;
  PURSER_RETURN_IF_ERROR(AddHours(value, &hours));
  const Decimal listed = memory ? prices_.memory_hour : prices_.cpu_hour;
  PURSER_ASSIGN_OR_RETURN(const Decimal cost,
                          CostOf(hours, price != nullptr ? *price : listed, memory));
  const size_t i = Index(resource);
  if (!Decimal::Add(of.hours[i], hours, &of.hours[i]) ||
      !Decimal::Add(of.cost[i], cost, &of.cost[i])) {
    return DoesNotFit();
  }
  if (!memory) ++of.steps;
  return absl::OkStatus();
}

void ClusterDay::SetNodeHour(const std::string& node, Decimal price) { nodes_[node].hour = price; }

absl::Status ClusterDay::AddVolume(const std::string& ns, const std::string& claim, Decimal bytes,
                                   const Decimal* price) {
  Volume& volume = volumes_[{ns, claim}];
  Decimal hours;
  PURSER_RETURN_IF_ERROR(AddHours(bytes, &hours));
  PURSER_ASSIGN_OR_RETURN(const Decimal cost,
                          CostOf(hours, price != nullptr ? *price : prices_.storage_hour, true));
  if (!Decimal::Add(volume.byte_hours, hours, &volume.byte_hours) ||
      !Decimal::Add(volume.cost, cost, &volume.cost)) {
    return DoesNotFit();
  }
  return absl::OkStatus();
}

void ClusterDay::AddMount(const std::string& ns, const std::string& claim, const std::string& pod) {
  volumes_[{ns, claim}].pods.insert(pod);
}

absl::Status ClusterDay::AddNetwork(const std::string& ns, const std::string& pod, Decimal bytes) {
  Decimal& sum = network_[{ns, pod}];
  return Decimal::Add(sum, AtLeastZero(bytes), &sum) ? absl::OkStatus() : DoesNotFit();
}

absl::Status ClusterDay::PriceNode(const Node& node, Decimal (&costs)[kResources]) const {
  for (size_t i = 0; i < kResources; ++i) costs[i] = node.cost[i];
  if (!node.hour.has_value()) return absl::OkStatus();
  Decimal hours, total;
  if (!Decimal::Multiply(step_hours_, Decimal::FromInteger(node.steps), &hours) ||
      !Decimal::Multiply(hours, *node.hour, &total)) {
    return DoesNotFit();
  }
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
      if (!Decimal::Add(of.volume_cost, money[at], &of.volume_cost) ||
          !Decimal::Add(of.volume_byte_hours, bytes[at], &of.volume_byte_hours)) {
        return DoesNotFit();
      }
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
