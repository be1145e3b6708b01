#include "costs/sources/allocation_json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/decimal.h"
#include "costs/split.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using base::Decimal;

constexpr int kAverageDigits = 6;
// Of a set. A line ends nowhere else: within texts its end is escaped.
constexpr absl::string_view kBegin = R"({"code":200,"data":[{)", kBetween = ",\n", kEnd = "}]}";

// Text of an object; nlohmann would make doubles of exact amounts.
class Object {
 public:
  Object& Text(absl::string_view name, absl::string_view value) {
    return Raw(name, json::Dump(nlohmann::json(std::string(value))));
  }
  Object& Number(absl::string_view name, Decimal value) { return Raw(name, value.ToString()); }
  Object& Average(absl::string_view name, Decimal sum, Decimal divisor) {
    Decimal average;
    if (!Divide(sum, divisor, &average)) average = Decimal();
    return Raw(name, average.ToRounded(kAverageDigits));
  }
  Object& Raw(absl::string_view name, absl::string_view json) {
    absl::StrAppend(&text_, text_.empty() ? "{" : ",",
                    json::Dump(nlohmann::json(std::string(name))), ":", json);
    return *this;
  }
  std::string Done() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

Decimal Sum(std::initializer_list<Decimal> values) {
  Decimal sum;
  for (const Decimal value : values) Decimal::Add(sum, value, &sum);  // parts of what fitted before
  return sum;
}

std::string LabelsOf(const std::map<std::string, std::string>& labels) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : labels) object[name] = value;
  return json::Dump(object);
}

// What was used of what was asked for, weighted by cost, as OpenCost does it; 1 where nothing was
// asked for but something used.
Decimal Efficiency(const TakenResource& resource) {
  Decimal efficiency;
  if (!resource.requested.IsZero()) {
    Divide(resource.used, resource.requested, &efficiency);
  } else if (!resource.used.IsZero()) {
    efficiency = Decimal::FromInteger(1);
  }
  return efficiency;
}

Decimal TotalEfficiency(const PodCost& cost) {
  Decimal cpu, memory, total;
  Decimal::Multiply(Efficiency(cost.cpu), cost.cpu.cost, &cpu);
  Decimal::Multiply(Efficiency(cost.memory), cost.memory.cost, &memory);
  Divide(Sum({cpu, memory}), Sum({cost.cpu.cost, cost.memory.cost}), &total);
  return total;
}

VolumePart SumOf(const std::vector<VolumePart>& volumes) {
  VolumePart sum;
  for (const VolumePart& volume : volumes) {
    sum.byte_hours = Sum({sum.byte_hours, volume.byte_hours});
    sum.cost = Sum({sum.cost, volume.cost});
  }
  return sum;
}

std::string VolumesOf(const std::string& cluster, const std::vector<VolumePart>& volumes) {
  Object object;
  bool any = false;
  for (const VolumePart& volume : volumes) {
    if (volume.name.empty()) continue;  // a sum of several
    any = true;
    object.Raw(absl::StrCat("cluster=", cluster, ":name=", volume.name),
               Object().Number("byteHours", volume.byte_hours).Number("cost", volume.cost).Done());
  }
  return any ? object.Done() : "null";
}

std::string LoadBalancersOf(const std::string& cluster, const PodCost& cost) {
  if (cost.service.empty()) return "null";
  const std::string name = absl::StrCat(cost.pod.ns, "/", cost.service);
  return Object()
      .Raw(absl::StrCat(cluster, "/", name), Object()
                                                 .Text("service", name)
                                                 .Number("cost", cost.load_balancer_cost)
                                                 .Number("hours", cost.load_balancer_hours)
                                                 .Done())
      .Done();
}

std::string PropertiesOf(const std::string& cluster, const PodCost& cost, const PodFacts* facts) {
  Object properties;
  properties.Text("cluster", cluster);
  if (!cost.pod.node.empty()) properties.Text("node", cost.pod.node);
  if (!cost.idle) properties.Text("namespace", cost.pod.ns).Text("pod", cost.pod.pod);
  if (facts != nullptr && !facts->controller.empty()) {
    properties.Text("controllerKind", facts->controller_kind).Text("controller", facts->controller);
  }
  if (!cost.service.empty()) {
    properties.Raw("services", json::Dump(nlohmann::json::array({cost.service})));
  }
  if (facts != nullptr && !facts->labels.empty()) {
    properties.Raw("labels", LabelsOf(facts->labels));
  }
  return properties.Done();
}

}  // namespace

std::string AllocationJson(const std::string& name, const std::string& properties,
                           const AllocationWindow& window, const PodCost& cost) {
  const auto time = [](absl::Time at) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", at, absl::UTCTimeZone());
  };
  Decimal hours;
  Divide(Decimal::FromInteger(cost.minutes), Decimal::FromInteger(60), &hours);
  const VolumePart volumes = SumOf(cost.volumes);
  Object allocation;
  const auto zeros = [&](std::initializer_list<absl::string_view> names) {
    for (const absl::string_view name : names) allocation.Raw(name, "0");
  };
  allocation.Text("name", name)
      .Raw("properties", properties)
      .Raw("window", Object().Text("start", time(window.from)).Text("end", time(window.to)).Done())
      .Text("start", time(window.from))
      .Text("end", time(window.to))
      .Text("currency", window.currency)
      .Raw("minutes", absl::StrCat(cost.minutes))
      .Average("cpuCores", cost.cpu.allocated, hours)
      .Average("cpuCoreRequestAverage", cost.cpu.requested, hours)
      .Average("cpuCoreLimitAverage", cost.cpu.limit, hours)
      .Average("cpuCoreUsageAverage", cost.cpu.used, hours)
      .Number("cpuCoreHours", cost.cpu.allocated)
      .Number("cpuCost", cost.cpu.cost)
      .Raw("cpuEfficiency", Efficiency(cost.cpu).ToRounded(kAverageDigits))
      .Average("ramBytes", cost.memory.allocated, hours)
      .Average("ramByteRequestAverage", cost.memory.requested, hours)
      .Average("ramByteLimitAverage", cost.memory.limit, hours)
      .Average("ramByteUsageAverage", cost.memory.used, hours)
      .Number("ramByteHours", cost.memory.allocated)
      .Number("ramCost", cost.memory.cost)
      .Raw("ramEfficiency", Efficiency(cost.memory).ToRounded(kAverageDigits))
      .Average("gpuCount", cost.gpu.allocated, hours)
      .Number("gpuHours", cost.gpu.allocated)
      .Number("gpuCost", cost.gpu.cost)
      .Average("pvBytes", volumes.byte_hours, hours)
      .Number("pvByteHours", volumes.byte_hours)
      .Number("pvCost", volumes.cost)
      .Raw("pvs", VolumesOf(window.cluster, cost.volumes))
      .Number("networkTransferBytes", cost.network_sent)
      .Number("networkReceiveBytes", cost.network_received)
      .Number("networkCost", cost.network_cost)
      .Number("loadBalancerCost", cost.load_balancer_cost)
      .Raw("lbAllocations", LoadBalancersOf(window.cluster, cost));
  // What is not told apart here, or belongs to others than Prometheus; readers expect a number.
  zeros({"cpuCostAdjustment", "ramCostAdjustment", "gpuCostAdjustment", "pvCostAdjustment",
         "networkCostAdjustment", "loadBalancerCostAdjustment", "networkCrossZoneCost",
         "networkCrossRegionCost", "networkInternetCost", "externalCost"});
  allocation.Number("sharedCost", cost.shared_cost);
  allocation
      .Number("totalCost", Sum({cost.cpu.cost, cost.memory.cost, cost.gpu.cost, volumes.cost,
                                cost.network_cost, cost.load_balancer_cost, cost.shared_cost}))
      .Raw("totalEfficiency", TotalEfficiency(cost).ToRounded(kAverageDigits));
  return allocation.Done();
}

std::string ToAllocationJson(const AllocationWindow& window, const std::vector<PodCost>& costs,
                             const std::map<std::pair<std::string, std::string>, PodFacts>& facts) {
  std::string text(kBegin);
  bool first = true;
  for (const PodCost& cost : costs) {
    const std::string name =
        cost.idle ? absl::StrCat("__idle__/", cost.pod.node)
                  : absl::StrCat(window.cluster, "/", cost.pod.node, "/", cost.pod.ns, "/",
                                 cost.pod.pod, cost.service.empty() ? "" : "/", cost.service);
    const auto found = facts.find({cost.pod.ns, cost.pod.pod});
    const PodFacts* const known = found == facts.end() ? nullptr : &found->second;
    absl::StrAppend(&text, first ? "" : ",\n", json::Dump(nlohmann::json(name)), ":",
                    AllocationJson(name, PropertiesOf(window.cluster, cost, known), window, cost));
    first = false;
  }
  absl::StrAppend(&text, kEnd);
  return text;
}

std::vector<std::string> SplitAllocationJson(absl::string_view set, size_t bytes) {
  std::vector<std::string> sets;
  absl::ConsumePrefix(&set, kBegin);
  absl::ConsumeSuffix(&set, kEnd);
  do {
    size_t end = set.size() <= bytes ? absl::string_view::npos : set.rfind(kBetween, bytes);
    // One that is larger than that stays whole.
    if (set.size() > bytes && end == absl::string_view::npos) end = set.find(kBetween);
    sets.push_back(absl::StrCat(kBegin, set.substr(0, end), kEnd));
    set.remove_prefix(end == absl::string_view::npos ? set.size() : end + kBetween.size());
  } while (!set.empty());
  return sets;
}

}  // namespace purser::costs
