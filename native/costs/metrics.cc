#include "costs/metrics.h"

#include <set>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "costs/allocation.h"
#include "costs/readers/days.h"

namespace purser::costs {

absl::StatusOr<std::vector<MetricValue>> ParseMetrics(absl::string_view csv,
                                                      absl::string_view file) {
  std::vector<MetricValue> values;
  std::set<std::tuple<std::string, std::string, absl::CivilDay>> seen;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(csv, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    const auto bad = [&](absl::string_view why) {
      return absl::InvalidArgumentError(absl::StrCat(file, ":", number, ": ", why));
    };
    if (number == 1) {
      if (line != "day,metric,entity,value") {
        return bad("the header must be day,metric,entity,value");
      }
      continue;
    }
    if (line.empty()) continue;
    if (values.size() == kMaxMetricValues) {
      return bad(absl::StrCat("more than ", kMaxMetricValues, " values (kMaxMetricValues)"));
    }
    const std::vector<std::string> fields = absl::StrSplit(line, ',');
    if (fields.size() != 4) return bad("the line has not four fields");
    MetricValue value;
    const absl::StatusOr<absl::CivilDay> day = ParseDay(fields[0]);
    if (!day.ok()) return bad(absl::StrCat("day: ", day.status().message()));
    value.day = *day;
    value.metric = fields[1];
    if (value.metric.empty()) return bad("the metric has no name");
    value.entity = fields[2];
    if (!absl::StartsWith(value.entity, kSharedPrefix)) {
      const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(fields[2]);
      if (!ref.ok()) return bad(absl::StrCat("entity: ", ref.status().message()));
      value.entity = ref->ToString();
    }
    const absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(fields[3]);
    if (!amount.ok()) return bad(absl::StrCat("value: ", amount.status().message()));
    if (amount->IsNegative()) return bad("value: must not be below 0");
    value.value = *amount;
    if (!seen.emplace(value.metric, value.entity, value.day).second) {
      return bad("a second value of that metric, entity and day");
    }
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace purser::costs
