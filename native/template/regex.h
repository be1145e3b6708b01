// JavaScript's regular expressions (flags g, i, m, y; no u) with a budget.
//
// Matching backtracks on a stack of its own; each step counts against the rendering's
// max_regex_steps, so that no pattern can stop a portal.
#ifndef PURSER_TEMPLATE_REGEX_H_
#define PURSER_TEMPLATE_REGEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/string_view.h"
#include "template/run.h"
#include "template/value.h"

namespace purser::tmpl {

// Groups and look-arounds inside each other.
inline constexpr int kMaxRegexNesting = 200;

// What is wrong with a pattern; empty when nothing is.
std::string CheckRegex(absl::string_view source);

class Regex {
 public:
  struct Instruction;
  struct ClassSet;

  // The source must have passed CheckRegex.
  Regex(absl::string_view source, absl::string_view flags);
  ~Regex();

  // Tries at positions from `at` on (only at `at` itself when sticky). `*found` tells whether there
  // is a match; captures() then holds begin and end of each group, -1 for those not taken.
  bool Find(Run& run, std::u16string_view text, size_t at, bool* found);
  const std::vector<int64_t>& captures() const { return captures_; }
  size_t groups() const { return groups_; }  // the whole match counts as one
  bool global() const { return global_; }
  bool sticky() const { return sticky_; }
  // Number of the named group, 0 when there is none.
  size_t GroupNamed(std::u16string_view name) const;
  bool has_names() const { return !names_.empty(); }

 private:
  friend class RegexCompiler;
  class Matcher;

  std::vector<Instruction> program_;
  std::vector<ClassSet> classes_;
  std::vector<std::pair<std::u16string, size_t>> names_;
  size_t groups_ = 1;
  size_t registers_ = 0;  // captures, loop counters and loop starts
  bool global_ = false, sticky_ = false, ignore_case_ = false, multiline_ = false;
  std::vector<int64_t> captures_;
};

// String.prototype.replace with a regular expression; `last_index` is read and written as the
// standard says for sticky and global ones.
bool RegexReplace(Run& run, const RegexObject& regex, absl::string_view text,
                  absl::string_view replacement, double* last_index, std::string* out);
// String.prototype.split; at most `limit` pieces.
bool RegexSplit(Run& run, const RegexObject& regex, absl::string_view text, uint32_t limit,
                std::vector<Value>* out);
// RegExp.prototype.test.
bool RegexTest(Run& run, const RegexObject& regex, absl::string_view text, double* last_index,
               bool* out);

// Replaces $$, $&, $`, $', $1 … $99 and $<name> in `replacement`. `regex` may be nullptr.
void ExpandReplacement(std::u16string_view replacement, std::u16string_view text,
                       const std::vector<int64_t>& captures, const Regex* regex,
                       std::u16string* out);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_REGEX_H_
