// Looks whether somebody must be told: budgets whose thresholds are crossed, anomalies. Each is
// told once, also over restarts: what was told is recorded in the store.
#ifndef PURSER_COSTS_WATCH_H_
#define PURSER_COSTS_WATCH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/anomalies.h"
#include "costs/budgets.h"
#include "costs/price_book.h"
#include "costs/service.h"

namespace purser::costs {

// What an operator's files say beside the allocation.
struct CostPolicy {
  std::vector<Budget> budgets;
  AnomalyOptions anomalies;
  std::vector<Suppression> suppressions;
  PriceBook prices;
  // A file says what costs roll up along: nobody else does.
  bool has_relations = false;
};

// Anomalies are looked for in the last days with data: what comes late is seen all the same.
inline constexpr int kWatchedDays = 7;

// Clouds deliver and correct a month for some two weeks after its end.
inline constexpr int kLateDays = 14;

// Looks at the budgets of the period of the data's last day, and of the period before it for
// kLateDays; and for anomalies of the last days (of entities). Returns how many alerts are new.
// Alerts have the kinds
//   "budget"           a threshold was reached; `scope` is "<period's first day> <percent>", and
//                      " of <amount> <currency>" behind it when the file named another amount or
//                      subject before. When several are reached at once, the lower ones are
//                      recorded with "superseded": true in their detail;
//   "budget-forecast"  what is spent is below the amount, what is expected by the end is not;
//   "anomaly"          `scope` is the day. What goes on as it was told for the same service in the
//                      seven days before is recorded with "superseded": true, until it has doubled.
// Who is to be told is not told of what is superseded. The detail is JSON with owner, amounts as
// decimal texts and what else there is to say.
//
// `problems`, when given, gets why budgets cannot be judged: these are not told.
absl::StatusOr<int> LookAtCosts(CostService& costs, const CostPolicy& policy,
                                std::vector<std::string>* problems = nullptr);

}  // namespace purser::costs

#endif  // PURSER_COSTS_WATCH_H_
