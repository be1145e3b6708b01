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
#include "costs/known_days.h"
#include "costs/page_token.h"
#include "costs/readers/days.h"
#include "costs/robust.h"

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
absl::Status FindCause(CostService& costs, Anomaly& anomaly, Measure measure,
                       const std::vector<Filter>& filters) {
  QueryRequest request{
      .from = anomaly.day - kAnomalyHistoryDays,
      .to = anomaly.day,
      .group_by = {Dimension::kService, Dimension::kSku, Dimension::kRegion, Dimension::kDay},
      .filters = filters};
  request.filters.push_back({anomaly.dimension, {anomaly.of}});
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

base::Decimal SizeOf(const Anomaly& anomaly) {
  return anomaly.difference.IsNegative() ? -anomaly.difference : anomaly.difference;
}

// Largest difference first.
bool IsLarger(const Anomaly& a, const Anomaly& b) {
  const base::Decimal left = SizeOf(a), right = SizeOf(b);
  return left != right ? left > right : std::tie(a.of, a.currency) < std::tie(b.of, b.currency);
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

std::string AnomalyId(const Anomaly& anomaly, absl::CivilDay day) {
  return base::Sha256Hex(absl::StrCat(DimensionName(anomaly.dimension), "\n", anomaly.of, "\n",
                                      anomaly.currency, "\n", absl::FormatCivilTime(day)))
      .substr(0, 16);
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
    std::sort(anomalies.begin(), anomalies.end(), IsLarger);
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
    if (SizeOf(anomaly) < options_.min_amount) return false;
    anomaly.dimension = options_.dimension;
    anomaly.owner = OwnerOf(graph_, options_.dimension, anomaly.of);
    anomaly.id = AnomalyId(anomaly, anomaly.day);
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

// What Finder needs for the days, of all that the filters let through.
absl::Status Fill(CostService& costs, absl::CivilDay from, absl::CivilDay to,
                  const AnomalyOptions& options, const std::vector<Filter>& filters,
                  Finder& finder) {
  // In pieces, so that an answer's limit is met with three times as many entities.
  for (absl::CivilDay first = from - kAnomalyHistoryDays; first <= to; first += kDaysOfAnAnswer) {
    PURSER_ASSIGN_OR_RETURN(
        const std::vector<CostRow> rows,
        costs.Sums({.from = first,
                    .to = std::min(to, first + (kDaysOfAnAnswer - 1)),
                    .group_by = {options.dimension, Dimension::kSource, Dimension::kDay},
                    .filters = filters}));
    for (const CostRow& row : rows) PURSER_RETURN_IF_ERROR(finder.Add(row));
  }
  return absl::OkStatus();
}

absl::Status CheckDays(absl::CivilDay from, absl::CivilDay to) {
  if (from <= to && to - from < kMaxAnomalyDays) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("anomalies are looked for in 1 to ", kMaxAnomalyDays,
                   " days, the first not behind the last (kMaxAnomalyDays)"));
}

// Fills in the cause unless it is told anyway that the anomaly is known. Whether it is known.
absl::StatusOr<bool> IsKnown(CostService& costs, Anomaly& anomaly, Measure measure,
                             const std::vector<Filter>& filters,
                             const std::vector<Suppression>& suppressions) {
  const auto matches = [&](const Suppression& known) {
    return (known.of.empty() || absl::EqualsIgnoreCase(known.of, anomaly.of)) &&
           anomaly.day >= known.from && anomaly.day <= known.to;
  };
  const auto of_all = [&](const Suppression& known) {
    return known.service.empty() && matches(known);
  };
  if (std::any_of(suppressions.begin(), suppressions.end(), of_all)) return true;
  PURSER_RETURN_IF_ERROR(FindCause(costs, anomaly, measure, filters));
  return std::any_of(suppressions.begin(), suppressions.end(), [&](const Suppression& known) {
    return known.service == anomaly.service && matches(known);
  });
}

std::string QuestionOf(const AnomalyQuery& query, const AnomalyOptions& options) {
  return absl::StrCat(absl::FormatCivilTime(query.from), " ", absl::FormatCivilTime(query.to), " ",
                      DimensionName(options.dimension), " ", query.of, TextOf(query.filters));
}

// An anomaly's place in a list, as a page token has it, and back.
std::vector<std::string> PositionOf(const Anomaly& anomaly) {
  return {absl::FormatCivilTime(anomaly.day), anomaly.difference.ToString(), anomaly.of,
          anomaly.currency};
}
absl::StatusOr<Anomaly> ReadPosition(const std::string& token, const std::string& question) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> position,
                          ReadPageToken(token, question, 4));
  Anomaly anomaly;
  PURSER_ASSIGN_OR_RETURN(anomaly.day, ParseDay(position[0]));
  PURSER_ASSIGN_OR_RETURN(anomaly.difference, base::Decimal::Parse(position[1]));
  anomaly.of = position[2];
  anomaly.currency = position[3];
  return anomaly;
}

}  // namespace

absl::StatusOr<std::vector<Anomaly>> FindAnomalies(CostService& costs, absl::CivilDay from,
                                                   absl::CivilDay to, const AnomalyOptions& options,
                                                   const std::vector<Suppression>& suppressions,
                                                   size_t limit) {
  PURSER_RETURN_IF_ERROR(CheckDays(from, to));
  PURSER_ASSIGN_OR_RETURN(const KnownDays known_days, KnownDays::Of(costs));
  const std::shared_ptr<const EntityGraph> graph = costs.graph();
  Finder finder(from, to, options, *graph, known_days);
  PURSER_RETURN_IF_ERROR(Fill(costs, from, to, options, {}, finder));
  std::vector<Anomaly> told;
  for (absl::CivilDay day = from; day <= to; ++day) {
    const size_t before = told.size();
    for (Anomaly& anomaly : finder.Of(day)) {
      if (told.size() - before == limit) break;
      PURSER_ASSIGN_OR_RETURN(const bool known,
                              IsKnown(costs, anomaly, options.measure, {}, suppressions));
      if (!known) told.push_back(std::move(anomaly));
    }
  }
  return told;
}

absl::StatusOr<AnomalyPage> ListAnomalies(CostService& costs, const AnomalyQuery& query,
                                          const AnomalyOptions& options,
                                          const std::vector<Suppression>& suppressions) {
  PURSER_RETURN_IF_ERROR(CheckDays(query.from, query.to));
  if (query.page_size < 0 || query.page_size > kMaxAnomalyPage) {
    return absl::InvalidArgumentError(
        absl::StrCat("page size ", query.page_size, " is not 1 to ", kMaxAnomalyPage));
  }
  const std::string question = QuestionOf(query, options);
  std::optional<Anomaly> after;
  if (!query.page_token.empty()) {
    PURSER_ASSIGN_OR_RETURN(after, ReadPosition(query.page_token, question));
  }
  std::vector<Filter> filters = query.filters;
  if (!query.of.empty()) filters.push_back({options.dimension, {query.of}});
  PURSER_ASSIGN_OR_RETURN(const KnownDays known_days, KnownDays::Of(costs));
  const std::shared_ptr<const EntityGraph> graph = costs.graph();
  Finder finder(query.from, query.to, options, *graph, known_days);
  PURSER_RETURN_IF_ERROR(Fill(costs, query.from, query.to, options, filters, finder));
  const size_t size =
      static_cast<size_t>(query.page_size == 0 ? kDefaultAnomalyPage : query.page_size);
  AnomalyPage page;
  for (absl::CivilDay day = query.to; day >= query.from; --day) {
    if (after.has_value() && day > after->day) continue;
    for (Anomaly& anomaly : finder.Of(day)) {
      // A group's cost is that of the groups above it, too.
      if (!query.of.empty() && !absl::EqualsIgnoreCase(query.of, anomaly.of)) continue;
      if (after.has_value() && day == after->day && !IsLarger(*after, anomaly)) continue;
      // Here, as causes are not found for nothing.
      if (page.anomalies.size() == size) {
        page.next_page_token = MakePageToken(question, PositionOf(page.anomalies.back()));
        return page;
      }
      PURSER_ASSIGN_OR_RETURN(
          const bool known, IsKnown(costs, anomaly, options.measure, query.filters, suppressions));
      if (!known) page.anomalies.push_back(std::move(anomaly));
    }
  }
  return page;
}

}  // namespace purser::costs
