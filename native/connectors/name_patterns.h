// Names that a connector's config allows: whole ones, or with "*" at their end.
#ifndef PURSER_CONNECTORS_NAME_PATTERNS_H_
#define PURSER_CONNECTORS_NAME_PATTERNS_H_

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace purser::connectors {

// Whether `name` is one of them, or begins as one that ends with "*".
inline bool MatchesAny(const std::vector<std::string>& patterns, absl::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [name](absl::string_view pattern) {
    if (absl::ConsumeSuffix(&pattern, "*")) return absl::StartsWith(name, pattern);
    return pattern == name;
  });
}

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_NAME_PATTERNS_H_
