// Business metrics from Prometheus: what unit costs divide by, and what pools are split by.
#ifndef PURSER_COSTS_SOURCES_METRICS_SOURCE_H_
#define PURSER_COSTS_SOURCES_METRICS_SOURCE_H_

#include <string>
#include <vector>

#include "base/clock.h"
#include "costs/sources/bill_source.h"
#include "costs/sources/prometheus_client.h"

namespace purser::costs {

struct MetricQuery {
  std::string metric = {};
  // The day's value, asked for at the day's end, e.g. sum by (entity) (increase(orders_total[1d])).
  std::string query = {};
  std::string entity = {};  // "" or whose it is, then all series are summed
  std::string label = {};   // with the entity's ref, where `entity` is ""
};

struct MetricsOptions {
  std::vector<MetricQuery> queries = {};
  int days = 3;  // complete days looked back
};

class MetricsSource final : public BillSource {
 public:
  // `costs` and `clock` outlive it.
  MetricsSource(MetricsOptions options, PrometheusClient prometheus, CostService& costs,
                base::Clock& clock)
      : options_(std::move(options)),
        prometheus_(std::move(prometheus)),
        costs_(costs),
        clock_(clock) {}

  // Deliveries are called after metrics; `rows` are values.
  absl::StatusOr<std::vector<FetchedDelivery>> Round(bool force, std::stop_token stop) override;

 private:
  absl::StatusOr<std::vector<MetricValue>> Ask(const MetricQuery& query, absl::CivilDay day,
                                               std::stop_token stop);

  const MetricsOptions options_;
  PrometheusClient prometheus_;
  CostService& costs_;
  base::Clock& clock_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_METRICS_SOURCE_H_
