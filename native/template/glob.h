// Path patterns as Backstage's fetch actions read them (fast-glob): * ? [a-z] ** {a,b} {1..3}
// (a|b) @(a|b) ?(…) *(…) +(…) !(…), names with a leading dot included; a pattern that begins with
// "!" takes away from those before it; the very name of a folder means all below it.
#ifndef PURSER_TEMPLATE_GLOB_H_
#define PURSER_TEMPLATE_GLOB_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::tmpl {

inline constexpr size_t kMaxGlobPatterns = 1'000;
inline constexpr size_t kMaxGlobBytes = 4'096;

class Regex;

// Not thread-safe.
class GlobSet {
 public:
  // Tells whether a path is that of a folder; "" is the root.
  using IsFolder = std::function<bool(absl::string_view path)>;

  // INVALID_ARGUMENT names the pattern that is wrong.
  static absl::StatusOr<GlobSet> Compile(const std::vector<std::string>& patterns,
                                         const IsFolder& is_folder = {});
  GlobSet(GlobSet&&) noexcept;
  ~GlobSet();

  // `path` is relative, without a slash at its end. RESOURCE_EXHAUSTED when a pattern needs too
  // many steps.
  absl::StatusOr<bool> Matches(absl::string_view path);
  bool empty() const { return patterns_.empty(); }

 private:
  struct Pattern {
    bool negative;
    std::unique_ptr<Regex> regex;
  };
  GlobSet();
  std::vector<Pattern> patterns_;
};

// The regular expression that a pattern (without "!" in front) means, and all below what it
// matches.
std::string GlobToRegex(absl::string_view pattern, bool and_below);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_GLOB_H_
