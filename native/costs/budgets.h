// Budgets: what may be spent by an entity, a group, a product or an environment in a month, quarter
// or year, and when somebody is told.
//
//   budgets:
//     - name: web-2026
//       group: group:default/web       # or entity, owner, system, domain, product, environment
//       amount: 12000
//       currency: EUR                  # other currencies are converted when there are rates
//       period: year                   # month, quarter, year; calendar periods, UTC
//       measure: effective             # billed by default
//       thresholds: [50, 80, 100]      # percent; 80 and 100 by default
//       forecast: true                 # tell as well when the forecast crosses 100 %
#ifndef PURSER_COSTS_BUDGETS_H_
#define PURSER_COSTS_BUDGETS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "base/decimal.h"
#include "costs/service.h"

namespace purser::costs {

inline constexpr size_t kMaxBudgets = 50'000;
inline constexpr size_t kMaxThresholds = 20;

enum class BudgetPeriod { kMonth, kQuarter, kYear };

struct Budget {
  std::string name;  // unique
  Dimension dimension = Dimension::kEntity;
  std::string of;  // the entity, group, product …
  base::Decimal amount;
  std::string currency;
  BudgetPeriod period = BudgetPeriod::kMonth;
  Measure measure = Measure::kBilled;
  std::vector<int> thresholds = {80, 100};  // percent of amount, ascending
  bool forecast = true;
};

// All problems at once, each "file:line:column: …". An amount of 0 is a budget: anything spent is
// beyond it.
absl::StatusOr<std::vector<Budget>> ParseBudgets(absl::string_view yaml, absl::string_view file);

// First and last day of the period that `day` lies in.
std::pair<absl::CivilDay, absl::CivilDay> PeriodOf(BudgetPeriod period, absl::CivilDay day);
absl::string_view BudgetPeriodName(BudgetPeriod period);

struct BudgetState {
  Budget budget;
  absl::CivilDay from;  // the period
  absl::CivilDay to;
  base::Decimal spent;          // in the budget's currency
  base::Decimal spent_percent;  // two digits; of an amount of 0: 100 for nothing spent, else 999999
  // At the period's end: what is spent and the forecast of the days without data. Not set when
  // there is too little history.
  std::optional<base::Decimal> forecast;
  std::string forecast_method;
  std::string owner;  // who is told: the entity's or system's owner, the group itself; "" unknown
  std::optional<int> crossed;  // the highest threshold reached
  // Why it is not known what is spent: there is no exchange rate, the sum does not fit. Then
  // nothing of the above but the period and the owner is set.
  std::string problem;
};

// The states of budgets on `as_of`. One that has a problem does not keep the others from being
// known.
absl::StatusOr<std::vector<BudgetState>> BudgetStates(CostService& costs,
                                                      const std::vector<Budget>& budgets,
                                                      absl::CivilDay as_of);

}  // namespace purser::costs

#endif  // PURSER_COSTS_BUDGETS_H_
