// Keeps the cost of the last 30 days on the catalog entities of the inventory.
//
// The domains do not know each other: provisioning owns the entities, costs the sums. This part of
// the composition root carries results over: after an ingest, and when provisioning recorded
// resources, it allocates anew and writes overlays; then it looks whether budgets or anomalies are
// to be told.
#ifndef PURSER_SIDECAR_COST_OVERLAY_H_
#define PURSER_SIDECAR_COST_OVERLAY_H_

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "costs/service.h"
#include "costs/watch.h"
#include "inventory/inventory.h"
#include "store/store.h"

namespace purser::sidecar {

inline constexpr char kCostAnnotation[] = "purser.dev/cost-30d";
inline constexpr char kCostUntilAnnotation[] = "purser.dev/cost-30d-until";
// "2026-10: 123.45 USD": the last complete month, which changes once a month.
inline constexpr char kCostMonthAnnotation[] = "purser.dev/cost-month";
// "web-2026: 80 % reached": the highest threshold reached of each budget of the entity.
inline constexpr char kBudgetAnnotation[] = "purser.dev/budgets";
// The last 30 days' cost is written again when it changed by more than this part, or when something
// else changes: not every day is a change of every entity.
inline constexpr int kWorthPercent = 5;

// What stands on the entity: annotations "<exact billed cost> <currency>" (several joined by ", ")
// and the last day counted, the last complete month and the state of budgets (texts, "" for none),
// and a link whose title shows the rounded cost. {} without costs.
nlohmann::json CostOverlayOf(const costs::EntityCostSummary& summary, const std::string& month,
                             const std::string& budgets);

// Whether the overlay differs enough from what stands on the entity, as it is shown.
bool IsWorthWriting(const nlohmann::json& entity, const nlohmann::json& overlay);

// One thread; start once. All arguments must outlive it.
class CostOverlay {
 public:
  CostOverlay(costs::CostService& costs, const costs::CostPolicy& policy,
              inventory::Inventory& inventory, store::Database& database);
  ~CostOverlay();
  // Something was ingested: every entity is looked at again.
  void Ingested();

 private:
  void Loop(std::stop_token stop);
  // Does nothing unless the inventory moved on or something was ingested.
  absl::Status Update(std::string& position);
  absl::Status Rewrite(bool all, std::string& position);
  absl::Status Write(const std::vector<nlohmann::json>& entities,
                     const std::map<std::string, std::string>& budgets);
  // By entity, the state of its budgets.
  absl::StatusOr<std::map<std::string, std::string>> BudgetTexts();
  // "" when the data has no complete month.
  absl::StatusOr<std::string> MonthText(const std::string& ref,
                                        const std::optional<absl::CivilDay>& last);

  costs::CostService& costs_;
  const costs::CostPolicy& policy_;
  inventory::Inventory& inventory_;
  store::Database& database_;
  base::Mutex mutex_;
  bool ingested_ ABSL_GUARDED_BY(mutex_) = true;
  std::jthread thread_;
};

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_COST_OVERLAY_H_
