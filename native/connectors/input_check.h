// Checks of a connector's config, and of a step's `with` against its operation's schema.
#ifndef PURSER_CONNECTORS_INPUT_CHECK_H_
#define PURSER_CONNECTORS_INPUT_CHECK_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "connectors/connector.h"
#include "json/json.h"

namespace purser::connectors {

// Callers have checked already; a connector checks again, because what it reads without looking at
// its type would throw. Immutable, thread-safe.
class InputCheck {
 public:
  // A schema that cannot be one is a programming error and asserts.
  explicit InputCheck(const std::vector<Operation>& operations);
  // The input with defaults filled in; INVALID_ARGUMENT lists every violation, NOT_FOUND an unknown
  // operation.
  absl::StatusOr<nlohmann::json> Check(absl::string_view connector, absl::string_view operation,
                                       const nlohmann::json& input) const;

 private:
  std::map<std::string, json::Schema, std::less<>> schemas_;
};

// A connector's config with defaults filled in; INVALID_ARGUMENT lists every violation.
absl::StatusOr<nlohmann::json> CheckConfig(absl::string_view connector,
                                           const nlohmann::json& schema,
                                           const nlohmann::json& config);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_INPUT_CHECK_H_
