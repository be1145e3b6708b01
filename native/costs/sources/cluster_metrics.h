// What Prometheus knows of a cluster: the queries, and how their answers make a ClusterDay.
#ifndef PURSER_COSTS_SOURCES_CLUSTER_METRICS_H_
#define PURSER_COSTS_SOURCES_CLUSTER_METRICS_H_

#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/decimal.h"
#include "costs/sources/allocation_json.h"
#include "costs/sources/cluster_day.h"
#include "costs/sources/prometheus_client.h"

namespace purser::costs {

// A node's price by one of its labels, e.g. node.kubernetes.io/instance-type = m5.large.
struct NodePrice {
  std::string label = {};
  std::string value = {};
  base::Decimal hour = {};
};

struct ClusterMetricsOptions {
  std::vector<NodePrice> nodes = {};
  // Labels that every series must have: which of several clusters of a Prometheus this is.
  std::map<std::string, std::string> match_labels = {};
  absl::Duration step = absl::Minutes(5);  // divides an hour
};

// One thread.
class ClusterMetrics {
 public:
  using PodName = std::pair<std::string, std::string>;  // namespace, pod
  using Facts = std::map<PodName, PodFacts>;
  // Steps that are asked for at once; the last one begins at `last`.
  struct Hour {
    absl::Time from;
    absl::Time last;
    std::stop_token stop;
  };

  ClusterMetrics(ClusterMetricsOptions options, PrometheusClient prometheus);

  // Errors are those of PrometheusClient, and OUT_OF_RANGE for what no cluster can have.
  absl::Status AddHour(const Hour& hour, ClusterDay& day, Facts& facts);

 private:
  // Where pods ran, by time: a pod of a stateful set keeps its name on another node.
  using Places = std::map<PodName, std::map<absl::Time, std::string>>;

  // The series of a query, "<match>" in it being the options' labels.
  absl::StatusOr<std::vector<Series>> Range(absl::string_view query, const Hour& hour);
  // Of a query that looks back over kWindow: the points stand at the beginning of what they cover.
  absl::StatusOr<std::vector<Series>> Behind(absl::string_view query, const Hour& hour);
  // The last values of a query by one of its labels.
  absl::StatusOr<std::map<std::string, base::Decimal>> Prices(absl::string_view query,
                                                              const std::string& label,
                                                              const Hour& hour);
  absl::Status AddPods(const Hour& hour, ClusterDay& day);
  absl::Status AddNodes(const Hour& hour, ClusterDay& day);
  absl::Status AddVolumes(const Hour& hour, ClusterDay& day);
  absl::Status AddTraffic(const Hour& hour, ClusterDay& day);
  absl::Status AddLoadBalancers(const Hour& hour, ClusterDay& day);
  absl::Status AddFacts(const Hour& hour, Facts& facts);

  const ClusterMetricsOptions options_;
  const std::string match_;   // PromQL: the options' labels
  const std::string window_;  // PromQL: what rates look back on
  const base::Decimal step_seconds_;
  PrometheusClient prometheus_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_CLUSTER_METRICS_H_
