#include "sidecar/cost_files.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"

namespace purser::sidecar {
namespace {

constexpr int64_t kMaxCostFileBytes = 256 << 20;

}  // namespace

absl::StatusOr<CostFiles> LoadCostFiles(const Config& config) {
  CostFiles files;
  files.allocation = costs::Allocation::Default();
  if (!config.allocation_file.empty()) {
    PURSER_ASSIGN_OR_RETURN(files.allocation, costs::Allocation::Load(config.allocation_file));
  }
  base::Hasher texts(base::HashKind::kSha256);
  const auto read = [&](const std::string& path) {
    absl::StatusOr<std::string> text = base::ReadFile(path, kMaxCostFileBytes);
    if (text.ok()) texts.Update(absl::StrCat(text->size(), "\n", *text));
    return text;
  };
  if (!config.cost_entities_file.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, read(config.cost_entities_file));
    PURSER_ASSIGN_OR_RETURN(files.graph,
                            costs::EntityGraph::Parse(text, config.cost_entities_file));
    files.policy.has_relations = true;
  }
  if (!config.cost_rates_file.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, read(config.cost_rates_file));
    PURSER_ASSIGN_OR_RETURN(files.rates, costs::Rates::Parse(text, config.cost_rates_file));
  }
  if (!config.cost_budgets_file.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, read(config.cost_budgets_file));
    PURSER_ASSIGN_OR_RETURN(files.policy.budgets,
                            costs::ParseBudgets(text, config.cost_budgets_file));
  }
  if (!config.cost_suppress_file.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, read(config.cost_suppress_file));
    PURSER_ASSIGN_OR_RETURN(files.policy.suppressions,
                            costs::ParseSuppressions(text, config.cost_suppress_file));
  }
  if (!config.cost_prices_file.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, read(config.cost_prices_file));
    PURSER_ASSIGN_OR_RETURN(files.policy.prices,
                            costs::PriceBook::Parse(text, config.cost_prices_file));
  }
  if (!config.cost_metrics_file.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, read(config.cost_metrics_file));
    PURSER_ASSIGN_OR_RETURN(files.metrics, costs::ParseMetrics(text, config.cost_metrics_file));
    files.has_metrics = true;
  }
  files.fingerprint = base::ToHex(texts.Finish());
  return files;
}

}  // namespace purser::sidecar
