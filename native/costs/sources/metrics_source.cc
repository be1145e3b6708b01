#include "costs/sources/metrics_source.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"

namespace purser::costs {
namespace {

constexpr absl::Duration kLag = absl::Minutes(10);

}  // namespace

absl::StatusOr<std::vector<FetchedDelivery>> MetricsSource::Round(bool, std::stop_token stop) {
  const absl::CivilDay today = absl::ToCivilDay(clock_.Now() - kLag, absl::UTCTimeZone());
  std::vector<FetchedDelivery> fetched;
  std::vector<MetricValue> values;
  for (const MetricQuery& query : options_.queries) {
    FetchedDelivery outcome{
        .name = query.metric, .result = FetchResult::kStored, .at = clock_.Now()};
    for (absl::CivilDay day = today - options_.days; day < today; ++day) {
      const absl::StatusOr<std::vector<MetricValue>> found = Ask(query, day, stop);
      if (!found.ok()) {
        outcome.result = FetchResult::kFailed;
        outcome.detail = std::string(found.status().message());
        break;
      }
      outcome.rows += static_cast<int64_t>(found->size());
      values.insert(values.end(), found->begin(), found->end());
    }
    fetched.push_back(std::move(outcome));
  }
  if (!values.empty()) PURSER_RETURN_IF_ERROR(costs_.AddMetrics(values));
  return fetched;
}

absl::StatusOr<std::vector<MetricValue>> MetricsSource::Ask(const MetricQuery& query,
                                                            absl::CivilDay day,
                                                            std::stop_token stop) {
  const absl::Time end = absl::FromCivil(day + 1, absl::UTCTimeZone());
  PURSER_ASSIGN_OR_RETURN(const std::vector<Series> all,
                          prometheus_.Range(query.query, end, end, absl::Hours(24), stop));
  std::map<std::string, base::Decimal> sums;
  for (const Series& series : all) {
    if (series.points.empty()) continue;
    std::string entity = query.entity;
    if (entity.empty()) {
      const absl::StatusOr<catalog::EntityRef> ref =
          catalog::EntityRef::Parse(series.Label(query.label));
      if (!ref.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("metric ", query.metric, ": label ", query.label, " is \"",
                         base::EscapeForDisplay(series.Label(query.label)),
                         "\", which is no entity: ", ref.status().message()));
      }
      entity = ref->ToString();
    }
    const base::Decimal value = series.points.back().second;
    base::Decimal& sum = sums[entity];
    if (value.IsNegative() || !base::Decimal::Add(sum, value, &sum)) {
      return absl::OutOfRangeError(
          absl::StrCat("metric ", query.metric, " of ", entity, " is below 0 or does not fit"));
    }
  }
  std::vector<MetricValue> values;
  for (const auto& [entity, value] : sums) values.push_back({query.metric, entity, day, value});
  return values;
}

}  // namespace purser::costs
