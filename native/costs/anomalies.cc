#include "costs/anomalies.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/known_days.h"
#include "costs/readers/days.h"
#include "costs/robust.h"
#include "document/yaml.h"

namespace purser::costs {
namespace {

// Even a perfectly steady cost may change by this part without being strange.
constexpr double kSteadyPart = 0.02;
constexpr int kWeek = 7;
constexpr int kDaysOfAnAnswer = 21;

// Of the values before the last one that are of the same weekday as value `at`.
double SameWeekday(const std::vector<double>& series, size_t at) {
  std::vector<double> same;
  for (size_t i = at % kWeek; i + 1 < series.size(); i += kWeek) same.push_back(series[i]);
  return Median(std::move(same));
}

base::Decimal Rounded(double value) {
  const absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(absl::StrFormat("%.2f", value));
  return amount.ok() ? *amount : base::Decimal();
}

std::string OwnerOf(const EntityGraph& graph, Dimension dimension, const std::string& of) {
  if (dimension == Dimension::kGroup || dimension == Dimension::kOwner) return of;
  const GraphEntity* entity = graph.Find(of);
  if (entity != nullptr && !entity->owner.empty()) return entity->owner;
  return graph.Of(of).owner;
}

// What a source charged, by day.
using Series = std::vector<base::Decimal>;
using SeriesKey = std::pair<std::string, std::string>;  // name, currency
using BySource = std::map<std::string, Series>;

// Fills in what caused it: the service, SKU and region with the largest difference.
absl::Status FindCause(CostService& costs, Anomaly& anomaly, Measure measure) {
  QueryRequest request{
      .from = anomaly.day - kAnomalyHistoryDays,
      .to = anomaly.day,
      .group_by = {Dimension::kService, Dimension::kSku, Dimension::kRegion, Dimension::kDay},
      .filters = {{anomaly.dimension, {anomaly.of}}}};
  PURSER_ASSIGN_OR_RETURN(const std::vector<CostRow> rows, costs.Sums(request));
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<double>> parts;
  const absl::CivilDay first = anomaly.day - kAnomalyHistoryDays;
  for (const CostRow& row : rows) {
    if (row.currency != anomaly.currency) continue;
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.keys[3]));
    std::vector<double>& values = parts[{row.keys[0], row.keys[1], row.keys[2]}];
    values.resize(kAnomalyHistoryDays + 1);
    const Measures sums{row.billed, row.effective, row.list, row.contracted, row.charges};
    values[static_cast<size_t>(day - first)] += sums.Of(measure).ToDouble();
  }
  double largest = 0;
  for (const auto& [part, values] : parts) {
    double change = values.back() - SameWeekday(values, values.size() - 1);
    if (anomaly.difference.IsNegative()) change = -change;
    if (change <= largest) continue;
    largest = change;
    std::tie(anomaly.service, anomaly.sku, anomaly.region) = part;
  }
  anomaly.cause_difference = Rounded(anomaly.difference.IsNegative() ? -largest : largest);
  return absl::OkStatus();
}

bool IsSuppressed(const Anomaly& anomaly, const std::vector<Suppression>& suppressions) {
  return std::any_of(suppressions.begin(), suppressions.end(), [&](const Suppression& known) {
    return (known.of.empty() || absl::EqualsIgnoreCase(known.of, anomaly.of)) &&
           (known.service.empty() || known.service == anomaly.service) &&
           anomaly.day >= known.from && anomaly.day <= known.to;
  });
}

}  // namespace

double RobustScore(const std::vector<double>& series, double* expected) {
  *expected = 0;
  if (series.size() < static_cast<size_t>(kMinAnomalyHistoryDays) + 1) return 0;
  const size_t last = series.size() - 1;
  *expected = SameWeekday(series, last);
  double weekday[kWeek];
  for (size_t day = 0; day < kWeek; ++day) weekday[day] = SameWeekday(series, day);
  std::vector<double> deviations;
  for (size_t i = 0; i < last; ++i) deviations.push_back(std::fabs(series[i] - weekday[i % kWeek]));
  const double deviation = std::max(kDeviationPerMad * Median(std::move(deviations)),
                                    kSteadyPart * std::fabs(*expected));
  const double difference = series[last] - *expected;
  if (deviation > 0) return difference / deviation;
  // Nothing was ever charged on such a day: any cost is infinitely strange.
  return difference == 0 ? 0 : std::copysign(99.0, difference);
}

namespace {

// Looks at the days of one call.
class Finder {
 public:
  Finder(absl::CivilDay from, absl::CivilDay to, const AnomalyOptions& options,
         const EntityGraph& graph, const KnownDays& known)
      : first_(from - kAnomalyHistoryDays),
        to_(to),
        options_(options),
        graph_(graph),
        known_(known) {}

  absl::Status Add(const CostRow& row) {
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.keys[2]));
    earliest_ = std::min(earliest_.value_or(day), day);
    Series& series = all_[{row.keys[0], row.currency}][row.keys[1]];
    series.resize(static_cast<size_t>(to_ - first_) + 1);
    const Measures sums{row.billed, row.effective, row.list, row.contracted, row.charges};
    series[static_cast<size_t>(day - first_)] = sums.Of(options_.measure);
    return absl::OkStatus();
  }

  // Largest difference first, without their causes.
  std::vector<Anomaly> Of(absl::CivilDay day) {
    std::vector<Anomaly> anomalies;
    for (const auto& [key, sources] : all_) {
      Anomaly anomaly;
      anomaly.of = key.first;
      anomaly.currency = key.second;
      anomaly.day = day;
      if (Judge(sources, anomaly)) anomalies.push_back(std::move(anomaly));
    }
    std::sort(anomalies.begin(), anomalies.end(), [](const Anomaly& a, const Anomaly& b) {
      const base::Decimal left = a.difference.IsNegative() ? -a.difference : a.difference;
      const base::Decimal right = b.difference.IsNegative() ? -b.difference : b.difference;
      return left != right ? left > right : a.of < b.of;
    });
    return anomalies;
  }

 private:
  bool Judge(const BySource& sources, Anomaly& anomaly) {
    // Days before there was any data are not days without cost.
    const absl::CivilDay begin = std::max(*earliest_, anomaly.day - kAnomalyHistoryDays);
    if (begin > anomaly.day) return false;
    std::vector<double> values(static_cast<size_t>(anomaly.day - begin) + 1);
    bool may_go_on = false;
    for (const auto& [name, series] : sources) {
      const std::optional<absl::CivilDay> until = UntilOf(name);
      if (!until.has_value() || *until < anomaly.day) continue;
      may_go_on = may_go_on || *until == anomaly.day;
      const size_t at = static_cast<size_t>(begin - first_);
      for (size_t i = 0; i < values.size(); ++i) values[i] += series[at + i].ToDouble();
      if (!base::Decimal::Add(anomaly.cost, series[at + values.size() - 1], &anomaly.cost)) {
        return false;
      }
    }
    double expected = 0;
    anomaly.score = RobustScore(values, &expected);
    if (std::fabs(anomaly.score) < options_.min_score) return false;
    if (anomaly.score < 0 && may_go_on) return false;
    anomaly.expected = Rounded(expected);
    if (!base::Decimal::Subtract(anomaly.cost, anomaly.expected, &anomaly.difference)) return false;
    const base::Decimal size =
        anomaly.difference.IsNegative() ? -anomaly.difference : anomaly.difference;
    if (size < options_.min_amount) return false;
    anomaly.dimension = options_.dimension;
    anomaly.owner = OwnerOf(graph_, options_.dimension, anomaly.of);
    anomaly.id =
        base::Sha256Hex(absl::StrCat(DimensionName(options_.dimension), "\n", anomaly.of, "\n",
                                     anomaly.currency, "\n", absl::FormatCivilTime(anomaly.day)))
            .substr(0, 16);
    return true;
  }

  std::optional<absl::CivilDay> UntilOf(const std::string& source) {
    const auto [at, added] = until_.try_emplace(source);
    if (added) at->second = known_.Until({source});
    return at->second;
  }

  const absl::CivilDay first_;
  const absl::CivilDay to_;
  const AnomalyOptions& options_;
  const EntityGraph& graph_;
  const KnownDays& known_;
  std::map<std::string, std::optional<absl::CivilDay>> until_;
  std::optional<absl::CivilDay> earliest_;
  absl::flat_hash_map<SeriesKey, BySource> all_;
};

}  // namespace

absl::StatusOr<std::vector<Anomaly>> FindAnomalies(CostService& costs, absl::CivilDay from,
                                                   absl::CivilDay to, const AnomalyOptions& options,
                                                   const std::vector<Suppression>& suppressions) {
  if (to < from || to - from >= kMaxAnomalyDays) {
    return absl::InvalidArgumentError(
        absl::StrCat("anomalies are looked for in 1 to ", kMaxAnomalyDays, " days"));
  }
  PURSER_ASSIGN_OR_RETURN(const KnownDays known, KnownDays::Of(costs));
  const std::shared_ptr<const EntityGraph> graph = costs.graph();
  Finder finder(from, to, options, *graph, known);
  // In pieces, so that an answer's limit is met with three times as many entities.
  for (absl::CivilDay first = from - kAnomalyHistoryDays; first <= to; first += kDaysOfAnAnswer) {
    PURSER_ASSIGN_OR_RETURN(
        const std::vector<CostRow> rows,
        costs.Sums({.from = first,
                    .to = std::min(to, first + (kDaysOfAnAnswer - 1)),
                    .group_by = {options.dimension, Dimension::kSource, Dimension::kDay}}));
    for (const CostRow& row : rows) PURSER_RETURN_IF_ERROR(finder.Add(row));
  }
  std::vector<Anomaly> told;
  for (absl::CivilDay day = from; day <= to; ++day) {
    const size_t before = told.size();
    for (Anomaly& anomaly : finder.Of(day)) {
      if (told.size() - before == options.limit) break;
      PURSER_RETURN_IF_ERROR(FindCause(costs, anomaly, options.measure));
      if (!IsSuppressed(anomaly, suppressions)) told.push_back(std::move(anomaly));
    }
  }
  return told;
}

absl::StatusOr<std::vector<Suppression>> ParseSuppressions(absl::string_view yaml,
                                                           absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(yaml, file));
  const nlohmann::json& root = document.value;
  std::vector<Suppression> suppressions;
  if (!root.is_object() || !root.contains("suppress") || !root["suppress"].is_array() ||
      root["suppress"].size() > kMaxSuppressions) {
    return absl::InvalidArgumentError(
        absl::StrCat(document.Where(file, ""),
                     ": the file has the form {suppress: [{of, service, "
                     "from, to, reason}]}, at most ",
                     kMaxSuppressions));
  }
  for (size_t i = 0; i < root["suppress"].size(); ++i) {
    const nlohmann::json& value = root["suppress"][i];
    const std::string where = document.Where(file, absl::StrCat("/suppress/", i));
    Suppression one;
    std::string from, to;
    size_t known = 0;
    for (const auto& [name, out] :
         {std::make_pair("of", &one.of), std::make_pair("service", &one.service),
          std::make_pair("from", &from), std::make_pair("to", &to),
          std::make_pair("reason", &one.reason)}) {
      if (!value.is_object() || !value.contains(name)) continue;
      if (!value[name].is_string()) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", name, " must be a text"));
      }
      *out = value[name].get<std::string>();
      ++known;
    }
    if (!value.is_object() || known != value.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": known fields are of, service, from, to, reason"));
    }
    const absl::StatusOr<absl::CivilDay> first = ParseDay(from);
    const absl::StatusOr<absl::CivilDay> last = ParseDay(to);
    if (!first.ok() || !last.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": from and to are needed, days like 2026-11-01"));
    }
    one.from = *first;
    one.to = *last;
    suppressions.push_back(std::move(one));
  }
  return suppressions;
}

}  // namespace purser::costs
