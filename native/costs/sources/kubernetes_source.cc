#include "costs/sources/kubernetes_source.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

namespace fs = std::filesystem;
using base::Decimal;

// Prometheus has a moment's values some scrapes later.
constexpr absl::Duration kLag = absl::Minutes(10);
constexpr absl::Duration kChunk = absl::Hours(1);  // asked for at once
constexpr int kKeptMonths = 3;

absl::Time StartOf(absl::CivilDay day) { return absl::FromCivil(day, absl::UTCTimeZone()); }

}  // namespace

absl::StatusOr<std::unique_ptr<KubernetesSource>> KubernetesSource::Open(
    KubernetesOptions options, PrometheusClient prometheus, CostService& costs,
    store::Database& database, base::Clock& clock) {
  if (options.metrics.step < absl::Minutes(1) || options.metrics.step > kChunk ||
      kChunk % options.metrics.step != absl::ZeroDuration()) {
    return absl::InvalidArgumentError("step must be whole minutes that divide an hour");
  }
  PURSER_RETURN_IF_ERROR(database.Migrate(
      "cost-kubernetes",
      {{{1, "days of clusters",
         "CREATE TABLE cost_cluster_days (source TEXT NOT NULL, day TEXT NOT NULL,"
         " complete BIGINT NOT NULL, allocations BLOB NOT NULL, PRIMARY KEY (source, day));"},
        {2, "which days are in a stored month",
         "ALTER TABLE cost_cluster_days ADD COLUMN stored BIGINT NOT NULL DEFAULT 0;"}}}));
  return std::unique_ptr<KubernetesSource>(
      new KubernetesSource(std::move(options), std::move(prometheus), costs, database, clock));
}

absl::StatusOr<std::vector<FetchedDelivery>> KubernetesSource::Round(bool force,
                                                                     std::stop_token stop) {
  const absl::Time until = absl::UnixEpoch() + absl::Floor(clock_.Now() - kLag - absl::UnixEpoch(),
                                                           options_.metrics.step);
  const absl::CivilDay today = absl::ToCivilDay(until, absl::UTCTimeZone());
  PURSER_ASSIGN_OR_RETURN(const std::set<absl::CivilDay> complete, CompleteDays());
  std::vector<FetchedDelivery> fetched;
  absl::Status trouble;
  bool answered = false;
  for (absl::CivilDay day = today - options_.days; day <= today; ++day) {
    const absl::Time end = std::min(until, StartOf(day + 1));
    if (end <= StartOf(day) || (!force && complete.contains(day))) continue;
    if (stop.stop_requested()) return absl::CancelledError("the round was cancelled");
    const absl::StatusOr<std::string> allocations = Allocate(day, end, stop);
    if (allocations.ok()) {
      answered = true;
      PURSER_RETURN_IF_ERROR(Keep(day, end == StartOf(day + 1), *allocations));
      continue;
    }
    // What Prometheus has forgotten cannot be asked for; what was kept of the day stays. A day it
    // cannot answer for does not keep the others from being asked for.
    const bool unknown = absl::IsFailedPrecondition(allocations.status());
    answered |= unknown;
    if (!unknown) trouble = allocations.status();
    fetched.push_back({.name = DayText(day),
                       .result = unknown ? FetchResult::kWaiting : FetchResult::kFailed,
                       .detail = std::string(allocations.status().message()),
                       .at = clock_.Now()});
  }
  PURSER_ASSIGN_OR_RETURN(const std::set<absl::CivilMonth> months, MonthsToStore());
  for (const absl::CivilMonth month : months) {
    FetchedDelivery outcome{.name = absl::FormatCivilTime(month), .at = clock_.Now()};
    PURSER_ASSIGN_OR_RETURN(outcome.rows, StoreMonth(month, stop));
    outcome.result = FetchResult::kStored;
    fetched.push_back(std::move(outcome));
  }
  if (!answered && !trouble.ok()) return trouble;
  PURSER_RETURN_IF_ERROR(Forget(std::min(absl::CivilDay(absl::CivilMonth(today) - kKeptMonths),
                                         absl::CivilDay(absl::CivilMonth(today - options_.days)))));
  return fetched;
}

absl::StatusOr<std::string> KubernetesSource::Allocate(absl::CivilDay day, absl::Time until,
                                                       std::stop_token stop) {
  ClusterDay sums(options_.prices, options_.metrics.step);
  ClusterMetrics::Facts facts;
  for (absl::Time from = StartOf(day); from < until; from += kChunk) {
    // A value stands for the step that begins with it.
    const absl::Time last = std::min(from + kChunk, until) - options_.metrics.step;
    PURSER_RETURN_IF_ERROR(metrics_.AddHour({from, last, stop}, sums, facts));
  }
  if (sums.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("Prometheus knows no node of ", DayText(day),
                     ": is kube-state-metrics' kube_node_status_capacity scraped, and do all its "
                     "series have the labels of matchLabels?"));
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<PodCost> costs, sums.Finish());
  return ToAllocationJson({options_.cluster, options_.currency, StartOf(day), until}, costs, facts);
}

absl::StatusOr<std::set<absl::CivilDay>> KubernetesSource::CompleteDays() {
  std::set<absl::CivilDay> days;
  PURSER_RETURN_IF_ERROR(database_.Read([&](store::Connection& connection) {
    days.clear();
    return connection.ForEach(
        "SELECT day FROM cost_cluster_days WHERE source = $1 AND complete = 1", {options_.name},
        [&](const store::Row& row) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.Text(0)));
          days.insert(day);
          return absl::OkStatus();
        });
  }));
  return days;
}

absl::Status KubernetesSource::Keep(absl::CivilDay day, bool complete,
                                    const std::string& allocations) {
  return database_.Transact([&](store::Connection& connection) -> absl::Status {
    return connection.ExecuteLater(
        "INSERT INTO cost_cluster_days (source, day, complete, allocations, stored) "
        "VALUES ($1, $2, $3, $4, 0) ON CONFLICT (source, day) DO UPDATE SET "
        "complete = excluded.complete, allocations = excluded.allocations, stored = 0",
        {options_.name, DayText(day), int64_t{complete ? 1 : 0}, store::Blob{allocations}});
  });
}

absl::StatusOr<std::set<absl::CivilMonth>> KubernetesSource::MonthsToStore() {
  std::set<absl::CivilMonth> months;
  PURSER_RETURN_IF_ERROR(database_.Read([&](store::Connection& connection) {
    months.clear();
    return connection.ForEach("SELECT day FROM cost_cluster_days WHERE source = $1 AND stored = 0",
                              {options_.name}, [&](const store::Row& row) -> absl::Status {
                                PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day,
                                                        ParseDay(row.Text(0)));
                                months.insert(absl::CivilMonth(day));
                                return absl::OkStatus();
                              });
  }));
  return months;
}

absl::Status KubernetesSource::Forget(absl::CivilDay before) {
  return database_.Transact([&](store::Connection& connection) -> absl::Status {
    return connection.ExecuteLater("DELETE FROM cost_cluster_days WHERE source = $1 AND day < $2",
                                   {options_.name, DayText(before)});
  });
}

absl::StatusOr<int64_t> KubernetesSource::StoreMonth(absl::CivilMonth month, std::stop_token stop) {
  const std::string folder = absl::StrCat(options_.spool_folder, "/", options_.name);
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat(folder, ": ", error.message()));
  IngestRequest request{.source = options_.name, .stop = stop};
  const absl::Status read = database_.Read([&](store::Connection& connection) {
    request.paths.clear();
    return connection.ForEach(
        "SELECT day, allocations FROM cost_cluster_days WHERE source = $1 AND day >= $2 AND "
        "day < $3 ORDER BY day",
        {options_.name, DayText(absl::CivilDay(month)), DayText(absl::CivilDay(month + 1))},
        [&](const store::Row& row) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(const base::Directory directory, base::Directory::Open(folder));
          const std::string name = absl::StrCat(row.Text(0), ".json");
          PURSER_RETURN_IF_ERROR(directory.WriteFile(name, row.Text(1)));
          request.paths.push_back(absl::StrCat(folder, "/", name));
          return absl::OkStatus();
        });
  });
  absl::StatusOr<IngestReport> report = read.ok() ? costs_.Ingest(request) : read;
  fs::remove_all(folder, error);
  if (!report.ok()) return report.status();
  PURSER_RETURN_IF_ERROR(database_.Transact([&](store::Connection& connection) -> absl::Status {
    return connection.ExecuteLater(
        "UPDATE cost_cluster_days SET stored = 1 WHERE source = $1 AND day >= $2 AND day < $3",
        {options_.name, DayText(absl::CivilDay(month)), DayText(absl::CivilDay(month + 1))});
  }));
  return report->rows_stored;
}

}  // namespace purser::costs
