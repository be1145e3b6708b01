// Anomalies: days whose cost is far from what the same weekdays before were like, with the service,
// SKU and region that explain most of the difference.
#ifndef PURSER_COSTS_ANOMALIES_H_
#define PURSER_COSTS_ANOMALIES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "base/decimal.h"
#include "costs/service.h"

namespace purser::costs {

inline constexpr size_t kMaxSuppressions = 10'000;
inline constexpr int kAnomalyHistoryDays = 56;  // eight of each weekday
inline constexpr int kMinAnomalyHistoryDays = 14;
inline constexpr int kMaxAnomalyDays = 31;  // looked at together

// Robust z-score of the last value of `series`: its distance from the median of the same weekdays,
// in standard deviations as estimated from the median absolute deviation of all days from theirs.
// `expected` gets that median. 0 with fewer than kMinAnomalyHistoryDays before it.
double RobustScore(const std::vector<double>& series, double* expected);

struct AnomalyOptions {
  Dimension dimension = Dimension::kEntity;  // of the catalog
  Measure measure = Measure::kEffective;
  double min_score = 3.5;
  // Differences below this are nobody's business, in the currency of the bill.
  base::Decimal min_amount = base::Decimal::FromInteger(10);
  size_t limit = 200;  // of a day
};

struct Anomaly {
  std::string id;  // the same for the same day and node
  Dimension dimension;
  std::string of;     // entity, group …
  std::string owner;  // group or user; "" unknown
  absl::CivilDay day;
  std::string currency;
  base::Decimal cost;
  base::Decimal expected;    // rounded to two digits
  base::Decimal difference;  // cost - expected
  double score = 0;          // negative: less than expected
  // The combination that differs most from what it was like before.
  std::string service;
  std::string sku;
  std::string region;
  base::Decimal cause_difference;  // rounded to two digits
};

// What is known and not to be told: an entity, a service of it or all of both in some days.
//   suppress:
//     - { of: component:default/shop, service: "Amazon EC2", from: 2026-11-20, to: 2026-11-30,
//         reason: sale }
struct Suppression {
  std::string of;       // "" any
  std::string service;  // "" any
  absl::CivilDay from;
  absl::CivilDay to;
  std::string reason;
};
absl::StatusOr<std::vector<Suppression>> ParseSuppressions(absl::string_view yaml,
                                                           absl::string_view file);

// Anomalies of the days from `from` to `to`, by day, the largest difference first. Of a day only
// those sources are compared, with their own past, whose data reaches it. On the last day that a
// source has, which may not be over, less than usual is nothing to tell.
absl::StatusOr<std::vector<Anomaly>> FindAnomalies(CostService& costs, absl::CivilDay from,
                                                   absl::CivilDay to, const AnomalyOptions& options,
                                                   const std::vector<Suppression>& suppressions);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ANOMALIES_H_
