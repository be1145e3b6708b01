// The files of purserd's `costs` block, read and checked.
#ifndef PURSER_SIDECAR_COST_FILES_H_
#define PURSER_SIDECAR_COST_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/service.h"
#include "costs/watch.h"
#include "sidecar/config.h"

namespace purser::sidecar {

struct CostFiles {
  std::shared_ptr<const costs::Allocation> allocation;
  std::shared_ptr<const costs::EntityGraph> graph;  // null when no file is named
  std::shared_ptr<const costs::Rates> rates;        // null when no file is named
  costs::CostPolicy policy;
  bool has_metrics = false;
  std::vector<costs::MetricValue> metrics;
  std::string fingerprint;  // of all texts but the rules, which the service looks at itself
};

// INVALID_ARGUMENT names file and place.
absl::StatusOr<CostFiles> LoadCostFiles(const Config& config);

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_COST_FILES_H_
