// Answers provisioning's questions about costs from the costs domain: the two do not know each
// other.
#ifndef PURSER_SIDECAR_COST_ADVISOR_H_
#define PURSER_SIDECAR_COST_ADVISOR_H_

#include <functional>

#include "base/clock.h"
#include "costs/service.h"
#include "costs/watch.h"
#include "provisioning/cost_advisor.h"

namespace purser::sidecar {

// Thread-safe. Asked before `costs` is open it is UNAVAILABLE.
class CostAdvisor final : public provisioning::CostAdvisor {
 public:
  // All must outlive it.
  CostAdvisor(const std::unique_ptr<costs::CostService>& costs, const costs::CostPolicy& policy,
              base::Clock& clock)
      : costs_(costs), policy_(policy), clock_(clock) {}

  absl::StatusOr<std::optional<provisioning::Quote>> QuoteOf(
      absl::string_view product, const nlohmann::json& parameters) override;
  absl::StatusOr<std::vector<provisioning::BudgetLine>> BudgetsOf(
      const provisioning::BudgetQuestion& question) override;

 private:
  const std::unique_ptr<costs::CostService>& costs_;
  const costs::CostPolicy& policy_;
  base::Clock& clock_;
};

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_COST_ADVISOR_H_
