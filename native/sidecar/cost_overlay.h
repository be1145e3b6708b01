// Keeps the cost of the last 30 days on the catalog entities of the inventory.
//
// The domains do not know each other: provisioning owns the entities, costs the sums. This part of
// the composition root carries results over: after an ingest, and when provisioning recorded
// resources, it allocates anew and writes overlays.
#ifndef PURSER_SIDECAR_COST_OVERLAY_H_
#define PURSER_SIDECAR_COST_OVERLAY_H_

#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "costs/service.h"
#include "inventory/inventory.h"
#include "store/store.h"

namespace purser::sidecar {

inline constexpr char kCostAnnotation[] = "purser.dev/cost-30d";
inline constexpr char kCostUntilAnnotation[] = "purser.dev/cost-30d-until";

// What stands on the entity: annotations "<exact billed cost> <currency>" (several joined by ", ")
// and the last day counted, and a link whose title shows the rounded cost. {} without costs.
nlohmann::json CostOverlayOf(const costs::EntityCostSummary& summary);

// One thread; start once. All arguments must outlive it.
class CostOverlay {
 public:
  CostOverlay(costs::CostService& costs, inventory::Inventory& inventory,
              store::Database& database);
  ~CostOverlay();
  // Something was ingested: every entity is looked at again.
  void Ingested();

 private:
  void Loop(std::stop_token stop);
  // Does nothing unless the inventory moved on or something was ingested.
  absl::Status Update(std::string& position);
  absl::Status Rewrite(bool all, std::string& position);
  absl::Status Write(const std::vector<std::string>& refs);

  costs::CostService& costs_;
  inventory::Inventory& inventory_;
  store::Database& database_;
  base::Mutex mutex_;
  bool ingested_ ABSL_GUARDED_BY(mutex_) = true;
  std::jthread thread_;
};

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_COST_OVERLAY_H_
