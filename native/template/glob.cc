#include "template/glob.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/strings.h"
#include "template/regex.h"
#include "template/run.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr int kMaxGlobNesting = 20;
constexpr int64_t kMaxBraceRange = 1'000;
constexpr size_t kNpos = absl::string_view::npos;

// The bracket that closes the one at `open`; escapes and nests are skipped.
size_t Closing(absl::string_view pattern, size_t open, char opening, char closing) {
  int depth = 0;
  for (size_t i = open; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == opening) {
      ++depth;
    } else if (pattern[i] == closing && --depth == 0) {
      return i;
    }
  }
  return kNpos;
}

// Splits at `separator` outside all brackets.
std::vector<absl::string_view> SplitTop(absl::string_view text, char separator) {
  std::vector<absl::string_view> parts;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;
    } else if (c == '{' || c == '(') {
      ++depth;
    } else if (c == '}' || c == ')') {
      --depth;
    } else if (c == separator && depth == 0) {
      parts.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  parts.push_back(text.substr(start));
  return parts;
}

void AppendLiteral(char c, std::string* out) {
  if (absl::StrContains("^$\\.*+?()[]{}|/", c)) out->push_back('\\');
  out->push_back(c);
}

// {1..3} and {a..c}; nullopt when the inside is neither.
std::optional<std::string> Range(absl::string_view inner) {
  const size_t dots = inner.find("..");
  if (dots == kNpos) return std::nullopt;
  const absl::string_view from = inner.substr(0, dots), to = inner.substr(dots + 2);
  int64_t first, last;
  std::vector<std::string> items;
  if (absl::SimpleAtoi(from, &first) && absl::SimpleAtoi(to, &last)) {
    const int64_t step = first <= last ? 1 : -1;
    if ((last - first) * step > kMaxBraceRange) return std::nullopt;
    for (int64_t i = first; i != last + step; i += step) items.push_back(absl::StrCat(i));
  } else if (from.size() == 1 && to.size() == 1 && IsAsciiLetter(from[0]) && IsAsciiLetter(to[0])) {
    const int step = from[0] <= to[0] ? 1 : -1;
    for (int c = from[0]; c != to[0] + step; c += step) items.emplace_back(1, static_cast<char>(c));
  } else {
    return std::nullopt;
  }
  return absl::StrCat("(?:", absl::StrJoin(items, "|"), ")");
}

void Translate(absl::string_view pattern, int depth, std::string* out);

std::string Alternatives(absl::string_view inner, char separator, int depth) {
  std::string out = "(?:";
  bool first = true;
  for (const absl::string_view part : SplitTop(inner, separator)) {
    if (!std::exchange(first, false)) out.push_back('|');
    Translate(part, depth + 1, &out);
  }
  out.push_back(')');
  return out;
}

// Brackets of a set at `at`; returns the place behind it, `at` when it is none.
size_t Set(absl::string_view pattern, size_t at, std::string* out) {
  size_t i = at + 1;
  const bool negative = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negative) ++i;
  const size_t first = i;
  size_t close =
      pattern.find(']', first == i && i < pattern.size() && pattern[i] == ']' ? i + 1 : i);
  if (close == kNpos) return at;
  out->append(negative ? "[^\\/" : "[");
  for (; i < close; ++i) {
    if (pattern[i] == '\\' || pattern[i] == '[' || pattern[i] == ']' || pattern[i] == '^') {
      out->push_back('\\');
    }
    out->push_back(pattern[i]);
  }
  out->push_back(']');
  return close + 1;
}

void Translate(absl::string_view pattern, int depth, std::string* out) {
  for (size_t i = 0; i < pattern.size();) {
    const char c = pattern[i];
    const bool starts_segment = i == 0 || pattern[i - 1] == '/';
    if (depth < kMaxGlobNesting && absl::StrContains("@?*+!", c) && i + 1 < pattern.size() &&
        pattern[i + 1] == '(') {
      const size_t close = Closing(pattern, i + 1, '(', ')');
      if (close != kNpos) {
        const std::string inner = Alternatives(pattern.substr(i + 2, close - i - 2), '|', depth);
        if (c == '!') {
          std::string rest;
          Translate(pattern.substr(close + 1), depth + 1, &rest);
          absl::StrAppend(out, "(?!", inner, rest, "$)[^\\/]*?");
        } else {
          absl::StrAppend(out, inner, c == '@' ? "" : std::string(1, c));
        }
        i = close + 1;
        continue;
      }
    }
    if (c == '*') {
      size_t end = i;
      while (end < pattern.size() && pattern[end] == '*') ++end;
      const bool ends_segment = end == pattern.size() || pattern[end] == '/';
      if (end - i == 2 && starts_segment && ends_segment) {
        // "**/" also means nothing at all; a trailing "**" all below.
        if (end < pattern.size()) {
          out->append("(?:[^\\/]+\\/)*");
          i = end + 1;
        } else {
          out->append(".+");
          i = end;
        }
        continue;
      }
      out->append(starts_segment && ends_segment ? "[^\\/]+" : "[^\\/]*");
      i = end;
      continue;
    }
    if (c == '?') {
      out->append("[^\\/]");
      ++i;
      continue;
    }
    if (c == '(' && depth < kMaxGlobNesting) {
      const size_t close = Closing(pattern, i, '(', ')');
      if (close != kNpos) {
        out->append(Alternatives(pattern.substr(i + 1, close - i - 1), '|', depth));
        i = close + 1;
        continue;
      }
    }
    if (c == '[') {
      const size_t behind = Set(pattern, i, out);
      if (behind > i) {
        i = behind;
        continue;
      }
    }
    if (c == '{' && depth < kMaxGlobNesting) {
      const size_t close = Closing(pattern, i, '{', '}');
      if (close != kNpos) {
        const absl::string_view inner = pattern.substr(i + 1, close - i - 1);
        const std::optional<std::string> range = Range(inner);
        if (range.has_value() || SplitTop(inner, ',').size() > 1) {
          out->append(range.has_value() ? *range : Alternatives(inner, ',', depth));
          i = close + 1;
          continue;
        }
      }
    }
    if (c == '\\' && i + 1 < pattern.size()) ++i;
    AppendLiteral(pattern[i++], out);
  }
}

}  // namespace

std::string GlobToRegex(absl::string_view pattern, bool and_below) {
  absl::ConsumePrefix(&pattern, "./");
  std::string out = "^(?:";
  Translate(pattern, 0, &out);
  return absl::StrCat(out, ")", and_below ? "(?:\\/.*)?" : "", "$");
}

GlobSet::GlobSet() = default;
GlobSet::GlobSet(GlobSet&&) noexcept = default;
GlobSet::~GlobSet() = default;

absl::StatusOr<GlobSet> GlobSet::Compile(const std::vector<std::string>& patterns,
                                         const IsFolder& is_folder) {
  if (patterns.size() > kMaxGlobPatterns) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxGlobPatterns, " path patterns"));
  }
  GlobSet set;
  for (const std::string& whole : patterns) {
    absl::string_view pattern = whole;
    if ((pattern.empty() && !is_folder) || pattern.size() > kMaxGlobBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("path pattern \"", base::EscapeForDisplay(pattern), "\" must have 1 to ",
                       kMaxGlobBytes, " bytes"));
    }
    const bool negative = absl::ConsumePrefix(&pattern, "!");
    absl::string_view name = absl::StripPrefix(pattern, "./");
    while (absl::ConsumeSuffix(&name, "/")) {
    }
    // Only the very name of a folder means what is below it; what is taken away goes with all that
    // is below it.
    std::string below;
    if (!negative && is_folder && is_folder(name)) {
      below = name.empty() ? "**" : absl::StrCat(name, "/**");
      pattern = below;
    }
    if (negative) pattern = name;
    const std::string regex = GlobToRegex(pattern, negative);
    const std::string problem = CheckRegex(regex);
    if (!problem.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "path pattern \"", base::EscapeForDisplay(whole), "\" is not understood: ", problem));
    }
    set.patterns_.push_back({negative, std::make_unique<Regex>(regex, "")});
  }
  return set;
}

absl::StatusOr<bool> GlobSet::Matches(absl::string_view path) {
  const std::u16string units = ToUtf16(path);
  // Of the patterns that take away, those count that stand behind the one that matches.
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    Run run(Limits{}, {});
    bool found;
    if (!pattern->regex->Find(run, units, 0, &found)) return run.ToStatus("path pattern", "");
    if (!found) continue;
    // Those before a pattern that takes it away do not matter any more.
    return !pattern->negative;
  }
  return false;
}

}  // namespace purser::tmpl
