#include "template/lexer.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/strings.h"
#include "template/regex.h"
#include "template/scan.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr size_t kNpos = absl::string_view::npos;

bool FailAt(Run& run, size_t offset, std::string message) {
  run.Fail(std::move(message));
  run.Locate(static_cast<uint32_t>(offset));
  return false;
}

// Length of the template white space at `at`, 0 when there is none.
size_t CodeSpace(absl::string_view code, size_t at) {
  if (at >= code.size()) return 0;
  const char c = code[at];
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return 1;
  return code.substr(at, 2) == "\xc2\xa0" ? 2 : 0;
}

bool CodeSpaceBefore(absl::string_view code, size_t at) {
  if (at == 0) return true;
  const char c = code[at - 1];
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
         (at >= 2 && code.substr(at - 2, 2) == "\xc2\xa0");
}

// End of the identifier at `at`; `at` when there is none.
size_t IdentifierEnd(absl::string_view code, size_t at, bool leading_digits) {
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

// Skips a string, word, number or regex at `at`; `at` itself when it is none of them, npos with a
// text in `problem` when a regex is bad.
size_t SkipToken(absl::string_view code, size_t at, std::string* problem) {
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

class Splitter {
 public:
  Splitter(Run& run, absl::string_view source, const Options& options,
           std::deque<std::string>& owned, Growing<Piece>* out)
      : run_(run), source_(source), options_(options), owned_(owned), out_(out) {}

  bool Split();

 private:
  // A tag's or a comment's opening, or a "#}" that stands alone.
  struct Opening {
    PieceKind kind = PieceKind::kText;
    bool comment = false;
    size_t at = kNpos;
    absl::string_view mark;
    bool stray = false;
  };

  Opening FindOpening(size_t from);
  void Add(PieceKind kind, absl::string_view value, size_t offset) {
    Piece made;
    made.data = value.data();
    made.size = static_cast<uint32_t>(value.size()) & 0x3fffffff;
    made.kind = kind;
    made.offset = static_cast<uint32_t>(offset);
    out_->push_back(made);
  }
  void AddText(absl::string_view text);
  void TrimPendingEnd();
  void StripIndent(size_t tag_at);
  void Flush();
  bool Raw(absl::string_view name, size_t tag_at, bool right_trim, size_t* at);
  size_t SkipSpace(size_t at) const;
  size_t SkipNewline(size_t at) const;

  Run& run_;
  const absl::string_view source_;
  const Options& options_;
  std::deque<std::string>& owned_;
  Growing<Piece>* out_;
  absl::string_view pending_;      // text not yet emitted
  std::string* joined_ = nullptr;  // its storage when it is not one part of the source
  uint32_t pending_offset_ = 0;
  // Next place of an unusual mark of interpolations; kNpos - 1 means not looked for yet. Keeps the
  // search linear.
  size_t variable_at_ = kNpos - 1;
};

Splitter::Opening Splitter::FindOpening(size_t from) {
  const absl::string_view variable = options_.variable_start;
  const bool dollar = variable == "${{";
  const bool plain = variable == "{{";
  size_t unusual = kNpos;
  if (!dollar && !plain) {
    if (variable_at_ == kNpos - 1 || variable_at_ < from) {
      variable_at_ = source_.find(variable, from);
    }
    unusual = variable_at_;
  }
  for (size_t at = FindMark(source_, from); at != kNpos; at = FindMark(source_, at + 1)) {
    if (unusual <= at) break;
    if (source_[at] == '#') return {PieceKind::kText, false, at, "#}", true};
    const char second = source_[at + 1];
    if (second == '%') return {PieceKind::kBlock, false, at, "{%", false};
    if (second == '#') return {PieceKind::kText, true, at, "{#", false};
    if (plain) return {PieceKind::kVariable, false, at, variable, false};
    if (dollar && at > from && source_[at - 1] == '$') {
      return {PieceKind::kVariable, false, at - 1, variable, false};
    }
  }
  if (unusual != kNpos) return {PieceKind::kVariable, false, unusual, variable, false};
  return {};
}

void Splitter::AddText(absl::string_view text) {
  if (text.empty()) return;
  if (pending_.empty()) {
    pending_ = text;
    pending_offset_ = static_cast<uint32_t>(text.data() - source_.data());
    return;
  }
  if (joined_ == nullptr && pending_.data() + pending_.size() == text.data()) {
    pending_ = absl::string_view(pending_.data(), pending_.size() + text.size());
    return;
  }
  if (joined_ == nullptr) joined_ = &owned_.emplace_back(pending_);
  joined_->resize(pending_.size());
  joined_->append(text.data(), text.size());
  pending_ = *joined_;
}

void Splitter::TrimPendingEnd() { pending_ = TrimEnd(pending_); }

// Takes away the white space between the line's start and the tag when nothing else is there.
void Splitter::StripIndent(size_t tag_at) {
  const absl::string_view before = TrimEnd(source_.substr(0, tag_at));
  const absl::string_view space = source_.substr(before.size(), tag_at - before.size());
  if (!before.empty() && !absl::StrContains(space, '\n')) return;
  const size_t newline = pending_.rfind('\n');
  const size_t keep = newline == kNpos ? 0 : newline + 1;
  if (TrimEnd(pending_.substr(keep)).empty()) pending_ = pending_.substr(0, keep);
}

void Splitter::Flush() {
  if (!pending_.empty()) {
    Add(PieceKind::kText, pending_, pending_offset_);
  }
  pending_ = {};
  joined_ = nullptr;
}

size_t Splitter::SkipSpace(size_t at) const {
  return source_.size() - TrimStart(source_.substr(at)).size();
}

size_t Splitter::SkipNewline(size_t at) const {
  const absl::string_view rest = source_.substr(at);
  if (absl::StartsWith(rest, "\r\n")) return at + 2;
  return absl::StartsWith(rest, "\n") ? at + 1 : at;
}

// The text up to the end tag that belongs to this raw tag; raw tags inside count.
bool Splitter::Raw(absl::string_view name, size_t tag_at, bool right_trim, size_t* at) {
  if (options_.trim_blocks) *at = SkipNewline(*at);
  int depth = 1;
  for (size_t from = *at; from < source_.size();) {
    const size_t mark = source_.find("{%", from);
    if (mark == kNpos) break;
    from = mark + 2;
    if (source_.substr(from, 1) == "-") continue;
    absl::string_view rest = TrimStart(source_.substr(from));
    const bool end = absl::ConsumePrefix(&rest, absl::StrCat("end", name));
    if (!end && !absl::ConsumePrefix(&rest, name)) continue;
    rest = TrimStart(rest);
    if (!absl::ConsumePrefix(&rest, "%}")) continue;
    from = source_.size() - rest.size();
    depth += end ? -1 : 1;
    if (depth > 0) continue;
    if (absl::StrContains(source_.substr(mark, from - mark), '\n')) {
      return FailAt(run_, mark, absl::StrCat("the end", name, " tag must be on one line"));
    }
    AddText(source_.substr(*at, mark - *at));
    *at = right_trim ? SkipSpace(from) : from;
    return true;
  }
  return FailAt(run_, tag_at, absl::StrCat("missing end", name, " tag"));
}

bool Splitter::Split() {
  for (size_t at = 0; at < source_.size();) {
    if (!run_.Step()) return false;
    const Opening opening = FindOpening(at);
    if (opening.stray) return FailAt(run_, opening.at, "#} without {#");
    if (opening.at == kNpos) {
      AddText(source_.substr(at));
      break;
    }
    AddText(source_.substr(at, opening.at - at));
    if (opening.kind == PieceKind::kBlock && options_.lstrip_blocks) StripIndent(opening.at);
    size_t inside = opening.at + opening.mark.size();
    if (source_.substr(inside, 1) == "-") {
      TrimPendingEnd();
      ++inside;
    }
    Flush();
    const absl::string_view close = opening.comment ? "#}"
                                    : opening.kind == PieceKind::kBlock
                                        ? "%}"
                                        : absl::string_view(options_.variable_end);
    size_t end = kNpos;
    if (opening.comment) {
      end = source_.find(close, inside);
    } else {
      std::string problem;
      for (size_t i = inside; i + close.size() <= source_.size();) {
        const size_t skipped = SkipToken(source_, i, &problem);
        if (skipped == kNpos) return FailAt(run_, i, std::move(problem));
        if (skipped > i) {
          i = skipped;
        } else if (absl::StartsWith(source_.substr(i), close)) {
          end = i;
          break;
        } else {
          ++i;
        }
      }
    }
    if (end == kNpos) {
      return FailAt(run_, opening.at, absl::StrCat("no ", close, " closes ", opening.mark));
    }
    const bool right_trim = end > inside - 1 && source_[end - 1] == '-';
    const size_t inside_end = right_trim ? std::max(inside, end - 1) : end;
    at = end + close.size();
    if (!opening.comment) {
      const absl::string_view inner = source_.substr(inside, inside_end - inside);
      const absl::string_view start = TrimCodeStart(inner);
      const absl::string_view value = opening.kind == PieceKind::kBlock ? TrimCode(inner) : start;
      const absl::string_view name =
          opening.kind == PieceKind::kBlock ? TagName(value) : absl::string_view();
      if (name == "raw" || name == "verbatim") {
        if (!TagRest(value).empty()) {
          return FailAt(run_, opening.at, absl::StrCat(name, " takes nothing behind its name"));
        }
        if (!Raw(name, opening.at, right_trim, &at)) return false;
        continue;
      }
      Add(opening.kind, value, opening.at);
    }
    if (right_trim) {
      at = SkipSpace(at);
    } else if (opening.kind == PieceKind::kBlock && options_.trim_blocks) {
      at = SkipNewline(at);
    }
  }
  Flush();
  return true;
}

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

bool SplitTemplate(Run& run, absl::string_view source, const Options& options,
                   std::deque<std::string>& owned, Growing<Piece>* out) {
  return Splitter(run, source, options, owned, out).Split();
}

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
