#include "template/code_scan.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "template/lexer.h"
#include "template/regex.h"

namespace purser::tmpl {

std::string ScanRegex(absl::string_view code, size_t at, RegexLiteral* out) {
  const size_t start = at + 2;
  size_t backslashes = 0;
  for (size_t i = start; i < code.size(); ++i) {
    const char c = code[i];
    if (i - start >= kMaxRegexBytes && !(c == '/' && backslashes == 0)) {
      return absl::StrCat("a regular expression is longer than ", kMaxRegexBytes, " bytes");
    }
    if (c == '/' && backslashes > 0) {
      if (backslashes % 2 == 0) return "ambiguous escape before / in a regular expression";
    } else if (c == '/') {
      size_t end = i + 1;
      while (end < code.size() && absl::StrContains("gimy", code[end])) {
        if (absl::StrContains(code.substr(i + 1, end - i - 1), code[end])) {
          return "a regular expression repeats a flag";
        }
        ++end;
      }
      if (end < code.size() && IsAsciiLetter(code[end])) {
        return "a regular expression has a flag other than g, i, m, y";
      }
      const absl::string_view source = code.substr(start, i - start);
      const std::string problem = CheckRegex(source);
      if (!problem.empty()) return absl::StrCat("invalid regular expression: ", problem);
      *out = {source, code.substr(i + 1, end - i - 1), end};
      return "";
    }
    backslashes = c == '\\' ? backslashes + 1 : 0;
  }
  return "a regular expression has no closing /";
}

size_t FindTopLevel(absl::string_view code, char wanted) {
  int depth = 0;
  std::string problem;
  for (size_t i = 0; i < code.size();) {
    const size_t skipped = SkipToken(code, i, &problem);
    if (skipped == kNpos) return kNpos;
    if (skipped > i) {
      i = skipped;
      continue;
    }
    const char c = code[i];
    if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      --depth;
    } else if (depth == 0 && c == wanted) {
      return i;
    }
    ++i;
  }
  return kNpos;
}

size_t FindTopLevelKeyword(absl::string_view code, absl::string_view keyword) {
  int depth = 0;
  std::string problem;
  for (size_t i = 0; i < code.size();) {
    const size_t word = IdentifierEnd(code, i, true);
    if (word > i && depth == 0 && code.substr(i, word - i) == keyword && CodeSpaceBefore(code, i) &&
        (word == code.size() || CodeSpace(code, word) > 0)) {
      return i;
    }
    const size_t skipped = SkipToken(code, i, &problem);
    if (skipped == kNpos) return kNpos;
    if (skipped > i) {
      i = skipped;
      continue;
    }
    const char c = code[i];
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    ++i;
  }
  return kNpos;
}

size_t FindClosing(absl::string_view code, size_t open) {
  std::string stack, problem;
  for (size_t i = open; i < code.size();) {
    const size_t skipped = SkipToken(code, i, &problem);
    if (skipped == kNpos) return kNpos;
    if (skipped > i) {
      i = skipped;
      continue;
    }
    const char c = code[i];
    if (c == '(' || c == '[' || c == '{') {
      stack.push_back(c == '(' ? ')' : (c == '[' ? ']' : '}'));
    } else if (!stack.empty() && c == stack.back()) {
      stack.pop_back();
      if (stack.empty()) return i;
    }
    ++i;
  }
  return kNpos;
}

absl::string_view TrimCodeStart(absl::string_view code) {
  while (const size_t space = CodeSpace(code, 0)) code.remove_prefix(space);
  return code;
}

absl::string_view TrimCode(absl::string_view code) {
  code = TrimCodeStart(code);
  while (!code.empty() && CodeSpaceBefore(code, code.size())) {
    code.remove_suffix(code.back() == '\xa0' ? 2 : 1);
  }
  return code;
}

absl::string_view TagName(absl::string_view tag) {
  tag = TrimCode(tag);
  return tag.substr(0, IdentifierEnd(tag, 0, false));
}

absl::string_view TagRest(absl::string_view tag) {
  tag = TrimCode(tag);
  return TrimCode(tag.substr(TagName(tag).size()));
}

}  // namespace purser::tmpl
