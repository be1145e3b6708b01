// Patterns of paths: "**/catalog-info.yaml", "services/*/api-?.yaml".
#ifndef PURSER_CATALOG_PROVIDERS_SOURCE_TREE_GLOB_H_
#define PURSER_CATALOG_PROVIDERS_SOURCE_TREE_GLOB_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::catalog_providers {

inline constexpr size_t kMaxGlobBytes = 1024;

// '*' stands for any characters but '/', '?' for one, "**" as a whole component for any number of
// components, also none. Everything else is itself; case counts. Immutable.
class Glob {
 public:
  // INVALID_ARGUMENT when the pattern is empty, too long, absolute, or has "." or ".." or empty
  // components, or "**" beside other characters.
  static absl::StatusOr<Glob> Compile(absl::string_view pattern);
  // `path` is relative with '/' between components. Time: product of both lengths at most.
  bool Matches(absl::string_view path) const;

 private:
  std::vector<std::string> components_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_SOURCE_TREE_GLOB_H_
