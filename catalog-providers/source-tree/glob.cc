#include "catalog-providers/source-tree/glob.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"

namespace purser::catalog_providers {
namespace {

// Greedy with one point of return: no pattern can make it exponential.
bool ComponentMatches(absl::string_view pattern, absl::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = absl::string_view::npos;
  size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

absl::StatusOr<Glob> Glob::Compile(absl::string_view pattern) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern '", base::EscapeForDisplay(pattern), "' ", why));
  };
  if (pattern.empty() || pattern.size() > kMaxGlobBytes) {
    return refuse(absl::StrCat("must have 1 to ", kMaxGlobBytes, " bytes"));
  }
  Glob glob;
  for (const absl::string_view component : absl::StrSplit(pattern, '/')) {
    if (component.empty() || component == "." || component == "..") {
      return refuse("must be relative, without empty, '.' or '..' components");
    }
    if (component != "**" && component.find("**") != absl::string_view::npos) {
      return refuse("has '**' beside other characters; it must stand alone between slashes");
    }
    glob.components_.emplace_back(component);
  }
  return glob;
}

bool Glob::Matches(absl::string_view path) const {
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  // reached[i]: the parts read so far can be matched by the first i components.
  std::vector<bool> reached(components_.size() + 1, false);
  reached[0] = true;
  const auto skip_empty = [&](std::vector<bool>& states) {
    for (size_t i = 0; i < components_.size(); ++i) {
      if (states[i] && components_[i] == "**") states[i + 1] = true;
    }
  };
  skip_empty(reached);
  for (const absl::string_view part : parts) {
    std::vector<bool> next(components_.size() + 1, false);
    for (size_t i = 0; i < components_.size(); ++i) {
      if (!reached[i]) continue;
      if (components_[i] == "**") {
        next[i] = true;
      } else if (ComponentMatches(components_[i], part)) {
        next[i + 1] = true;
      }
    }
    skip_empty(next);
    reached = std::move(next);
  }
  return reached[components_.size()];
}

}  // namespace purser::catalog_providers
