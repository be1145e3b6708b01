#include "costs/sources/kubernetes_source.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

namespace fs = std::filesystem;
using base::Decimal;

// Prometheus has a moment's values some scrapes later.
constexpr absl::Duration kLag = absl::Minutes(10);
constexpr absl::Duration kChunk = absl::Hours(1);  // asked for at once
constexpr int kKeptMonths = 3;

constexpr char kPods[] = "namespace,pod,node";

std::string Requests(absl::string_view resource) {
  return absl::StrCat("sum by (", kPods, ") (kube_pod_container_resource_requests{resource=\"",
                      resource, "\"})");
}
// cAdvisor's series are named by the kubelet's node label where it is scraped so, else by instance.
constexpr char kCpuUse[] =
    "sum by (namespace,pod,node) (rate(container_cpu_usage_seconds_total{container!=\"\","
    "container!=\"POD\"}[5m]))";
constexpr char kMemoryUse[] =
    "sum by (namespace,pod,node) (container_memory_working_set_bytes{container!=\"\","
    "container!=\"POD\"})";
constexpr char kVolumes[] =
    "max by (namespace,persistentvolumeclaim,volumename) "
    "(kube_persistentvolumeclaim_resource_requests_storage_bytes * on "
    "(namespace,persistentvolumeclaim) group_left(volumename) kube_persistentvolumeclaim_info)";
constexpr char kMounts[] =
    "max by (namespace,persistentvolumeclaim,pod) "
    "(kube_pod_spec_volumes_persistentvolumeclaims_info)";
constexpr char kOwners[] = "max by (namespace,pod,owner_kind,owner_name) (kube_pod_owner)";
constexpr char kReplicaSets[] =
    "max by (namespace,replicaset,owner_kind,owner_name) (kube_replicaset_owner)";

// "node.kubernetes.io/instance-type" as kube-state-metrics names it.
std::string LabelName(absl::string_view label) {
  std::string name = "label_";
  for (const char c : label) name.push_back(absl::ascii_isalnum(c) ? c : '_');
  return name;
}

absl::Time StartOf(absl::CivilDay day) { return absl::FromCivil(day, absl::UTCTimeZone()); }

// Prices by a label of a metric, at their last moment.
std::map<std::string, Decimal> LastBy(const std::vector<Series>& all, const std::string& label) {
  std::map<std::string, Decimal> prices;
  for (const Series& series : all) {
    if (!series.points.empty()) prices[series.Label(label)] = series.points.back().second;
  }
  return prices;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KubernetesSource>> KubernetesSource::Open(
    KubernetesOptions options, PrometheusClient prometheus, CostService& costs,
    store::Database& database, base::Clock& clock) {
  if (options.step < absl::Minutes(1) || options.step > kChunk ||
      kChunk % options.step != absl::ZeroDuration()) {
    return absl::InvalidArgumentError("step must be whole minutes that divide an hour");
  }
  PURSER_RETURN_IF_ERROR(database.Migrate(
      "cost-kubernetes",
      {{{1, "days of clusters",
         "CREATE TABLE cost_cluster_days (source TEXT NOT NULL, day TEXT NOT NULL,"
         " complete BIGINT NOT NULL, allocations BLOB NOT NULL, PRIMARY KEY (source, day));"}}}));
  return std::unique_ptr<KubernetesSource>(
      new KubernetesSource(std::move(options), std::move(prometheus), costs, database, clock));
}

absl::StatusOr<std::vector<FetchedDelivery>> KubernetesSource::Round(bool force,
                                                                     std::stop_token stop) {
  const absl::Time until =
      absl::UnixEpoch() + absl::Floor(clock_.Now() - kLag - absl::UnixEpoch(), options_.step);
  const absl::CivilDay today = absl::ToCivilDay(until, absl::UTCTimeZone());
  PURSER_ASSIGN_OR_RETURN(const std::set<absl::CivilDay> complete, CompleteDays());
  std::vector<FetchedDelivery> fetched;
  std::set<absl::CivilMonth> months;
  for (absl::CivilDay day = today - options_.days; day <= today; ++day) {
    const absl::Time end = std::min(until, StartOf(day + 1));
    if (end <= StartOf(day) || (!force && complete.contains(day))) continue;
    const absl::StatusOr<std::string> allocations = Allocate(day, end, stop);
    if (allocations.ok()) {
      PURSER_RETURN_IF_ERROR(Keep(day, end == StartOf(day + 1), *allocations));
      months.insert(absl::CivilMonth(day));
      continue;
    }
    // What Prometheus has forgotten cannot be asked for; what was kept of the day stays.
    if (!absl::IsFailedPrecondition(allocations.status())) return allocations.status();
    fetched.push_back({.name = DayText(day),
                       .result = FetchResult::kWaiting,
                       .detail = std::string(allocations.status().message()),
                       .at = clock_.Now()});
  }
  for (const absl::CivilMonth month : months) {
    FetchedDelivery outcome{.name = absl::FormatCivilTime(month), .at = clock_.Now()};
    PURSER_ASSIGN_OR_RETURN(outcome.rows, StoreMonth(month, stop));
    outcome.result = FetchResult::kStored;
    fetched.push_back(std::move(outcome));
  }
  return fetched;
}

absl::StatusOr<std::string> KubernetesSource::Allocate(absl::CivilDay day, absl::Time until,
                                                       std::stop_token stop) {
  ClusterDay sums(options_.prices, options_.step);
  Facts facts;
  for (absl::Time from = StartOf(day); from < until; from += kChunk) {
    PURSER_RETURN_IF_ERROR(AddHour(from, std::min(from + kChunk, until), sums, facts, stop));
  }
  if (sums.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("Prometheus knows no node of ", DayText(day),
                     ": are kube-state-metrics' kube_node_status_capacity scraped?"));
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<PodCost> costs, sums.Finish());
  return ToAllocationJson({options_.cluster, options_.currency, StartOf(day), until}, costs, facts);
}

absl::Status KubernetesSource::AddHour(absl::Time from, absl::Time to, ClusterDay& day,
                                       Facts& facts, std::stop_token stop) {
  // A value stands for the step that begins with it.
  const absl::Time last = to - options_.step;
  const auto range = [&](absl::string_view query) {
    return prometheus_.Range(query, from, last, options_.step, stop);
  };
  // Uses of cAdvisor may lack the node; requests say where a pod runs.
  std::map<std::pair<std::string, std::string>, std::string> node_of;
  const auto add = [&](const std::string& query, ClusterResource resource,
                       bool request) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> all, range(query));
    for (const Series& series : all) {
      PodKey pod{series.Label("namespace"), series.Label("pod"), series.Label("node")};
      if (pod.pod.empty()) continue;
      std::string& node = node_of[{pod.ns, pod.pod}];
      if (pod.node.empty()) pod.node = node;
      if (node.empty()) node = pod.node;
      for (const auto& [at, value] : series.points) {
        PURSER_RETURN_IF_ERROR(request ? day.AddRequest(pod, resource, at, value)
                                       : day.AddUse(pod, resource, at, value));
      }
    }
    return absl::OkStatus();
  };
  PURSER_RETURN_IF_ERROR(add(Requests("cpu"), ClusterResource::kCpu, true));
  PURSER_RETURN_IF_ERROR(add(Requests("memory"), ClusterResource::kMemory, true));
  PURSER_RETURN_IF_ERROR(add(kCpuUse, ClusterResource::kCpu, false));
  PURSER_RETURN_IF_ERROR(add(kMemoryUse, ClusterResource::kMemory, false));
  PURSER_RETURN_IF_ERROR(day.EndMoments());
  PURSER_RETURN_IF_ERROR(AddNodes(from, last, day, stop));
  PURSER_RETURN_IF_ERROR(AddVolumes(from, last, day, stop));
  PURSER_ASSIGN_OR_RETURN(
      const std::vector<Series> sent,
      range(absl::StrCat("sum by (namespace,pod) (increase(container_network_transmit_bytes_total[",
                         absl::ToInt64Seconds(options_.step), "s]))")));
  for (const Series& series : sent) {
    if (series.Label("pod").empty()) continue;
    for (const auto& [at, value] : series.points) {
      PURSER_RETURN_IF_ERROR(day.AddNetwork(series.Label("namespace"), series.Label("pod"), value));
    }
  }
  return AddFacts(from, last, facts, stop);
}

absl::Status KubernetesSource::AddNodes(absl::Time from, absl::Time to, ClusterDay& day,
                                        std::stop_token stop) {
  const auto range = [&](absl::string_view query) {
    return prometheus_.Range(query, from, to, options_.step, stop);
  };
  struct Part {
    ClusterResource resource;
    const char* capacity;
    const char* price;
  };
  static constexpr Part kParts[] = {
      {ClusterResource::kCpu, "max by (node) (kube_node_status_capacity{resource=\"cpu\"})",
       "avg by (node) (node_cpu_hourly_cost)"},
      {ClusterResource::kMemory, "max by (node) (kube_node_status_capacity{resource=\"memory\"})",
       "avg by (node) (node_ram_hourly_cost)"}};
  for (const Part& part : kParts) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> capacity, range(part.capacity));
    PURSER_ASSIGN_OR_RETURN(const std::vector<Series> priced, range(part.price));
    const std::map<std::string, Decimal> prices = LastBy(priced, "node");
    for (const Series& series : capacity) {
      const auto price = prices.find(series.Label("node"));
      for (const auto& [at, value] : series.points) {
        PURSER_RETURN_IF_ERROR(day.AddCapacity(series.Label("node"), part.resource, value,
                                               price == prices.end() ? nullptr : &price->second));
      }
    }
  }
  if (options_.nodes.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> labels, range("kube_node_labels"));
  for (const Series& series : labels) {
    for (const NodePrice& price : options_.nodes) {
      if (series.Label(LabelName(price.label)) != price.value) continue;
      day.SetNodeHour(series.Label("node"), price.hour);
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status KubernetesSource::AddVolumes(absl::Time from, absl::Time to, ClusterDay& day,
                                          std::stop_token stop) {
  const auto range = [&](absl::string_view query) {
    return prometheus_.Range(query, from, to, options_.step, stop);
  };
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> priced,
                          range("avg by (persistentvolume) (pv_hourly_cost)"));
  const std::map<std::string, Decimal> prices = LastBy(priced, "persistentvolume");
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> volumes, range(kVolumes));
  for (const Series& series : volumes) {
    const auto price = prices.find(series.Label("volumename"));
    for (const auto& [at, value] : series.points) {
      PURSER_RETURN_IF_ERROR(day.AddVolume(series.Label("namespace"),
                                           series.Label("persistentvolumeclaim"), value,
                                           price == prices.end() ? nullptr : &price->second));
    }
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> mounts, range(kMounts));
  for (const Series& series : mounts) {
    day.AddMount(series.Label("namespace"), series.Label("persistentvolumeclaim"),
                 series.Label("pod"));
  }
  return absl::OkStatus();
}

absl::Status KubernetesSource::AddFacts(absl::Time from, absl::Time to, Facts& facts,
                                        std::stop_token stop) {
  const auto range = [&](absl::string_view query) {
    return prometheus_.Range(query, from, to, options_.step, stop);
  };
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> owners, range(kOwners));
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> sets, range(kReplicaSets));
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
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> labels, range("kube_pod_labels"));
  for (const Series& series : labels) {
    PodFacts& of = facts[{series.Label("namespace"), series.Label("pod")}];
    for (const auto& [name, value] : series.labels) {
      if (absl::StartsWith(name, "label_")) of.labels[name.substr(6)] = value;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<absl::CivilDay>> KubernetesSource::CompleteDays() {
  std::set<absl::CivilDay> days;
  PURSER_RETURN_IF_ERROR(database_.Read([&](store::Connection& connection) {
    days.clear();
    return connection.ForEach(
        "SELECT day FROM cost_cluster_days WHERE source = $1 AND complete = 1", {options_.name},
        [&](const store::Row& row) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.Text(0)));
          days.insert(day);
          return absl::OkStatus();
        });
  }));
  return days;
}

absl::Status KubernetesSource::Keep(absl::CivilDay day, bool complete,
                                    const std::string& allocations) {
  const absl::CivilDay oldest(absl::CivilMonth(day) - kKeptMonths);
  return database_.Transact([&](store::Connection& connection) -> absl::Status {
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater("DELETE FROM cost_cluster_days WHERE source = $1 AND day < $2",
                                {options_.name, DayText(oldest)}));
    return connection.ExecuteLater(
        "INSERT INTO cost_cluster_days (source, day, complete, allocations) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (source, day) DO UPDATE SET "
        "complete = excluded.complete, allocations = excluded.allocations",
        {options_.name, DayText(day), int64_t{complete ? 1 : 0}, store::Blob{allocations}});
  });
}

absl::StatusOr<int64_t> KubernetesSource::StoreMonth(absl::CivilMonth month, std::stop_token stop) {
  const std::string folder = absl::StrCat(options_.spool_folder, "/", options_.name);
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat(folder, ": ", error.message()));
  IngestRequest request{.source = options_.name, .stop = stop};
  const absl::Status read = database_.Read([&](store::Connection& connection) {
    request.paths.clear();
    return connection.ForEach(
        "SELECT day, allocations FROM cost_cluster_days WHERE source = $1 AND day >= $2 AND "
        "day < $3 ORDER BY day",
        {options_.name, DayText(absl::CivilDay(month)), DayText(absl::CivilDay(month + 1))},
        [&](const store::Row& row) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(const base::Directory directory, base::Directory::Open(folder));
          const std::string name = absl::StrCat(row.Text(0), ".json");
          PURSER_RETURN_IF_ERROR(directory.WriteFile(name, row.Text(1)));
          request.paths.push_back(absl::StrCat(folder, "/", name));
          return absl::OkStatus();
        });
  });
  absl::StatusOr<IngestReport> report = read.ok() ? costs_.Ingest(request) : read;
  fs::remove_all(folder, error);
  if (!report.ok()) return report.status();
  return report->rows_stored;
}

}  // namespace purser::costs
