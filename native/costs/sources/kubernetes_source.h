// What a Kubernetes cluster costs, from Prometheus: a source of bills made by Purser itself.
//
// For each day it asks Prometheus hour by hour for what nodes have and cost, and what pods ask for
// and use; allocates the nodes' cost (see cluster_day.h); and keeps the day as an allocation set of
// OpenCost's form. A month is stored from its days like any other delivery. Days are kept until
// their month can no longer change: Prometheus forgets sooner than months end.
#ifndef PURSER_COSTS_SOURCES_KUBERNETES_SOURCE_H_
#define PURSER_COSTS_SOURCES_KUBERNETES_SOURCE_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "base/clock.h"
#include "costs/sources/allocation_json.h"
#include "costs/sources/bill_source.h"
#include "costs/sources/cluster_day.h"
#include "costs/sources/cluster_days.h"
#include "costs/sources/cluster_metrics.h"
#include "costs/sources/prometheus_client.h"
#include "store/store.h"

namespace purser::costs {

struct KubernetesOptions {
  std::string name = {};     // of the source
  std::string cluster = {};  // as allocations name it
  std::string currency = "USD";
  ClusterPrices prices = {};
  ClusterMetricsOptions metrics = {};
  int days = 3;                   // looked back; days that are complete are asked for once
  std::string spool_folder = {};  // made when needed
};

class KubernetesSource final : public BillSource {
 public:
  // Brings its table up to date. All references outlive it.
  static absl::StatusOr<std::unique_ptr<KubernetesSource>> Open(KubernetesOptions options,
                                                                PrometheusClient prometheus,
                                                                CostService& costs,
                                                                store::Database& database,
                                                                base::Clock& clock);

  absl::StatusOr<std::vector<FetchedDelivery>> Round(bool force, std::stop_token stop) override;

 private:
  KubernetesSource(KubernetesOptions options, PrometheusClient prometheus, CostService& costs,
                   ClusterDays days, base::Clock& clock)
      : options_(std::move(options)),
        metrics_(options_.metrics, std::move(prometheus)),
        costs_(costs),
        days_(std::move(days)),
        clock_(clock) {}

  // The day's allocations as far as `until`. FAILED_PRECONDITION when nothing is known of it.
  absl::StatusOr<std::string> Allocate(absl::CivilDay day, absl::Time until, std::stop_token stop);
  absl::StatusOr<int64_t> StoreMonth(absl::CivilMonth month, std::stop_token stop);

  const KubernetesOptions options_;
  ClusterMetrics metrics_;
  CostService& costs_;
  ClusterDays days_;
  base::Clock& clock_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_KUBERNETES_SOURCE_H_
