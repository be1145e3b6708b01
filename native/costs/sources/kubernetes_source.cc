#include "costs/sources/kubernetes_source.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

namespace fs = std::filesystem;

// Prometheus has a moment's values some scrapes later.
constexpr absl::Duration kLag = absl::Minutes(10);
constexpr absl::Duration kChunk = absl::Hours(1);  // asked for at once
constexpr int kKeptMonths = 3;
constexpr size_t kFileBytes = 32 << 20;  // far below kMaxJsonDocumentBytes

absl::Time StartOf(absl::CivilDay day) { return absl::FromCivil(day, absl::UTCTimeZone()); }

}  // namespace

absl::StatusOr<std::unique_ptr<KubernetesSource>> KubernetesSource::Open(
    KubernetesOptions options, PrometheusClient prometheus, CostService& costs,
    store::Database& database, base::Clock& clock) {
  const absl::Duration step = options.metrics.step;
  if (step < absl::Minutes(1) || step > kChunk || step % absl::Minutes(1) != absl::ZeroDuration() ||
      kChunk % step != absl::ZeroDuration()) {
    return absl::InvalidArgumentError("step must be whole minutes that divide an hour");
  }
  PURSER_ASSIGN_OR_RETURN(ClusterDays days, ClusterDays::Open(database));
  return std::unique_ptr<KubernetesSource>(new KubernetesSource(
      std::move(options), std::move(prometheus), costs, std::move(days), clock));
}

absl::StatusOr<std::vector<FetchedDelivery>> KubernetesSource::Round(bool force,
                                                                     std::stop_token stop) {
  const absl::Time until = absl::UnixEpoch() + absl::Floor(clock_.Now() - kLag - absl::UnixEpoch(),
                                                           options_.metrics.step);
  const absl::CivilDay today = absl::ToCivilDay(until, absl::UTCTimeZone());
  PURSER_ASSIGN_OR_RETURN(const std::set<absl::CivilDay> complete, days_.Complete(options_.name));
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
      PURSER_RETURN_IF_ERROR(days_.Keep(options_.name, day, end == StartOf(day + 1), *allocations));
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
  PURSER_ASSIGN_OR_RETURN(const std::set<absl::CivilMonth> months,
                          days_.MonthsToStore(options_.name));
  for (const absl::CivilMonth month : months) {
    FetchedDelivery outcome{.name = absl::FormatCivilTime(month), .at = clock_.Now()};
    PURSER_ASSIGN_OR_RETURN(outcome.rows, StoreMonth(month, stop));
    outcome.result = FetchResult::kStored;
    fetched.push_back(std::move(outcome));
  }
  if (!answered && months.empty() && !trouble.ok()) return trouble;
  PURSER_RETURN_IF_ERROR(days_.Forget(
      options_.name, std::min(absl::CivilDay(absl::CivilMonth(today) - kKeptMonths),
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

absl::StatusOr<int64_t> KubernetesSource::StoreMonth(absl::CivilMonth month, std::stop_token stop) {
  const std::string folder = absl::StrCat(options_.spool_folder, "/", options_.name);
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat(folder, ": ", error.message()));
  IngestRequest request{.source = options_.name, .stop = stop};
  const absl::Status read = days_.Each(
      options_.name, absl::CivilDay(month), absl::CivilDay(month + 1) - 1,
      [&](absl::CivilDay day, absl::string_view allocations) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const base::Directory directory, base::Directory::Open(folder));
        for (const std::string& part : SplitAllocationJson(allocations, kFileBytes)) {
          const std::string name =
              absl::StrCat(DayText(day), "-", request.paths.size() + 1, ".json");
          PURSER_RETURN_IF_ERROR(directory.WriteFile(name, part));
          request.paths.push_back(absl::StrCat(folder, "/", name));
        }
        return absl::OkStatus();
      });
  absl::StatusOr<IngestReport> report = read.ok() ? costs_.Ingest(request) : read;
  fs::remove_all(folder, error);
  if (!report.ok()) return report.status();
  PURSER_RETURN_IF_ERROR(days_.MarkStored(options_.name, month));
  return report->rows_stored;
}

}  // namespace purser::costs
