// Business and usage metrics by day and entity: weights of shared cost, and what unit costs divide
// by.
#ifndef PURSER_COSTS_METRICS_H_
#define PURSER_COSTS_METRICS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "base/decimal.h"

namespace purser::costs {

inline constexpr size_t kMaxMetricValues = 5'000'000;

struct MetricValue {
  std::string metric;
  std::string entity;  // a ref in lower case, or "shared:<pool>" of a pool's capacity
  absl::CivilDay day;
  base::Decimal value;  // not below 0
};

// CSV with a header and the columns day,metric,entity,value. INVALID_ARGUMENT names file and line;
// two values of the same day, metric and entity are one.
absl::StatusOr<std::vector<MetricValue>> ParseMetrics(absl::string_view csv,
                                                      absl::string_view file);

}  // namespace purser::costs

#endif  // PURSER_COSTS_METRICS_H_
