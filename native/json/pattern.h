// ECMAScript regular expressions for the `pattern` of a schema, matched within a fixed amount of
// work.
//
// std::regex recurses once per character and can be made to run for years by a small pattern; both
// are open to whoever writes a template. This matcher keeps its stack on the heap and counts steps.
// Works on Unicode code points, as the `u` flag does. Not supported, and refused with a reason:
// look-behind, \p{…}, named groups' references.
#ifndef PURSER_JSON_PATTERN_H_
#define PURSER_JSON_PATTERN_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::json {

inline constexpr size_t kMaxPatternBytes = 4096;
inline constexpr int kMaxPatternInstructions = 20'000;  // after {n,m} is unrolled
inline constexpr int kMaxPatternNesting = 50;           // groups inside each other
inline constexpr int64_t kMaxPatternSteps = 1'000'000;  // per Search

// Immutable, cheap to copy, thread-safe.
class Pattern {
 public:
  // INVALID_ARGUMENT says what is wrong and at which character.
  static absl::StatusOr<Pattern> Compile(absl::string_view source);
  // True when the pattern matches anywhere in `text`. RESOURCE_EXHAUSTED after kMaxPatternSteps.
  absl::StatusOr<bool> Search(absl::string_view text) const;

  struct Program;

 private:
  explicit Pattern(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace purser::json

#endif  // PURSER_JSON_PATTERN_H_
