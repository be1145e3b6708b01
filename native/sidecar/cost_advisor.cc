#include "sidecar/cost_advisor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/budgets.h"

namespace purser::sidecar {
namespace {

bool Pays(const costs::Budget& budget, const provisioning::BudgetQuestion& question) {
  switch (budget.dimension) {
    case costs::Dimension::kEntity:
      return budget.of == question.entity_ref;
    case costs::Dimension::kOwner:
    case costs::Dimension::kGroup:
      return budget.of == question.owner;
    case costs::Dimension::kProduct:
      return budget.of == question.product;
    case costs::Dimension::kEnvironment:
      return budget.of == question.environment;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::optional<provisioning::Quote>> CostAdvisor::QuoteOf(
    absl::string_view product, const nlohmann::json& parameters) {
  if (!policy_.prices.Has(product)) return std::optional<provisioning::Quote>();
  PURSER_ASSIGN_OR_RETURN(const costs::Estimate estimate,
                          policy_.prices.Quote(product, parameters));
  provisioning::Quote quote;
  quote.currency = estimate.currency;
  quote.monthly = estimate.monthly;
  for (const costs::EstimateLine& line : estimate.lines) {
    quote.lines.push_back({line.what, line.monthly});
  }
  return std::optional<provisioning::Quote>(std::move(quote));
}

absl::StatusOr<std::vector<provisioning::BudgetLine>> CostAdvisor::BudgetsOf(
    const provisioning::BudgetQuestion& question) {
  if (costs_ == nullptr) return absl::UnavailableError("costs are not open yet");
  std::vector<costs::Budget> budgets;
  std::copy_if(policy_.budgets.begin(), policy_.budgets.end(), std::back_inserter(budgets),
               [&](const costs::Budget& budget) { return Pays(budget, question); });
  if (budgets.empty()) return std::vector<provisioning::BudgetLine>();
  PURSER_ASSIGN_OR_RETURN(const auto days, costs_->DataDays());
  const absl::CivilDay today =
      days.has_value() ? days->second : absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone());
  PURSER_ASSIGN_OR_RETURN(const std::vector<costs::BudgetState> states,
                          costs::BudgetStates(*costs_, budgets, today));
  std::vector<provisioning::BudgetLine> lines;
  for (const costs::BudgetState& state : states) {
    if (!state.problem.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("budget ", state.budget.name, ": ", state.problem));
    }
    lines.push_back({state.budget.name, state.budget.currency, state.budget.amount,
                     std::max(state.spent, state.forecast.value_or(state.spent))});
  }
  return lines;
}

}  // namespace purser::sidecar
