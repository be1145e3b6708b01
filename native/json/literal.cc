#include "json/literal.h"

#include <cassert>
#include <utility>

#include "json/json.h"

namespace purser::json {

nlohmann::json Literal(absl::string_view text) {
  absl::StatusOr<nlohmann::json> value = Parse(text);
  assert(value.ok());
  return *std::move(value);
}

}  // namespace purser::json
