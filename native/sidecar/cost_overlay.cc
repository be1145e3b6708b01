#include "sidecar/cost_overlay.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
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

std::string AnnotationOf(const nlohmann::json& annotations, const char* name) {
  const auto found = annotations.find(name);
  return found == annotations.end() || !found->is_string() ? "" : found->get<std::string>();
}

// By currency, of "123.45 USD, 6 EUR".
std::map<std::string, base::Decimal> AmountsOf(const std::string& text) {
  std::map<std::string, base::Decimal> amounts;
  for (const absl::string_view part : absl::StrSplit(text, ", ", absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> one = absl::StrSplit(part, ' ');
    const absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(one.first);
    if (amount.ok()) amounts[std::string(one.second)] = *amount;
  }
  return amounts;
}

// |now - before| > kWorthPercent % of |before|.
bool DiffersMuch(base::Decimal before, base::Decimal now) {
  base::Decimal change, hundredfold, limit;
  return !base::Decimal::Subtract(now, before, &change) ||
         !base::Decimal::Multiply(change, base::Decimal::FromInteger(100), &hundredfold) ||
         !base::Decimal::Multiply(before, base::Decimal::FromInteger(kWorthPercent), &limit) ||
         (hundredfold.IsNegative() ? -hundredfold : hundredfold) >
             (limit.IsNegative() ? -limit : limit);
}

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

bool IsWorthWriting(const nlohmann::json& entity, const nlohmann::json& overlay) {
  const nlohmann::json empty = nlohmann::json::object();
  const nlohmann::json before = entity.value("metadata", empty).value("annotations", empty);
  const nlohmann::json now = overlay.value("annotations", empty);
  for (const char* const name : {kCostMonthAnnotation, kBudgetAnnotation}) {
    if (AnnotationOf(before, name) != AnnotationOf(now, name)) return true;
  }
  const auto old_amounts = AmountsOf(AnnotationOf(before, kCostAnnotation));
  const auto amounts = AmountsOf(AnnotationOf(now, kCostAnnotation));
  return old_amounts.size() != amounts.size() ||
         std::any_of(amounts.begin(), amounts.end(), [&](const auto& amount) {
           const auto old = old_amounts.find(amount.first);
           return old == old_amounts.end() || DiffersMuch(old->second, amount.second);
         });
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
    std::vector<nlohmann::json> entities;
    for (const std::string& text : changes.upserts) {
      PURSER_ASSIGN_OR_RETURN(entities.emplace_back(), json::Parse(text));
    }
    PURSER_RETURN_IF_ERROR(Write(entities, budgets));
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

absl::Status CostOverlay::Write(const std::vector<nlohmann::json>& entities,
                                const std::map<std::string, std::string>& budgets) {
  std::vector<std::pair<std::string, nlohmann::json>> overlays;
  for (const nlohmann::json& entity : entities) {
    costs::EntitySummaryRequest request;
    request.entity_ref = catalog::RefOf(entity).ToString();
    request.days = kDays;
    PURSER_ASSIGN_OR_RETURN(const costs::EntityCostSummary summary, costs_.EntitySummary(request));
    PURSER_ASSIGN_OR_RETURN(const std::string month, MonthText(request.entity_ref, summary.to));
    const auto budget = budgets.find(request.entity_ref);
    nlohmann::json overlay =
        CostOverlayOf(summary, month, budget == budgets.end() ? "" : budget->second);
    if (!IsWorthWriting(entity, overlay)) continue;
    overlays.emplace_back(request.entity_ref, std::move(overlay));
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
