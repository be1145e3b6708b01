// What may be set for every instance of every provider, beside the provider's own config.
#ifndef PURSER_PROVIDER_SOURCE_OPTIONS_H_
#define PURSER_PROVIDER_SOURCE_OPTIONS_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "catalog/delta.h"
#include "catalog/entity.h"
#include "nlohmann/json.hpp"
#include "provider/provider.h"

namespace purser::provider {

inline constexpr absl::Duration kMinRefreshEvery = absl::Seconds(1);
inline constexpr absl::Duration kMaxRefreshEvery = absl::Hours(24 * 7);

struct SourceOptions {
  catalog::GuardOptions guard;
  absl::flat_hash_set<std::string> kinds;       // lower case; empty: any
  absl::flat_hash_set<std::string> namespaces;  // lower case; empty: any
  absl::Duration refresh_every;
  int64_t priority = 0;  // of several sources that tell of one entity the highest shows it
  nlohmann::json source = nlohmann::json::object();  // what they were read from

  // Why an entity may not come from this instance; "" when it may.
  std::string Refusal(const catalog::EntityRef& ref) const;
};

// The JSON Schema of the options object.
const nlohmann::json& SourceOptionsSchema();

// `options`: {"guard": {"maxRemovedFraction", "minRemoved", "allowEmpty"}, "allowedKinds": […],
// "allowedNamespaces": […], "refreshEvery": seconds, "priority"}; all optional. INVALID_ARGUMENT
// lists all problems.
absl::StatusOr<SourceOptions> ReadSourceOptions(const nlohmann::json& options,
                                                const Description& description);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_OPTIONS_H_
