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

nlohmann::json CostOverlayOf(const costs::EntityCostSummary& summary, const std::string& month,
                             const std::string& budgets) {
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
  if (!month.empty()) overlay["annotations"][kCostMonthAnnotation] = month;
  if (!budgets.empty()) overlay["annotations"][kBudgetAnnotation] = budgets;
  if (ref.ok()) {
    overlay["links"] = {
        {{"title", absl::StrCat("Cost of the last 30 days: ", absl::StrJoin(rounded, ", "))},
         {"url", absl::StrCat("/api/purser/v1/costs/entities/", ref->kind, "/", ref->namespace_name,
                              "/", ref->name)},
         {"icon", "dashboard"}}};
  }
  return overlay;
}

CostOverlay::CostOverlay(costs::CostService& costs, const costs::CostPolicy& policy,
                         inventory::Inventory& inventory, store::Database& database)
    : costs_(costs),
      policy_(policy),
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
  absl::Status updated = Rewrite(all, position);
  if (all && updated.ok()) {
    std::vector<std::string> problems;
    updated = costs::LookAtCosts(costs_, policy_, &problems).status();
    for (const std::string& problem : problems) spdlog::warn("nobody is told: {}", problem);
  }
  if (all && !updated.ok()) {
    base::MutexLock lock(mutex_);
    ingested_ = true;
  }
  return updated;
}

absl::Status CostOverlay::Rewrite(bool all, std::string& position) {
  PURSER_ASSIGN_OR_RETURN(const int64_t moved, costs_.Reallocate());
  std::string from = all || moved > 0 ? "" : position;
  PURSER_ASSIGN_OR_RETURN(const auto budgets, BudgetTexts());
  bool more = true;
  while (more) {
    PURSER_ASSIGN_OR_RETURN(const inventory::EntityChanges changes,
                            inventory_.Changes(from, kEntitiesPerPage));
    std::vector<std::string> refs;
    for (const std::string& text : changes.upserts) {
      PURSER_ASSIGN_OR_RETURN(const nlohmann::json entity, json::Parse(text));
      refs.push_back(catalog::RefOf(entity).ToString());
    }
    PURSER_RETURN_IF_ERROR(Write(refs, budgets));
    from = changes.position;
    more = changes.more;
  }
  position = from;
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::string>> CostOverlay::BudgetTexts() {
  std::map<std::string, std::string> texts;
  std::vector<costs::Budget> budgets;
  for (const costs::Budget& budget : policy_.budgets) {
    if (budget.dimension == costs::Dimension::kEntity) budgets.push_back(budget);
  }
  PURSER_ASSIGN_OR_RETURN(const auto days, costs_.DataDays());
  if (budgets.empty() || !days.has_value()) return texts;
  PURSER_ASSIGN_OR_RETURN(const std::vector<costs::BudgetState> states,
                          costs::BudgetStates(costs_, budgets, days->second));
  for (const costs::BudgetState& state : states) {
    std::string& text = texts[state.budget.of];
    absl::StrAppend(&text, text.empty() ? "" : ", ", state.budget.name, ": ",
                    !state.problem.empty()      ? "not known"
                    : state.crossed.has_value() ? absl::StrCat(*state.crossed, " % reached")
                                                : "below");
  }
  return texts;
}

absl::StatusOr<std::string> CostOverlay::MonthText(const std::string& ref,
                                                   const std::optional<absl::CivilDay>& last) {
  if (!last.has_value()) return std::string();
  // The month of the last day is complete on its own last day.
  const absl::CivilMonth month = absl::CivilMonth(*last + 1) - 1;
  costs::QueryRequest request;
  request.from = absl::CivilDay(month);
  request.to = absl::CivilDay(month + 1) - 1;
  request.filters = {{costs::Dimension::kEntity, {ref}}};
  PURSER_ASSIGN_OR_RETURN(const std::vector<costs::CostRow> rows, costs_.Sums(request));
  if (rows.empty()) return std::string();
  std::vector<std::string> amounts;
  for (const costs::CostRow& row : rows) {
    amounts.push_back(absl::StrCat(row.billed.ToString(), " ", row.currency));
  }
  return absl::StrCat(absl::FormatCivilTime(month), ": ", absl::StrJoin(amounts, ", "));
}

bool CostOverlay::IsWorthWriting(const std::string& ref, const costs::EntityCostSummary& summary,
                                 const std::string& rest) {
  Written now;
  now.rest = rest;
  for (const costs::EntityCosts& costs : summary.costs) now.billed[costs.currency] = costs.billed;
  const auto before = written_.find(ref);
  bool worth = before == written_.end() || before->second.rest != rest ||
               before->second.billed.size() != now.billed.size();
  for (const auto& [currency, billed] : now.billed) {
    if (worth) break;
    const auto old = before->second.billed.find(currency);
    base::Decimal change, hundredfold, limit;
    worth =
        old == before->second.billed.end() ||
        !base::Decimal::Subtract(billed, old->second, &change) ||
        !base::Decimal::Multiply(change, base::Decimal::FromInteger(100), &hundredfold) ||
        !base::Decimal::Multiply(old->second, base::Decimal::FromInteger(kWorthPercent), &limit) ||
        (hundredfold.IsNegative() ? -hundredfold : hundredfold) >
            (limit.IsNegative() ? -limit : limit);
  }
  if (worth) written_[ref] = std::move(now);
  return worth;
}

absl::Status CostOverlay::Write(const std::vector<std::string>& refs,
                                const std::map<std::string, std::string>& budgets) {
  std::vector<std::pair<std::string, nlohmann::json>> overlays;
  for (const std::string& ref : refs) {
    costs::EntitySummaryRequest request;
    request.entity_ref = ref;
    request.days = kDays;
    PURSER_ASSIGN_OR_RETURN(const costs::EntityCostSummary summary, costs_.EntitySummary(request));
    PURSER_ASSIGN_OR_RETURN(const std::string month, MonthText(ref, summary.to));
    const auto budget = budgets.find(ref);
    const std::string state = budget == budgets.end() ? "" : budget->second;
    if (!IsWorthWriting(ref, summary, absl::StrCat(month, "\n", state))) continue;
    overlays.emplace_back(ref, CostOverlayOf(summary, month, state));
  }
  if (overlays.empty()) return absl::OkStatus();
  const absl::Status stored =
      database_.Transact([&](store::Connection& connection) -> absl::Status {
        for (const auto& [ref, overlay] : overlays) {
          PURSER_RETURN_IF_ERROR(inventory_.PutOverlay(connection, ref, "costs", overlay));
        }
        return absl::OkStatus();
      });
  if (!stored.ok()) {
    for (const auto& [ref, overlay] : overlays) written_.erase(ref);
    return stored;
  }
  inventory_.Committed();
  return absl::OkStatus();
}

}  // namespace purser::sidecar
