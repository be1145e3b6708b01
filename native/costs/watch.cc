#include "costs/watch.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/rollups.h"
#include "json/json.h"

namespace purser::costs {
namespace {

nlohmann::json DetailOf(const BudgetState& state) {
  nlohmann::json detail = {{"budget", state.budget.name},
                           {"dimension", std::string(DimensionName(state.budget.dimension))},
                           {"of", state.budget.of},
                           {"owner", state.owner},
                           {"amount", state.budget.amount.ToString()},
                           {"currency", state.budget.currency},
                           {"spent", state.spent.ToString()},
                           {"spentPercent", state.spent_percent.ToString()},
                           {"from", DayText(state.from)},
                           {"to", DayText(state.to)}};
  if (state.forecast.has_value()) {
    detail["forecast"] = state.forecast->ToString();
    detail["forecastMethod"] = state.forecast_method;
  }
  return detail;
}

absl::StatusOr<int> TellBudget(CostService& costs, const BudgetState& state) {
  int told = 0;
  nlohmann::json detail = DetailOf(state);
  const std::string period = DayText(state.from);
  for (const int threshold : state.budget.thresholds) {
    if (!state.crossed.has_value() || threshold > *state.crossed) continue;
    detail["threshold"] = threshold;
    detail["superseded"] = threshold < *state.crossed;
    PURSER_ASSIGN_OR_RETURN(const bool first,
                            costs.RecordAlert({.kind = "budget",
                                               .subject = state.budget.name,
                                               .scope = absl::StrCat(period, " ", threshold),
                                               .detail = json::Dump(detail)}));
    told += first && threshold == *state.crossed ? 1 : 0;
  }
  if (!state.budget.forecast || !state.forecast.has_value() || state.spent >= state.budget.amount ||
      *state.forecast < state.budget.amount) {
    return told;
  }
  detail.erase("threshold");
  detail.erase("superseded");
  PURSER_ASSIGN_OR_RETURN(const bool first, costs.RecordAlert({.kind = "budget-forecast",
                                                               .subject = state.budget.name,
                                                               .scope = period,
                                                               .detail = json::Dump(detail)}));
  return told + (first ? 1 : 0);
}

}  // namespace

absl::StatusOr<int> LookAtCosts(CostService& costs, const CostPolicy& policy) {
  PURSER_ASSIGN_OR_RETURN(const auto days, costs.DataDays());
  if (!days.has_value()) return 0;
  int told = 0;
  PURSER_ASSIGN_OR_RETURN(const std::vector<BudgetState> states,
                          BudgetStates(costs, policy.budgets, days->second));
  for (const BudgetState& state : states) {
    PURSER_ASSIGN_OR_RETURN(const int more, TellBudget(costs, state));
    told += more;
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<Anomaly> anomalies,
                          FindAnomalies(costs, days->second - (kWatchedDays - 1), days->second,
                                        policy.anomalies, policy.suppressions));
  for (const Anomaly& anomaly : anomalies) {
    const nlohmann::json detail = {{"dimension", std::string(DimensionName(anomaly.dimension))},
                                   {"of", anomaly.of},
                                   {"owner", anomaly.owner},
                                   {"day", DayText(anomaly.day)},
                                   {"currency", anomaly.currency},
                                   {"cost", anomaly.cost.ToString()},
                                   {"expected", anomaly.expected.ToString()},
                                   {"difference", anomaly.difference.ToString()},
                                   {"service", anomaly.service},
                                   {"sku", anomaly.sku},
                                   {"region", anomaly.region},
                                   {"causeDifference", anomaly.cause_difference.ToString()}};
    PURSER_ASSIGN_OR_RETURN(const bool first, costs.RecordAlert({.kind = "anomaly",
                                                                 .subject = anomaly.id,
                                                                 .scope = DayText(anomaly.day),
                                                                 .detail = json::Dump(detail)}));
    told += first ? 1 : 0;
  }
  return told;
}

}  // namespace purser::costs
