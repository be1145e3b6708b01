// One entry of costs.sources: its schema, and the source it describes.
#ifndef PURSER_COSTS_SOURCES_SOURCE_CONFIG_H_
#define PURSER_COSTS_SOURCES_SOURCE_CONFIG_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "costs/sources/bill_sources.h"

namespace purser::costs {

struct ConfiguredSource {
  std::unique_ptr<BillSource> source;
  std::string type;
  absl::Duration interval;
};

// What can be told of an entry of costs.sources without opening it; gives its type.
// INVALID_ARGUMENT names the place.
absl::StatusOr<std::string> CheckSource(const std::string& name, const nlohmann::json& config);

// Secrets are resolved here, once. INVALID_ARGUMENT names "costs.sources.<name>" and the member.
absl::StatusOr<ConfiguredSource> OpenSource(const std::string& name, const nlohmann::json& config,
                                            const SourceDeps& deps);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_SOURCE_CONFIG_H_
