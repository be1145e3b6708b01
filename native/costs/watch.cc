#include "costs/watch.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/rollups.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr char kBudget[] = "budget";
constexpr char kBudgetForecast[] = "budget-forecast";
constexpr char kAnomaly[] = "anomaly";
// Something that is this many days apart is not the same going on.
constexpr int kGoesOnDays = 7;
// What goes on is told again when it has grown by this.
constexpr int kGrowth = 2;

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

// The detail of a recorded alert; an empty object when there is none.
absl::StatusOr<nlohmann::json> RecordedDetail(CostService& costs, const std::string& kind,
                                              const std::string& subject,
                                              const std::string& scope) {
  PURSER_ASSIGN_OR_RETURN(const std::optional<CostAlert> alert,
                          costs.FindAlert(kind, subject, scope));
  if (!alert.has_value()) return nlohmann::json::object();
  return json::Parse(alert->detail);
}

// Whether it is new. With another amount a threshold is another one: it is told under a scope of
// its own.
absl::StatusOr<bool> RecordBudget(CostService& costs, const char* kind, std::string scope,
                                  const nlohmann::json& detail) {
  const std::string subject = detail["budget"];
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json recorded,
                          RecordedDetail(costs, kind, subject, scope));
  if (!recorded.empty()) {
    const auto is_same = [&](const char* name) {
      return recorded.value(name, nlohmann::json()) == detail[name];
    };
    if (is_same("amount") && is_same("currency") && is_same("of")) return false;
    absl::StrAppend(&scope, " of ", detail["amount"].get<std::string>(), " ",
                    detail["currency"].get<std::string>());
  }
  return costs.RecordAlert(
      {.kind = kind, .subject = subject, .scope = std::move(scope), .detail = json::Dump(detail)});
}

absl::StatusOr<int> TellBudget(CostService& costs, const BudgetState& state, bool is_over) {
  int told = 0;
  nlohmann::json detail = DetailOf(state);
  const std::string period = DayText(state.from);
  for (const int threshold : state.budget.thresholds) {
    if (!state.crossed.has_value() || threshold > *state.crossed) continue;
    detail["threshold"] = threshold;
    detail["superseded"] = threshold < *state.crossed;
    PURSER_ASSIGN_OR_RETURN(
        const bool first,
        RecordBudget(costs, kBudget, absl::StrCat(period, " ", threshold), detail));
    told += first && threshold == *state.crossed ? 1 : 0;
  }
  if (is_over || !state.budget.forecast || !state.forecast.has_value() ||
      state.spent >= state.budget.amount || *state.forecast < state.budget.amount) {
    return told;
  }
  detail.erase("threshold");
  detail.erase("superseded");
  PURSER_ASSIGN_OR_RETURN(const bool first, RecordBudget(costs, kBudgetForecast, period, detail));
  return told + (first ? 1 : 0);
}

// The budgets' states in the period of the last day, and before them those of the period before
// while bills of it still come in.
absl::StatusOr<int> TellBudgets(CostService& costs, const std::vector<Budget>& budgets,
                                absl::CivilDay last, std::vector<std::string>* problems) {
  std::vector<BudgetState> states;
  for (const BudgetPeriod period :
       {BudgetPeriod::kMonth, BudgetPeriod::kQuarter, BudgetPeriod::kYear}) {
    std::vector<Budget> of_period;
    std::copy_if(budgets.begin(), budgets.end(), std::back_inserter(of_period),
                 [&](const Budget& budget) { return budget.period == period; });
    const absl::CivilDay before = PeriodOf(period, last).first - 1;
    if (last - before > kLateDays || of_period.empty()) continue;
    PURSER_ASSIGN_OR_RETURN(std::vector<BudgetState> late, BudgetStates(costs, of_period, before));
    std::move(late.begin(), late.end(), std::back_inserter(states));
  }
  PURSER_ASSIGN_OR_RETURN(std::vector<BudgetState> current, BudgetStates(costs, budgets, last));
  std::move(current.begin(), current.end(), std::back_inserter(states));
  int told = 0;
  for (const BudgetState& state : states) {
    if (!state.problem.empty()) {
      if (problems != nullptr) {
        problems->push_back(absl::StrCat("budget ", state.budget.name, " of ", DayText(state.from),
                                         ": ", state.problem));
      }
      continue;
    }
    PURSER_ASSIGN_OR_RETURN(const int more, TellBudget(costs, state, state.to < last));
    told += more;
  }
  return told;
}

nlohmann::json DetailOf(const Anomaly& anomaly) {
  return {{"dimension", std::string(DimensionName(anomaly.dimension))},
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
}

double NumberAt(const nlohmann::json& detail, const char* name) {
  const absl::StatusOr<base::Decimal> number = base::Decimal::Parse(detail.value(name, ""));
  return number.ok() ? number->ToDouble() : 0;
}

// By how much it differed when it was last told, if a day shortly before differed for the same
// cause and this one is no news; nothing otherwise.
absl::StatusOr<std::optional<std::string>> ToldDifference(CostService& costs,
                                                          const Anomaly& anomaly,
                                                          const nlohmann::json& detail) {
  for (int ago = 1; ago <= kGoesOnDays; ++ago) {
    const absl::CivilDay day = anomaly.day - ago;
    PURSER_ASSIGN_OR_RETURN(const nlohmann::json before,
                            RecordedDetail(costs, kAnomaly, AnomalyId(anomaly, day), DayText(day)));
    // Of one service now this SKU, now that one may differ most.
    if (before.empty() || before.value("service", nlohmann::json()) != anomaly.service) continue;
    const std::string told = before.value("toldDifference", before.value("difference", ""));
    const double then = NumberAt({{"told", told}}, "told"), now = NumberAt(detail, "difference");
    if (then * now <= 0 || std::fabs(now) >= kGrowth * std::fabs(then)) return std::nullopt;
    return told;
  }
  return std::nullopt;
}

absl::StatusOr<int> TellAnomaly(CostService& costs, const Anomaly& anomaly) {
  const std::string day = DayText(anomaly.day);
  PURSER_ASSIGN_OR_RETURN(const std::optional<CostAlert> recorded,
                          costs.FindAlert(kAnomaly, anomaly.id, day));
  if (recorded.has_value()) return 0;
  nlohmann::json detail = DetailOf(anomaly);
  PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> told,
                          ToldDifference(costs, anomaly, detail));
  detail["superseded"] = told.has_value();
  if (told.has_value()) detail["toldDifference"] = *told;
  PURSER_ASSIGN_OR_RETURN(
      const bool first,
      costs.RecordAlert(
          {.kind = kAnomaly, .subject = anomaly.id, .scope = day, .detail = json::Dump(detail)}));
  return first && !told.has_value() ? 1 : 0;
}

}  // namespace

absl::StatusOr<int> LookAtCosts(CostService& costs, const CostPolicy& policy,
                                std::vector<std::string>* problems) {
  PURSER_ASSIGN_OR_RETURN(const auto days, costs.DataDays());
  if (!days.has_value()) return 0;
  PURSER_ASSIGN_OR_RETURN(int told, TellBudgets(costs, policy.budgets, days->second, problems));
  PURSER_ASSIGN_OR_RETURN(const std::vector<Anomaly> anomalies,
                          FindAnomalies(costs, days->second - (kWatchedDays - 1), days->second,
                                        policy.anomalies, policy.suppressions));
  for (const Anomaly& anomaly : anomalies) {
    PURSER_ASSIGN_OR_RETURN(const int more, TellAnomaly(costs, anomaly));
    told += more;
  }
  return told;
}

}  // namespace purser::costs
