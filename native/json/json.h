// JSON text to values and back, with limits and without exceptions.
#ifndef PURSER_JSON_JSON_H_
#define PURSER_JSON_JSON_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace purser::json {

struct Limits {
  int64_t max_bytes = 64 << 20;
  int max_depth = 200;
  int64_t max_values = 10'000'000;
};

// INVALID_ARGUMENT with line:column of the fault; RESOURCE_EXHAUSTED names the limit. Duplicate
// keys and invalid UTF-8 are refused.
absl::StatusOr<nlohmann::json> Parse(absl::string_view text, const Limits& limits = {});

// Compact, keys in the object's order (sorted for nlohmann::json); invalid UTF-8 becomes U+FFFD.
std::string Dump(const nlohmann::json& value);

// Escapes one token of a JSON pointer ('~' → "~0", '/' → "~1").
std::string PointerToken(absl::string_view token);

// One violation of a schema.
struct Violation {
  std::string pointer;  // JSON pointer into the instance, "" for the whole
  std::string message;  // for people: what was wrong and what is allowed
};

// JSON Schema draft-07 (what Backstage's forms write): type, enum, const, properties, required,
// additionalProperties, patternProperties, propertyNames, min/maxProperties, items,
// additionalItems, contains, min/maxItems, uniqueItems, min/maxLength (UTF-16 units), pattern
// (ECMAScript, guarded), format (date, date-time, email, uri, uuid), minimum/maximum/exclusive*,
// multipleOf, allOf, anyOf, oneOf, not, if/then/else, dependencies, $ref to "#/…" (its siblings do
// not count, as draft-07 says). Unknown keywords are ignored. All violations at once, at most
// kMaxViolations, in instance order; a member that is missing is reported at its own pointer.
inline constexpr size_t kMaxViolations = 100;
inline constexpr int kMaxSchemaDepth = 400;            // schemas applied inside each other
inline constexpr int64_t kMaxSchemaSteps = 5'000'000;  // schemas applied in one Validate

// Immutable, cheap to copy, thread-safe.
class Schema {
 public:
  // INVALID_ARGUMENT with the pointer into the schema when it cannot be one.
  static absl::StatusOr<Schema> Compile(nlohmann::json schema);
  std::vector<Violation> Validate(const nlohmann::json& instance) const;
  // Fills in `default`s of absent object properties, depth first. Returns the completed copy.
  nlohmann::json WithDefaults(nlohmann::json instance) const;
  const nlohmann::json& text() const;

  struct Compiled;

 private:
  explicit Schema(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

// INVALID_ARGUMENT listing every violation: "<what>: /a/b must be …; /c is required"; OK when none.
absl::Status ToStatus(const std::vector<Violation>& violations, absl::string_view what);

}  // namespace purser::json

#endif  // PURSER_JSON_JSON_H_
