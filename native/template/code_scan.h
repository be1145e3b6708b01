// Steps over the code inside tags; for the splitter, the lexer and code_scan.cc. What the parser
// may ask is in lexer.h.
#ifndef PURSER_TEMPLATE_CODE_SCAN_H_
#define PURSER_TEMPLATE_CODE_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "template/run.h"
#include "template/unicode.h"

namespace purser::tmpl {

inline constexpr size_t kNpos = absl::string_view::npos;

inline bool FailAt(Run& run, size_t offset, std::string message) {
  run.Fail(std::move(message));
  run.Locate(static_cast<uint32_t>(offset));
  return false;
}

// Length of the template white space at `at`, 0 when there is none.
inline size_t CodeSpace(absl::string_view code, size_t at) {
  if (at >= code.size()) return 0;
  const char c = code[at];
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return 1;
  return code.substr(at, 2) == "\xc2\xa0" ? 2 : 0;
}

inline bool CodeSpaceBefore(absl::string_view code, size_t at) {
  if (at == 0) return true;
  const char c = code[at - 1];
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
         (at >= 2 && code.substr(at - 2, 2) == "\xc2\xa0");
}

// End of the identifier at `at`; `at` when there is none.
inline size_t IdentifierEnd(absl::string_view code, size_t at, bool leading_digits) {
  size_t i = at;
  if (leading_digits) {
    while (i < code.size() && IsAsciiDigit(code[i])) ++i;
  }
  if (i >= code.size() || !(IsAsciiLetter(code[i]) || code[i] == '_')) return at;
  while (i < code.size() && IsWordByte(code[i])) ++i;
  return i;
}

struct RegexLiteral {
  absl::string_view source;
  absl::string_view flags;
  size_t end;
};

// Reads r/…/flags at `at`. Returns an error text, empty when fine.
std::string ScanRegex(absl::string_view code, size_t at, RegexLiteral* out);

// Skips a string, word, number or regex at `at`; `at` itself when it is none of them, npos with a
// text in `problem` when a regex is bad.
inline size_t SkipToken(absl::string_view code, size_t at, std::string* problem) {
  const char c = code[at];
  if (c == '"' || c == '\'') {
    for (size_t i = at + 1; i < code.size(); ++i) {
      if (code[i] == '\\') {
        ++i;
      } else if (code[i] == c) {
        return i + 1;
      }
    }
    return code.size();
  }
  const size_t end = IdentifierEnd(code, at, true);
  if (end == at) {
    size_t i = at;
    while (i < code.size() && IsAsciiDigit(code[i])) ++i;
    return i;
  }
  if (end == at + 1 && c == 'r' && end < code.size() && code[end] == '/') {
    RegexLiteral regex;
    *problem = ScanRegex(code, at, &regex);
    return problem->empty() ? regex.end : kNpos;
  }
  return end;
}

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_CODE_SCAN_H_
