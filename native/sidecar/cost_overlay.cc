#include "sidecar/cost_overlay.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "json/json.h"

namespace purser::sidecar {
namespace {

constexpr int kDays = 30;
constexpr int kEntitiesPerPage = 500;
// Many requests that end together are worth one pass over the rules.
constexpr absl::Duration kSettle = absl::Milliseconds(500);
// Bounds how long an ingest that came just before the wait began goes unnoticed.
constexpr absl::Duration kPoll = absl::Seconds(2);
constexpr absl::Duration kAfterError = absl::Seconds(5);

}  // namespace

nlohmann::json CostOverlayOf(const costs::EntityCostSummary& summary) {
  if (summary.costs.empty() || !summary.to.has_value()) return nlohmann::json::object();
  std::vector<std::string> exact;
  std::vector<std::string> rounded;
  for (const costs::EntityCosts& costs : summary.costs) {
    exact.push_back(absl::StrCat(costs.billed.ToString(), " ", costs.currency));
    rounded.push_back(absl::StrCat(costs.billed.ToRounded(2), " ", costs.currency));
  }
  const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(summary.entity_ref);
  nlohmann::json overlay = {{"annotations",
                             {{kCostAnnotation, absl::StrJoin(exact, ", ")},
                              {kCostUntilAnnotation, absl::FormatCivilTime(*summary.to)}}}};
  if (ref.ok()) {
    overlay["links"] = {
        {{"title", absl::StrCat("Cost of the last 30 days: ", absl::StrJoin(rounded, ", "))},
         {"url", absl::StrCat("/api/purser/v1/costs/entities/", ref->kind, "/", ref->namespace_name,
                              "/", ref->name)},
         {"icon", "dashboard"}}};
  }
  return overlay;
}

CostOverlay::CostOverlay(costs::CostService& costs, inventory::Inventory& inventory,
                         store::Database& database)
    : costs_(costs),
      inventory_(inventory),
      database_(database),
      thread_([this](std::stop_token stop) { Loop(std::move(stop)); }) {}

CostOverlay::~CostOverlay() {
  thread_.request_stop();
  inventory_.Committed();  // wakes the wait for changes
}

void CostOverlay::Ingested() {
  {
    base::MutexLock lock(mutex_);
    ingested_ = true;
  }
  inventory_.Committed();
}

void CostOverlay::Loop(std::stop_token stop) {
  std::string position;
  while (!stop.stop_requested()) {
    const absl::Status updated = Update(position);
    if (!updated.ok()) {
      spdlog::warn("costs on entities are not up to date: {}", base::ToStd(updated.message()));
      base::Clock::System().SleepFor(kAfterError, stop);
      continue;
    }
    inventory_.WaitForChanges(position, kPoll, stop);
    base::Clock::System().SleepFor(kSettle, stop);
  }
}

absl::Status CostOverlay::Update(std::string& position) {
  PURSER_ASSIGN_OR_RETURN(const inventory::EntityChanges next, inventory_.Changes(position, 1));
  bool all = false;
  {
    base::MutexLock lock(mutex_);
    std::swap(all, ingested_);
  }
  if (!all && next.position == position) return absl::OkStatus();
  const absl::Status updated = Rewrite(all, position);
  if (all && !updated.ok()) {
    base::MutexLock lock(mutex_);
    ingested_ = true;
  }
  return updated;
}

absl::Status CostOverlay::Rewrite(bool all, std::string& position) {
  PURSER_ASSIGN_OR_RETURN(const int64_t moved, costs_.Reallocate());
  std::string from = all || moved > 0 ? "" : position;
  bool more = true;
  while (more) {
    PURSER_ASSIGN_OR_RETURN(const inventory::EntityChanges changes,
                            inventory_.Changes(from, kEntitiesPerPage));
    std::vector<std::string> refs;
    for (const std::string& text : changes.upserts) {
      PURSER_ASSIGN_OR_RETURN(const nlohmann::json entity, json::Parse(text));
      refs.push_back(catalog::RefOf(entity).ToString());
    }
    PURSER_RETURN_IF_ERROR(Write(refs));
    from = changes.position;
    more = changes.more;
  }
  position = from;
  return absl::OkStatus();
}

absl::Status CostOverlay::Write(const std::vector<std::string>& refs) {
  std::vector<std::pair<std::string, nlohmann::json>> overlays;
  for (const std::string& ref : refs) {
    costs::EntitySummaryRequest request;
    request.entity_ref = ref;
    request.days = kDays;
    PURSER_ASSIGN_OR_RETURN(const costs::EntityCostSummary summary, costs_.EntitySummary(request));
    overlays.emplace_back(ref, CostOverlayOf(summary));
  }
  if (overlays.empty()) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(database_.Transact([&](store::Connection& connection) -> absl::Status {
    for (const auto& [ref, overlay] : overlays) {
      PURSER_RETURN_IF_ERROR(inventory_.PutOverlay(connection, ref, "costs", overlay));
    }
    return absl::OkStatus();
  }));
  inventory_.Committed();
  return absl::OkStatus();
}

}  // namespace purser::sidecar
