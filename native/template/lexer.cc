#include "template/lexer.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "template/code_scan.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

// Reads the string at `*at` and moves behind it. Without escapes it is a part of the code.
bool ReadString(Run& run, absl::string_view code, uint32_t base, size_t* at,
                std::deque<std::string>* unescaped, absl::string_view* out) {
  const char quote = code[*at];
  const size_t start = *at + 1;
  size_t i = start;
  while (i < code.size() && code[i] != quote && code[i] != '\\') ++i;
  if (i < code.size() && code[i] == quote) {
    *out = code.substr(start, i - start);
    *at = i + 1;
    return true;
  }
  std::string text(code.substr(start, i - start));
  for (; i < code.size(); ++i) {
    char c = code[i];
    if (c == quote) {
      *out = unescaped->emplace_back(std::move(text));
      *at = i + 1;
      return true;
    }
    if (c == '\\') {
      if (++i >= code.size()) break;
      c = code[i];
      if (c == 'n') c = '\n';
      if (c == 'r') c = '\r';
      if (c == 't') c = '\t';
    }
    text.push_back(c);
  }
  return FailAt(run, base + *at, "a string has no closing quote");
}

bool IsOperand(const std::vector<Token>& tokens) {
  if (tokens.empty()) return false;
  const Token& last = tokens.back();
  return last.kind != TokenKind::kOperator || last.symbol == ')' || last.symbol == ']' ||
         last.symbol == '}';
}

Symbol KeywordOf(absl::string_view word) {
  if (word.size() < 2 || word.size() > 4) return kNoSymbol;
  switch (word[0]) {
    case 'a':
      return word == "and" ? kAndWord : kNoSymbol;
    case 'e':
      return word == "else" ? kElseWord : kNoSymbol;
    case 'i':
      return word == "in" ? kInWord : word == "is" ? kIsWord : word == "if" ? kIfWord : kNoSymbol;
    case 'n':
      return word == "not" ? kNotWord : kNoSymbol;
    case 'o':
      return word == "or" ? kOrWord : kNoSymbol;
    default:
      return kNoSymbol;
  }
}

// The operator at the start of `code`, kNoSymbol when there is none.
Symbol OperatorOf(absl::string_view code, size_t* length) {
  struct Long {
    char text[4];
    Symbol symbol;
  };
  static constexpr Long kLong[] = {{"===", kStrictEqSymbol}, {"!==", kStrictNeSymbol},
                                   {"**", kPowerSymbol},     {"//", kFloorSymbol},
                                   {"==", kEqSymbol},        {"!=", kNeSymbol},
                                   {"<=", kLeSymbol},        {">=", kGeSymbol}};
  const char c = code[0];
  *length = 1;
  if (c == '=' || c == '!' || c == '*' || c == '/' || c == '<' || c == '>') {
    for (const Long& op : kLong) {
      if (!absl::StartsWith(code, op.text)) continue;
      *length = std::strlen(op.text);
      return op.symbol;
    }
  }
  return std::memchr("()[]{}.,:|~+-*/%<>=", c, 19) == nullptr ? Symbol{kNoSymbol}
                                                              : static_cast<Symbol>(c);
}

}  // namespace

bool Tokenize(Run& run, absl::string_view source, uint32_t offset, Tokens* out) {
  std::vector<Token>& list = out->list;
  list.clear();
  out->unescaped.clear();
  const auto emit = [&](TokenKind kind, Symbol symbol, absl::string_view value, size_t at) {
    list.push_back({kind, symbol, static_cast<uint32_t>(offset + at), value, {}});
  };
  for (size_t at = 0; at < source.size();) {
    if (!run.Step()) return false;
    if (const size_t space = CodeSpace(source, at); space > 0) {
      at += space;
      continue;
    }
    const char c = source[at];
    const bool after_dot = !list.empty() && list.back().symbol == '.';
    const size_t word = IdentifierEnd(source, at, after_dot);
    if (word > at) {
      if (word == at + 1 && c == 'r' && word < source.size() && source[word] == '/') {
        RegexLiteral regex;
        std::string problem = ScanRegex(source, at, &regex);
        if (!problem.empty()) return FailAt(run, offset + at, std::move(problem));
        emit(TokenKind::kRegex, kNoSymbol, regex.source, at);
        list.back().flags = regex.flags;
        at = regex.end;
      } else {
        const absl::string_view name = source.substr(at, word - at);
        emit(TokenKind::kName, KeywordOf(name), name, at);
        at = word;
      }
      continue;
    }
    const bool digit_next = at + 1 < source.size() && IsAsciiDigit(source[at + 1]);
    if (c == '.' && digit_next && !IsOperand(list)) {
      return FailAt(run, offset + at, "a number must have a digit before its point");
    }
    if (IsAsciiDigit(c)) {
      size_t end = at;
      while (end < source.size() && IsAsciiDigit(source[end])) ++end;
      if (end < source.size() && source[end] == '.') {
        ++end;
        while (end < source.size() && IsAsciiDigit(source[end])) ++end;
      }
      if (end < source.size() && (IsAsciiLetter(source[end]) || source[end] == '_')) {
        return FailAt(run, offset + at, "a number must be decimal digits with at most one point");
      }
      emit(TokenKind::kNumber, kNoSymbol, source.substr(at, end - at), at);
      at = end;
      continue;
    }
    if (c == '"' || c == '\'') {
      absl::string_view value;
      const size_t start = at;
      if (!ReadString(run, source, offset, &at, &out->unescaped, &value)) return false;
      emit(TokenKind::kString, kNoSymbol, value, start);
      continue;
    }
    size_t length;
    const Symbol symbol = OperatorOf(source.substr(at), &length);
    if (symbol == kNoSymbol) {
      while (at + length < source.size() && (source[at + length] & 0xc0) == 0x80) ++length;
      return FailAt(run, offset + at,
                    absl::StrCat("unexpected character \"",
                                 base::EscapeForDisplay(source.substr(at, length)), "\""));
    }
    emit(TokenKind::kOperator, symbol, source.substr(at, length), at);
    at += length;
  }
  emit(TokenKind::kEnd, kNoSymbol, {}, source.size());
  return true;
}

}  // namespace purser::tmpl
