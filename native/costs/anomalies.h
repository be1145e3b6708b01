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
#include "costs/suppressions.h"

namespace purser::costs {

inline constexpr int kAnomalyHistoryDays = 56;  // eight of each weekday
inline constexpr int kMinAnomalyHistoryDays = 14;
inline constexpr int kMaxAnomalyDays = 31;  // looked at together
inline constexpr int kDefaultAnomalyPage = 200;
inline constexpr int kMaxAnomalyPage = 1'000;

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

// The id of an anomaly of the same as `anomaly` on `day`.
std::string AnomalyId(const Anomaly& anomaly, absl::CivilDay day);

// What is unlike the days before. Of a day only those sources are compared, with their own past,
// whose data reaches it. On the last day that a source has, which may not be over, less than usual
// is nothing to tell.
//
// The largest `limit` of each day from `from` to `to`, the days in their order.
absl::StatusOr<std::vector<Anomaly>> FindAnomalies(CostService& costs, absl::CivilDay from,
                                                   absl::CivilDay to, const AnomalyOptions& options,
                                                   const std::vector<Suppression>& suppressions,
                                                   size_t limit = 200);

struct AnomalyQuery {
  absl::CivilDay from = {};
  absl::CivilDay to = {};  // at most kMaxAnomalyDays
  std::string of = {};     // only of this entity, group …; "" of all
  // Of the costs that are compared: with one on a service, days on which its cost was unusual.
  std::vector<Filter> filters = {};
  int page_size = 0;            // 1..kMaxAnomalyPage; 0: kDefaultAnomalyPage
  std::string page_token = {};  // of the page before; "" for the first
};
struct AnomalyPage {
  std::vector<Anomaly> anomalies;  // the latest day first; of a day, the largest difference
  std::string next_page_token;     // "" on the last page
};
absl::StatusOr<AnomalyPage> ListAnomalies(CostService& costs, const AnomalyQuery& query,
                                          const AnomalyOptions& options,
                                          const std::vector<Suppression>& suppressions);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ANOMALIES_H_
