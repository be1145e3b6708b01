#include "costs/sources/allocation_sums.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/decimal.h"
#include "base/status.h"
#include "costs/readers/json_row.h"
#include "costs/rollups.h"
#include "costs/sources/allocation_filter.h"
#include "costs/sources/allocation_json.h"
#include "costs/split.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using base::Decimal;

constexpr char kIdle[] = "__idle__";
constexpr char kNobody[] = "__unallocated__";

// What allocations of one sum have in common is told as its properties.
constexpr const char* kProperties[] = {"cluster",        "node",       "namespace",
                                       "controllerKind", "controller", "pod"};

struct PodAllocation {
  std::string name;
  std::map<std::string, std::string> fields;  // of kProperties, "service", "label:NAME"
  std::string currency;
  PodCost cost;
};

absl::Status DoesNotFit() { return absl::OutOfRangeError("a sum of allocations does not fit"); }

absl::Status AddTo(Decimal& sum, Decimal more) {
  return Decimal::Add(sum, more, &sum) ? absl::OkStatus() : DoesNotFit();
}

std::string FieldOf(const PodAllocation& allocation, const std::string& field) {
  const auto found = allocation.fields.find(field);
  return found == allocation.fields.end() ? "" : found->second;
}

Decimal NumberOf(const JsonNode& node, const char* name) {
  const JsonNode* const value = node.Find(name);
  if (value == nullptr || value->kind != JsonNode::kNumber) return {};
  return Decimal::Parse(value->text).value_or(Decimal());
}

// An average over minutes, as what it is the average of.
Decimal HoursOf(Decimal average, int64_t minutes) {
  Decimal sum;
  if (!Decimal::Multiply(average, Decimal::FromInteger(minutes), &sum) ||
      !Divide(sum, Decimal::FromInteger(60), &sum)) {
    return {};
  }
  return sum;
}

std::string TextOf(const JsonNode& node, const char* name) {
  const JsonNode* const value = node.Find(name);
  return value == nullptr ? "" : value->text;
}

PodAllocation Read(const JsonNode& node) {
  PodAllocation read{
      .name = TextOf(node, "name"), .fields = {}, .currency = TextOf(node, "currency"), .cost = {}};
  PodCost& cost = read.cost;
  cost.idle = absl::StartsWith(read.name, kIdle);
  if (!absl::SimpleAtoi(TextOf(node, "minutes"), &cost.minutes)) cost.minutes = 0;
  const auto taken = [&](const char* request, const char* limit, const char* use, const char* hours,
                         const char* money) {
    return TakenResource{.requested = HoursOf(NumberOf(node, request), cost.minutes),
                         .limit = HoursOf(NumberOf(node, limit), cost.minutes),
                         .used = HoursOf(NumberOf(node, use), cost.minutes),
                         .allocated = NumberOf(node, hours),
                         .cost = NumberOf(node, money)};
  };
  cost.cpu = taken("cpuCoreRequestAverage", "cpuCoreLimitAverage", "cpuCoreUsageAverage",
                   "cpuCoreHours", "cpuCost");
  cost.memory = taken("ramByteRequestAverage", "ramByteLimitAverage", "ramByteUsageAverage",
                      "ramByteHours", "ramCost");
  cost.gpu = taken("", "", "", "gpuHours", "gpuCost");
  cost.volumes.push_back({"", NumberOf(node, "pvByteHours"), NumberOf(node, "pvCost")});
  cost.network_sent = NumberOf(node, "networkTransferBytes");
  cost.network_received = NumberOf(node, "networkReceiveBytes");
  cost.network_cost = NumberOf(node, "networkCost");
  cost.load_balancer_cost = NumberOf(node, "loadBalancerCost");
  const JsonNode* const properties = node.Find("properties");
  if (properties == nullptr) return read;
  for (const char* name : kProperties) {
    if (std::string text = TextOf(*properties, name); !text.empty()) read.fields[name] = text;
  }
  const JsonNode* const services = properties->Find("services");
  if (services != nullptr && !services->members.empty()) {
    read.fields["service"] = services->members[0].node.text;
  }
  if (const JsonNode* const labels = properties->Find("labels"); labels != nullptr) {
    for (const JsonMember& label : labels->members) {
      read.fields[absl::StrCat("label:", label.name)] = label.node.text;
    }
  }
  return read;
}

absl::StatusOr<std::vector<PodAllocation>> ReadDay(absl::string_view text) {
  std::vector<PodAllocation> all;
  const absl::StatusOr<JsonNode> rest = ParseJsonNode(text, [&](const JsonNode& node) {
    if (node.Find("window") == nullptr) return false;
    all.push_back(Read(node));
    return true;
  });
  if (!rest.ok()) return rest.status();
  return all;
}

absl::StatusOr<Decimal> TotalOf(const PodCost& cost) {
  Decimal total;
  for (const Decimal part : {cost.cpu.cost, cost.memory.cost, cost.gpu.cost, cost.network_cost,
                             cost.load_balancer_cost, cost.shared_cost}) {
    PURSER_RETURN_IF_ERROR(AddTo(total, part));
  }
  for (const VolumePart& volume : cost.volumes) PURSER_RETURN_IF_ERROR(AddTo(total, volume.cost));
  return total;
}

// Moves an amount of idle to who takes of the same resource on its node.
absl::Status ShareIdle(PodCost& idle, const std::vector<PodCost*>& takers,
                       TakenResource PodCost::* resource) {
  std::vector<Decimal> weights;
  for (const PodCost* taker : takers) weights.push_back((taker->*resource).cost);
  const std::vector<Decimal> parts = SplitExactly((idle.*resource).cost, weights);
  for (size_t i = 0; i < parts.size(); ++i) {
    PURSER_RETURN_IF_ERROR(AddTo((takers[i]->*resource).cost, parts[i]));
  }
  if (!parts.empty()) (idle.*resource).cost = {};
  return absl::OkStatus();
}

absl::Status ShareIdle(std::vector<PodAllocation>& all) {
  struct Node {
    std::vector<PodCost*> idle;
    std::vector<PodCost*> takers;
  };
  std::map<std::pair<std::string, std::string>, Node> nodes;  // by cluster and name
  for (PodAllocation& allocation : all) {
    Node& node = nodes[{FieldOf(allocation, "cluster"), FieldOf(allocation, "node")}];
    (allocation.cost.idle ? node.idle : node.takers).push_back(&allocation.cost);
  }
  for (const auto& [name, node] : nodes) {
    for (PodCost* const idle : node.idle) {
      for (const auto resource : {&PodCost::cpu, &PodCost::memory, &PodCost::gpu}) {
        PURSER_RETURN_IF_ERROR(ShareIdle(*idle, node.takers, resource));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ShareNamespaces(std::vector<PodAllocation>& all,
                             const std::vector<std::string>& names) {
  const auto is_shared = [&](const PodAllocation& allocation) {
    return !allocation.cost.idle &&
           std::find(names.begin(), names.end(), FieldOf(allocation, "namespace")) != names.end();
  };
  Decimal shared;
  std::vector<Decimal> weights;
  for (const PodAllocation& allocation : all) {
    PURSER_ASSIGN_OR_RETURN(const Decimal total, TotalOf(allocation.cost));
    if (is_shared(allocation)) PURSER_RETURN_IF_ERROR(AddTo(shared, total));
    weights.push_back(is_shared(allocation) || allocation.cost.idle ? Decimal() : total);
  }
  const std::vector<Decimal> parts = SplitExactly(shared, weights);
  if (parts.empty()) return absl::OkStatus();
  for (size_t i = 0; i < all.size(); ++i) {
    PURSER_RETURN_IF_ERROR(AddTo(all[i].cost.shared_cost, parts[i]));
  }
  std::erase_if(all, is_shared);
  return absl::OkStatus();
}

absl::Status AddTo(TakenResource& sum, const TakenResource& more) {
  PURSER_RETURN_IF_ERROR(AddTo(sum.requested, more.requested));
  PURSER_RETURN_IF_ERROR(AddTo(sum.limit, more.limit));
  PURSER_RETURN_IF_ERROR(AddTo(sum.used, more.used));
  PURSER_RETURN_IF_ERROR(AddTo(sum.allocated, more.allocated));
  return AddTo(sum.cost, more.cost);
}

absl::Status AddTo(PodCost& sum, const PodCost& more) {
  PURSER_RETURN_IF_ERROR(AddTo(sum.cpu, more.cpu));
  PURSER_RETURN_IF_ERROR(AddTo(sum.memory, more.memory));
  PURSER_RETURN_IF_ERROR(AddTo(sum.gpu, more.gpu));
  if (sum.volumes.empty()) sum.volumes.push_back({});
  for (const VolumePart& volume : more.volumes) {
    PURSER_RETURN_IF_ERROR(AddTo(sum.volumes[0].byte_hours, volume.byte_hours));
    PURSER_RETURN_IF_ERROR(AddTo(sum.volumes[0].cost, volume.cost));
  }
  PURSER_RETURN_IF_ERROR(AddTo(sum.network_sent, more.network_sent));
  PURSER_RETURN_IF_ERROR(AddTo(sum.network_received, more.network_received));
  PURSER_RETURN_IF_ERROR(AddTo(sum.network_cost, more.network_cost));
  PURSER_RETURN_IF_ERROR(AddTo(sum.load_balancer_cost, more.load_balancer_cost));
  return AddTo(sum.shared_cost, more.shared_cost);
}

struct Sum {
  PodCost cost;
  std::map<std::string, std::string> properties;  // what all have in common
  bool empty = true;
};

// One set: allocations of some days by name.
class Set {
 public:
  // `aggregate`: as ParseAllocationField gives them.
  Set(const AllocationRequest& request, const std::vector<std::string>& aggregate)
      : request_(request), aggregate_(aggregate) {}

  absl::Status AddDay(const std::vector<PodAllocation>& day) {
    std::map<std::string, int64_t> minutes;
    for (const PodAllocation& allocation : day) {
      const std::string name = NameOf(allocation);
      Sum& sum = sums_[name];
      PURSER_RETURN_IF_ERROR(AddTo(sum.cost, allocation.cost));
      for (const char* property : kProperties) {
        const std::string value = FieldOf(allocation, property);
        const auto [at, added] = sum.properties.try_emplace(property, sum.empty ? value : "");
        if (at->second != value) at->second.clear();
      }
      sum.empty = false;
      // What ran side by side did not run longer.
      minutes[name] = std::max(minutes[name], allocation.cost.minutes);
    }
    for (const auto& [name, count] : minutes) sums_[name].cost.minutes += count;
    return absl::OkStatus();
  }

  std::string Json(const AllocationWindow& window) const {
    std::string text = "{";
    for (const auto& [name, sum] : sums_) {
      nlohmann::json properties = nlohmann::json::object();
      for (const auto& [property, value] : sum.properties) {
        if (!value.empty()) properties[property] = value;
      }
      absl::StrAppend(&text, text.size() == 1 ? "" : ",", json::Dump(nlohmann::json(name)), ":",
                      AllocationJson(name, json::Dump(properties), window, sum.cost));
    }
    return text + "}";
  }

 private:
  std::string NameOf(const PodAllocation& allocation) const {
    if (allocation.cost.idle) {
      return request_.idle_by_node ? absl::StrCat(FieldOf(allocation, "cluster"), "/",
                                                  FieldOf(allocation, "node"), "/", kIdle)
                                   : kIdle;
    }
    if (aggregate_.empty()) return allocation.name;
    std::vector<std::string> parts;
    for (const std::string& field : aggregate_) {
      std::string value = FieldOf(allocation, field);
      parts.push_back(value.empty() ? kNobody : std::move(value));
    }
    return absl::StrJoin(parts, "/");
  }

  const AllocationRequest& request_;
  const std::vector<std::string>& aggregate_;
  std::map<std::string, Sum> sums_;
};

// The allocations of a day, as far as the request is about them.
absl::Status Prepare(const AllocationRequest& request, const AllocationFilter& filter,
                     std::vector<PodAllocation>& all) {
  if (request.idle == IdleCost::kShare) PURSER_RETURN_IF_ERROR(ShareIdle(all));
  if (!request.share_namespaces.empty()) {
    PURSER_RETURN_IF_ERROR(ShareNamespaces(all, request.share_namespaces));
  }
  absl::Status wrong;
  std::erase_if(all, [&](const PodAllocation& allocation) {
    if (allocation.cost.idle && request.idle == IdleCost::kHide) return true;
    if (allocation.cost.idle && request.idle == IdleCost::kShare) {
      const absl::StatusOr<Decimal> left = TotalOf(allocation.cost);
      wrong.Update(left.status());
      if (!left.ok() || left->IsZero()) return true;
    }
    return !filter.Passes([&](const std::string& field) { return FieldOf(allocation, field); });
  });
  return wrong;
}

absl::Status Check(const AllocationRequest& request) {
  if (request.to < request.from || request.to - request.from >= kMaxAllocationDays) {
    return absl::InvalidArgumentError(
        absl::StrCat(DayText(request.from), " to ", DayText(request.to),
                     ": the last day is before the first, or more than ", kMaxAllocationDays,
                     " days (kMaxAllocationDays) are asked for"));
  }
  if (request.step_days < 0) return absl::InvalidArgumentError("step: must not be below 0");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<std::vector<std::string>>> SumAllocations(
    const ClusterDays& days, const AllocationRequest& request) {
  PURSER_RETURN_IF_ERROR(Check(request));
  std::vector<std::string> aggregate;
  for (const std::string& field : request.aggregate) {
    PURSER_ASSIGN_OR_RETURN(aggregate.emplace_back(), ParseAllocationField(field));
  }
  PURSER_ASSIGN_OR_RETURN(const AllocationFilter filter, AllocationFilter::Parse(request.filter));
  PURSER_ASSIGN_OR_RETURN(const bool any, days.Any());
  if (!any) return std::optional<std::vector<std::string>>();
  const int64_t step = request.step_days == 0 ? request.to - request.from + 1 : request.step_days;
  std::vector<std::string> sets;
  size_t bytes = 0;
  std::string currency;
  for (absl::CivilDay first = request.from; first <= request.to; first += step) {
    const absl::CivilDay last = std::min(first + step - 1, request.to);
    Set set(request, aggregate);
    PURSER_RETURN_IF_ERROR(
        days.Each("", first, last, [&](absl::CivilDay day, absl::string_view text) -> absl::Status {
          absl::StatusOr<std::vector<PodAllocation>> all = ReadDay(text);
          if (!all.ok()) {
            return absl::InternalError(absl::StrCat("the kept allocations of ", DayText(day), ": ",
                                                    all.status().message()));
          }
          PURSER_RETURN_IF_ERROR(Prepare(request, filter, *all));
          for (const PodAllocation& allocation : *all) {
            if (currency.empty()) currency = allocation.currency;
            if (allocation.currency == currency) continue;
            return absl::FailedPreconditionError(
                absl::StrCat("clusters have costs in ", currency, " and ", allocation.currency,
                             ", which cannot be added: filter by cluster"));
          }
          return set.AddDay(*all);
        }));
    const auto time = [](absl::CivilDay day) { return absl::FromCivil(day, absl::UTCTimeZone()); };
    sets.push_back(set.Json({"", currency, time(first), time(last + 1)}));
    bytes += sets.back().size();
    if (bytes > kMaxAllocationBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the allocations have more than ", kMaxAllocationBytes,
                       " bytes (kMaxAllocationBytes): ask for fewer days, or by less than pods"));
    }
  }
  return std::optional(std::move(sets));
}

}  // namespace purser::costs
