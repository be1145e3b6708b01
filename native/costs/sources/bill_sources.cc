#include "costs/sources/bill_sources.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/sources/source_config.h"
#include "costs/sources/source_lease.h"
#include "json/json.h"

namespace purser::costs {

absl::StatusOr<std::unique_ptr<BillSources>> BillSources::Open(const nlohmann::json& config,
                                                               SourceDeps deps) {
  std::unique_ptr<BillSources> sources(new BillSources(std::move(deps)));
  if (!config.empty()) PURSER_RETURN_IF_ERROR(SourceLease::Migrate(*sources->deps_.database));
  for (const auto& [name, value] : config.items()) {
    PURSER_ASSIGN_OR_RETURN(ConfiguredSource configured, OpenSource(name, value, sources->deps_));
    auto source = std::make_unique<Source>();
    source->source = std::move(configured.source);
    source->state = {.name = name, .type = configured.type, .interval = configured.interval};
    sources->sources_.push_back(std::move(source));
  }
  return sources;
}

BillSources::~BillSources() = default;

void BillSources::Start() {
  if (sources_.empty()) return;
  thread_ = std::jthread([this](std::stop_token stop) { Loop(stop); });
}

std::vector<SourceState> BillSources::List() const {
  base::MutexLock lock(mutex_);
  std::vector<SourceState> states;
  for (const auto& source : sources_) states.push_back(source->state);
  return states;
}

void BillSources::Report(base::Metrics& metrics) const {
  const absl::Time now = deps_.clock->Now();
  for (const SourceState& state : List()) {
    const base::Labels labels = {{"source", state.name}};
    metrics
        .Gauge("purser_cost_source_age_seconds",
               "Since the source of bills was looked at; -1 before the first time.", labels)
        .Set(state.looked_at.has_value() ? absl::ToDoubleSeconds(now - *state.looked_at) : -1);
    metrics.Gauge("purser_cost_source_failing", "1 when the source could not be looked at.", labels)
        .Set(state.failure.empty() ? 0 : 1);
    std::map<FetchResult, int> results;
    for (const FetchedDelivery& delivery : state.deliveries) ++results[delivery.result];
    for (const FetchResult result :
         {FetchResult::kStored, FetchResult::kUnchanged, FetchResult::kWaiting,
          FetchResult::kRefused, FetchResult::kFailed}) {
      metrics
          .Gauge("purser_cost_source_deliveries", "Deliveries of the last round, by their result.",
                 {{"source", state.name}, {"result", std::string(FetchResultName(result))}})
          .Set(results[result]);
    }
  }
}

absl::StatusOr<SourceState> BillSources::Fetch(absl::string_view name, bool force,
                                               std::stop_token stop) {
  for (const auto& source : sources_) {
    if (source->state.name == name) return Look(*source, force, stop);
  }
  return absl::NotFoundError(absl::StrCat("costs.sources has no ", name));
}

absl::StatusOr<SourceState> BillSources::Look(Source& source, bool force, std::stop_token stop) {
  base::MutexLock round(source.round);
  const absl::StatusOr<std::unique_ptr<SourceLease>> lease =
      SourceLease::Claim(*deps_.database, *deps_.clock, source.state.name);
  if (absl::IsAborted(lease.status())) {
    // What that process stores needs no other round; whether it does is looked at soon.
    base::MutexLock lock(mutex_);
    source.due = deps_.clock->Now() + std::min(source.state.interval, kLeastInterval);
    return lease.status();
  }
  absl::StatusOr<std::vector<FetchedDelivery>> fetched =
      lease.ok() ? source.source->Round(force, stop)
                 : absl::StatusOr<std::vector<FetchedDelivery>>(lease.status());
  const bool stored =
      fetched.ok() && std::any_of(fetched->begin(), fetched->end(), [](const auto& delivery) {
        return delivery.result == FetchResult::kStored;
      });
  if (stored) deps_.on_stored();
  base::MutexLock lock(mutex_);
  source.state.looked_at = deps_.clock->Now();
  source.due = *source.state.looked_at + source.state.interval;
  source.state.failure = fetched.ok() ? "" : std::string(fetched.status().message());
  if (!fetched.ok()) return fetched.status();
  source.state.deliveries = *std::move(fetched);
  return source.state;
}

void BillSources::Loop(std::stop_token stop) {
  while (!stop.stop_requested()) {
    absl::Time next = absl::InfiniteFuture();
    for (const auto& source : sources_) {
      absl::Time due;
      {
        base::MutexLock lock(mutex_);
        due = source->due;
      }
      if (due <= deps_.clock->Now()) {
        const absl::StatusOr<SourceState> state = Look(*source, false, stop);
        if (stop.stop_requested()) return;
        if (!state.ok() && !absl::IsAborted(state.status()))
          deps_.on_failure(source->state.name, state.status());
        base::MutexLock lock(mutex_);
        due = source->due;
      }
      next = std::min(next, due);
    }
    const absl::Duration wait = std::max(next - deps_.clock->Now(), absl::ZeroDuration());
    if (!deps_.clock->SleepFor(wait, stop)) return;
  }
}

}  // namespace purser::costs
