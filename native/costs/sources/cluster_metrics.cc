#include "costs/sources/cluster_metrics.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"

namespace purser::costs {
namespace {

using base::Decimal;

// Rates look back on five minutes at least, so that they see two scrapes.
constexpr absl::Duration kLeastWindow = absl::Minutes(5);

// Every series is first made one per object by `max`: where two kube-state-metrics or two jobs
// scrape the same thing, it is there twice. "<match>" stands for the options' labels.
//
// What a pod that has ended asked for is free again, though kube-state-metrics goes on telling it.
std::string Asked(absl::string_view metric, absl::string_view resource) {
  return absl::StrCat(
      "sum by (namespace,pod,node) (max by (namespace,pod,node,container,resource) (", metric,
      "{resource=~\"", resource,
      "\",<match>}) unless on (namespace,pod) max by (namespace,pod) "
      "(kube_pod_status_phase{phase=~\"Succeeded|Failed\",<match>} == 1))");
}
std::string Requests(absl::string_view resource) {
  return Asked("kube_pod_container_resource_requests", resource);
}
std::string Limits(absl::string_view resource) {
  return Asked("kube_pod_container_resource_limits", resource);
}
constexpr char kGpus[] = "nvidia_com_gpu|amd_com_gpu";
constexpr char kPodInfo[] = "max by (namespace,pod,node) (kube_pod_info{node!=\"\",<match>})";
constexpr char kCpuUse[] =
    "sum by (namespace,pod,node) (max by (namespace,pod,node,container) "
    "(rate(container_cpu_usage_seconds_total{container!=\"\",container!=\"POD\",<match>}[<window>])"
    "))";
constexpr char kMemoryUse[] =
    "sum by (namespace,pod,node) (max by (namespace,pod,node,container) "
    "(container_memory_working_set_bytes{container!=\"\",container!=\"POD\",<match>}))";
std::string Capacity(absl::string_view resource) {
  return absl::StrCat(
      "sum by (node) (max by (node,resource) (kube_node_status_capacity{resource=~\"", resource,
      "\",<match>}))");
}
constexpr char kVolumes[] =
    "max by (namespace,persistentvolumeclaim) "
    "(kube_persistentvolumeclaim_resource_requests_storage_bytes{<match>}) "
    "* on (namespace,persistentvolumeclaim) group_left(volumename) "
    "max by (namespace,persistentvolumeclaim,volumename) "
    "(kube_persistentvolumeclaim_info{volumename!=\"\",<match>})";
constexpr char kUnclaimedVolumes[] =
    "max by (persistentvolume) (kube_persistentvolume_capacity_bytes{<match>}) "
    "unless on (persistentvolume) label_replace(max by (volumename) "
    "(kube_persistentvolumeclaim_info{volumename!=\"\",<match>}), "
    "\"persistentvolume\", \"$1\", \"volumename\", \"(.*)\")";
constexpr char kMounts[] =
    "max by (namespace,persistentvolumeclaim,pod) "
    "(kube_pod_spec_volumes_persistentvolumeclaims_info{<match>} unless on (namespace,pod) "
    "max by (namespace,pod) (kube_pod_status_phase{phase=~\"Succeeded|Failed\",<match>} == 1))";
std::string Traffic(absl::string_view metric) {
  return absl::StrCat("sum by (namespace,pod) (max by (namespace,pod,interface) (rate(", metric,
                      "{pod!=\"\",<match>}[<window>])))");
}
constexpr char kLoadBalancers[] =
    "max by (namespace,service) (kube_service_spec_type{type=\"LoadBalancer\",<match>})";
constexpr char kLoadBalancerPrices[] =
    "max by (namespace,service_name) (kubecost_load_balancer_cost{<match>})";
constexpr char kOwners[] = "max by (namespace,pod,owner_kind,owner_name) (kube_pod_owner{<match>})";
constexpr char kReplicaSets[] =
    "max by (namespace,replicaset,owner_kind,owner_name) (kube_replicaset_owner{<match>})";

// {eu: a, b: c} as PromQL's `eu="a",b="c"`.
std::string Matchers(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    absl::StrAppend(&text, text.empty() ? "" : ",", name, "=\"",
                    absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
                    "\"");
  }
  return text;
}

// "node.kubernetes.io/instance-type" as kube-state-metrics names it.
std::string LabelName(absl::string_view label) {
  std::string name = "label_";
  for (const char c : label) name.push_back(absl::ascii_isalnum(c) ? c : '_');
  return name;
}

}  // namespace

ClusterMetrics::ClusterMetrics(ClusterMetricsOptions options, PrometheusClient prometheus)
    : options_(std::move(options)),
      match_(Matchers(options_.match_labels)),
      window_(absl::StrCat(absl::ToInt64Seconds(std::max(options_.step, kLeastWindow)), "s")),
      step_seconds_(Decimal::FromInteger(absl::ToInt64Seconds(options_.step))),
      prometheus_(std::move(prometheus)) {}

absl::StatusOr<std::vector<Series>> ClusterMetrics::Range(absl::string_view query,
                                                          const Hour& hour) {
  return prometheus_.Range(absl::StrReplaceAll(query, {{"<match>", match_}, {"<window>", window_}}),
                           hour.from, hour.last, options_.step, hour.stop);
}

absl::StatusOr<std::vector<Series>> ClusterMetrics::Behind(absl::string_view query,
                                                           const Hour& hour) {
  PURSER_ASSIGN_OR_RETURN(
      std::vector<Series> all,
      Range(query, {hour.from + options_.step, hour.last + options_.step, hour.stop}));
  for (Series& series : all) {
    for (auto& [at, value] : series.points) at -= options_.step;
  }
  return all;
}

absl::StatusOr<std::map<std::string, Decimal>> ClusterMetrics::Prices(absl::string_view query,
                                                                      const std::string& label,
                                                                      const Hour& hour) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> all, Range(query, hour));
  std::map<std::string, Decimal> prices;
  for (const Series& series : all) {
    if (!series.points.empty()) prices[series.Label(label)] = series.points.back().second;
  }
  return prices;
}

absl::Status ClusterMetrics::AddHour(const Hour& hour, ClusterDay& day, Facts& facts) {
  PURSER_RETURN_IF_ERROR(AddPods(hour, day));
  PURSER_RETURN_IF_ERROR(AddNodes(hour, day));
  PURSER_RETURN_IF_ERROR(AddVolumes(hour, day));
  PURSER_RETURN_IF_ERROR(day.EndMoments());
  PURSER_RETURN_IF_ERROR(AddTraffic(hour, day));
  PURSER_RETURN_IF_ERROR(AddLoadBalancers(hour, day));
  return AddFacts(hour, facts);
}

absl::Status ClusterMetrics::AddPods(const Hour& hour, ClusterDay& day) {
  // Uses of cAdvisor may lack the node.
  Places places;
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> infos, Range(kPodInfo, hour));
  for (const Series& series : infos) {
    auto& nodes = places[{series.Label("namespace"), series.Label("pod")}];
    for (const auto& [at, value] : series.points) nodes[at] = series.Label("node");
  }
  const auto each = [&](const std::vector<Series>& all, const auto& add) -> absl::Status {
    for (const Series& series : all) {
      PodKey pod{series.Label("namespace"), series.Label("pod"), series.Label("node")};
      if (pod.pod.empty()) continue;
      const bool known = !pod.node.empty();
      auto& nodes = places[{pod.ns, pod.pod}];
      for (const auto& [at, value] : series.points) {
        if (known) {
          nodes.try_emplace(at, pod.node);
        } else if (const auto later = nodes.upper_bound(at); !nodes.empty()) {
          pod.node = later == nodes.begin() ? later->second : std::prev(later)->second;
        }
        PURSER_RETURN_IF_ERROR(add(pod, at, value));
      }
    }
    return absl::OkStatus();
  };
  struct Part {
    ClusterResource resource;
    const char* name;
    const char* use;  // null: nobody measures it
  };
  static constexpr Part kParts[] = {{ClusterResource::kCpu, "cpu", kCpuUse},
                                    {ClusterResource::kMemory, "memory", kMemoryUse},
                                    {ClusterResource::kGpu, kGpus, nullptr}};
  for (const Part& part : kParts) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> asked, Range(Requests(part.name), hour));
    PURSER_RETURN_IF_ERROR(each(asked, [&](const PodKey& pod, absl::Time at, Decimal value) {
      return day.AddRequest(pod, part.resource, at, value);
    }));
  }
  for (const Part& part : kParts) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> limits, Range(Limits(part.name), hour));
    PURSER_RETURN_IF_ERROR(each(limits, [&](const PodKey& pod, absl::Time, Decimal value) {
      return day.AddLimit(pod, part.resource, value);
    }));
    if (part.use == nullptr) continue;
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> used, part.resource == ClusterResource::kCpu
                                                                ? Behind(part.use, hour)
                                                                : Range(part.use, hour));
    PURSER_RETURN_IF_ERROR(each(used, [&](const PodKey& pod, absl::Time at, Decimal value) {
      return day.AddUse(pod, part.resource, at, value);
    }));
  }
  return absl::OkStatus();
}

absl::Status ClusterMetrics::AddNodes(const Hour& hour, ClusterDay& day) {
  struct Part {
    ClusterResource resource;
    const char* name;
    const char* price;
  };
  static constexpr Part kParts[] = {
      {ClusterResource::kCpu, "cpu", "avg by (node) (node_cpu_hourly_cost{<match>})"},
      {ClusterResource::kMemory, "memory", "avg by (node) (node_ram_hourly_cost{<match>})"},
      {ClusterResource::kGpu, kGpus, "avg by (node) (node_gpu_hourly_cost{<match>})"}};
  for (const Part& part : kParts) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> capacity, Range(Capacity(part.name), hour));
    PURSER_ASSIGN_OR_RETURN(const auto prices, Prices(part.price, "node", hour));
    for (const Series& series : capacity) {
      const auto price = prices.find(series.Label("node"));
      for (const auto& [at, value] : series.points) {
        PURSER_RETURN_IF_ERROR(day.AddCapacity(series.Label("node"), part.resource, value,
                                               price == prices.end() ? nullptr : &price->second));
      }
    }
  }
  if (options_.nodes.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> labels,
                          Range("kube_node_labels{<match>}", hour));
  for (const Series& series : labels) {
    for (const NodePrice& price : options_.nodes) {
      if (series.Label(LabelName(price.label)) != price.value) continue;
      day.SetNodeHour(series.Label("node"), price.hour);
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status ClusterMetrics::AddVolumes(const Hour& hour, ClusterDay& day) {
  PURSER_ASSIGN_OR_RETURN(
      const auto prices,
      Prices("avg by (persistentvolume) (pv_hourly_cost{<match>})", "persistentvolume", hour));
  const auto add = [&](const std::vector<Series>& all, bool claimed) -> absl::Status {
    for (const Series& series : all) {
      const std::string& name = series.Label(claimed ? "volumename" : "persistentvolume");
      const VolumeKey key = {series.Label("namespace"),
                             claimed ? series.Label("persistentvolumeclaim") : name};
      const auto price = prices.find(name);
      for (const auto& [at, value] : series.points) {
        PURSER_RETURN_IF_ERROR(
            day.AddVolume(key, name, at, value, price == prices.end() ? nullptr : &price->second));
      }
    }
    return absl::OkStatus();
  };
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> claimed, Range(kVolumes, hour));
  PURSER_RETURN_IF_ERROR(add(claimed, true));
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> unclaimed, Range(kUnclaimedVolumes, hour));
  PURSER_RETURN_IF_ERROR(add(unclaimed, false));
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> mounts, Range(kMounts, hour));
  for (const Series& series : mounts) {
    const VolumeKey key = {series.Label("namespace"), series.Label("persistentvolumeclaim")};
    for (const auto& [at, value] : series.points) day.AddMount(key, series.Label("pod"), at);
  }
  return absl::OkStatus();
}

absl::Status ClusterMetrics::AddTraffic(const Hour& hour, ClusterDay& day) {
  for (const bool sent : {true, false}) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> all,
                            Behind(Traffic(sent ? "container_network_transmit_bytes_total"
                                                : "container_network_receive_bytes_total"),
                                   hour));
    for (const Series& series : all) {
      for (const auto& [at, rate] : series.points) {
        Decimal bytes;
        if (!Decimal::Multiply(rate, step_seconds_, &bytes)) {
          return absl::OutOfRangeError(
              absl::StrCat("the traffic of pod ", series.Label("namespace"), "/",
                           series.Label("pod"), " does not fit: is the metric wrong?"));
        }
        PURSER_RETURN_IF_ERROR(
            sent ? day.AddSent(series.Label("namespace"), series.Label("pod"), bytes)
                 : day.AddReceived(series.Label("namespace"), series.Label("pod"), bytes));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ClusterMetrics::AddLoadBalancers(const Hour& hour, ClusterDay& day) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> priced, Range(kLoadBalancerPrices, hour));
  std::map<std::pair<std::string, std::string>, Decimal> prices;
  for (const Series& series : priced) {
    if (series.points.empty()) continue;
    prices[{series.Label("namespace"), series.Label("service_name")}] = series.points.back().second;
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> balancers, Range(kLoadBalancers, hour));
  for (const Series& series : balancers) {
    const auto price = prices.find({series.Label("namespace"), series.Label("service")});
    for (size_t i = 0; i < series.points.size(); ++i) {
      PURSER_RETURN_IF_ERROR(day.AddLoadBalancer(series.Label("namespace"), series.Label("service"),
                                                 price == prices.end() ? nullptr : &price->second));
    }
  }
  return absl::OkStatus();
}

absl::Status ClusterMetrics::AddFacts(const Hour& hour, Facts& facts) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> owners, Range(kOwners, hour));
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> sets, Range(kReplicaSets, hour));
  std::map<std::pair<std::string, std::string>, const Series*> above;
  for (const Series& series : sets) {
    above[{series.Label("namespace"), series.Label("replicaset")}] = &series;
  }
  for (const Series& series : owners) {
    const Series* owner = &series;
    // A deployment's pods are owned by its replica sets, which come and go.
    if (series.Label("owner_kind") == "ReplicaSet") {
      const auto found = above.find({series.Label("namespace"), series.Label("owner_name")});
      const bool deployed = found != above.end() && !found->second->Label("owner_name").empty() &&
                            found->second->Label("owner_name") != "<none>";
      if (deployed) owner = found->second;
    }
    if (owner->Label("owner_name") == "<none>") continue;
    PodFacts& of = facts[{series.Label("namespace"), series.Label("pod")}];
    of.controller_kind = absl::AsciiStrToLower(owner->Label("owner_kind"));
    of.controller = owner->Label("owner_name");
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> labels,
                          Range("kube_pod_labels{<match>}", hour));
  for (const Series& series : labels) {
    PodFacts& of = facts[{series.Label("namespace"), series.Label("pod")}];
    for (const auto& [name, value] : series.labels) {
      if (absl::StartsWith(name, "label_")) of.labels[name.substr(6)] = value;
    }
  }
  return absl::OkStatus();
}

}  // namespace purser::costs
