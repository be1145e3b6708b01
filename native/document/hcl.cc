#include "document/hcl.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::document {

bool IsHclIdentifierStart(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsHclIdentifierPart(char c) {
  return IsHclIdentifierStart(c) || absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
}

namespace {

class Parser {
 public:
  Parser(absl::string_view text, absl::string_view file) : text_(text), file_(file) {}

  absl::StatusOr<HclBody> File() {
    if (absl::StartsWith(text_, "\xEF\xBB\xBF")) at_ = 3;
    HclBody body;
    body.begin = at_;
    PURSER_RETURN_IF_ERROR(Body(0, body));
    PURSER_RETURN_IF_ERROR(CheckComments());
    if (at_ < text_.size()) return Unexpected("an attribute or a block");
    body.end = at_;
    return body;
  }

  absl::Status OneExpression() {
    SkipAll();
    if (at_ >= text_.size()) return Unexpected("an expression");
    PURSER_RETURN_IF_ERROR(Expression());
    SkipAll();
    PURSER_RETURN_IF_ERROR(CheckComments());
    if (at_ < text_.size()) return Unexpected("the end of the expression");
    return absl::OkStatus();
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Has(absl::string_view what) const {
    return absl::StartsWith(text_.substr(std::min(at_, text_.size())), what);
  }
  absl::Status FailAt(size_t at, absl::string_view what,
                      absl::StatusCode code = absl::StatusCode::kInvalidArgument) const {
    at = std::min(at, text_.size());
    const auto line = std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(at), '\n');
    const size_t start = at == 0 ? absl::string_view::npos : text_.rfind('\n', at - 1);
    const size_t column = start == absl::string_view::npos ? at : at - start - 1;
    return absl::Status(code, absl::StrCat(file_, ":", line + 1, ":", column + 1, ": ", what));
  }
  // What is written behind an open comment would be a part of it.
  absl::Status CheckComments() const {
    return open_comment_ == absl::string_view::npos
               ? absl::OkStatus()
               : FailAt(open_comment_, "this comment is not closed");
  }
  absl::Status Unexpected(absl::string_view wanted) const {
    const std::string found =
        at_ < text_.size() ? absl::StrCat("\"", base::EscapeForDisplay(text_.substr(at_, 12)), "\"")
                           : "the end of the text";
    return FailAt(at_, absl::StrCat("expected ", wanted, ", not ", found));
  }

  void SkipBlanks() {
    for (;;) {
      if (Peek() == ' ' || Peek() == '\t' || (Peek() == '\r' && Peek(1) == '\n')) {
        ++at_;
      } else if (Has("/*")) {
        const size_t close = text_.find("*/", at_ + 2);
        if (close == absl::string_view::npos) open_comment_ = at_;
        at_ = close == absl::string_view::npos ? text_.size() : close + 2;
      } else {
        return;
      }
    }
  }
  // The comment at the end of a line, without the line end.
  void SkipLineComment() {
    if (Peek() == '#' || Has("//")) at_ = std::min(text_.find('\n', at_), text_.size());
  }
  void SkipAll() {
    for (;;) {
      SkipBlanks();
      SkipLineComment();
      if (Peek() != '\n') return;
      ++at_;
    }
  }

  std::string Identifier() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsHclIdentifierPart(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  // Blocks nest at most kMaxHclDepth deep, and so does the recursion.
  absl::Status Body(int depth, HclBody& body) {
    if (depth > kMaxHclDepth) {
      return FailAt(at_,
                    absl::StrCat("blocks nested deeper than ", kMaxHclDepth, " (kMaxHclDepth)"),
                    absl::StatusCode::kResourceExhausted);
    }
    for (;;) {
      SkipAll();
      if (at_ >= text_.size() || Peek() == '}') return absl::OkStatus();
      if (!IsHclIdentifierStart(Peek())) return Unexpected("an attribute or a block");
      if (++items_ > kMaxHclItems) {
        return FailAt(
            at_, absl::StrCat("more than ", kMaxHclItems, " attributes and blocks (kMaxHclItems)"),
            absl::StatusCode::kResourceExhausted);
      }
      HclItem item;
      PURSER_RETURN_IF_ERROR(Item(depth, item));
      body.items.push_back(std::move(item));
      SkipBlanks();
      SkipLineComment();
      if (at_ < text_.size() && Peek() != '\n' && Peek() != '}') return Unexpected("a new line");
    }
  }

  absl::Status Item(int depth, HclItem& item) {
    item.begin = at_;
    item.name = Identifier();
    SkipBlanks();
    if (Peek() == '=' && Peek(1) != '=') {
      item.equals = at_++;
      SkipBlanks();
      item.value = at_;
      if (Peek() == '\n' || at_ >= text_.size()) return Unexpected("an expression");
      PURSER_RETURN_IF_ERROR(Expression());
      item.end = end_;
      return absl::OkStatus();
    }
    item.block = true;
    for (;;) {
      if (Peek() == '"') {
        const size_t begin = at_;
        PURSER_RETURN_IF_ERROR(String(0));
        // A label has no templates, so its escapes are those of JSON.
        const absl::StatusOr<nlohmann::json> label = json::Parse(text_.substr(begin, at_ - begin));
        if (!label.ok()) return FailAt(begin, "a label must be a plain string");
        item.labels.push_back(label->get<std::string>());
      } else if (IsHclIdentifierStart(Peek())) {
        item.labels.push_back(Identifier());
      } else {
        break;
      }
      SkipBlanks();
    }
    if (Peek() != '{') return Unexpected("\"=\", a label or \"{\"");
    const size_t open = at_++;
    item.body.begin = at_;
    PURSER_RETURN_IF_ERROR(Body(depth + 1, item.body));
    if (Peek() != '}') return FailAt(open, "this \"{\" is not closed");
    item.body.end = at_++;
    item.end = at_;
    item.one_line = text_.substr(open, at_ - open).find('\n') == absl::string_view::npos;
    return absl::OkStatus();
  }

  // Up to the end of the line on which no bracket is open; `end_` is behind the last token.
  absl::Status Expression() {
    std::string open;
    bool operand = false;  // a value has just ended, so that an operator must follow
    const size_t begin = end_ = at_;
    for (;;) {
      if (open.empty()) {
        SkipBlanks();
      } else {
        SkipAll();
      }
      if (at_ >= text_.size()) {
        if (open.empty() && end_ == begin) return Unexpected("an expression");
        if (open.empty()) return absl::OkStatus();
        return Unexpected(absl::StrCat("\"", std::string(1, open.back()), "\""));
      }
      const char c = Peek();
      if (open.empty() && (c == '\n' || c == '#' || Has("//") || c == '}' || c == ',')) {
        if (end_ == begin) return Unexpected("an expression");
        return absl::OkStatus();
      }
      const bool starts = c == '"' || IsHclIdentifierPart(c);
      if (open.empty() && operand && starts && c != '-') {
        return Unexpected("a new line or an operator");
      }
      operand = starts || c == ')' || c == ']' || c == '}';
      if (c == '(' || c == '[' || c == '{') {
        open.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
        if (open.size() > kMaxHclDepth) {
          return FailAt(at_, absl::StrCat("nested deeper than ", kMaxHclDepth, " (kMaxHclDepth)"),
                        absl::StatusCode::kResourceExhausted);
        }
        ++at_;
      } else if (c == ')' || c == ']' || c == '}') {
        if (open.empty() || open.back() != c) return Unexpected("an expression");
        open.pop_back();
        ++at_;
      } else if (c == '"') {
        PURSER_RETURN_IF_ERROR(String(0));
      } else if (Has("<<") && (IsHclIdentifierStart(Peek(2)) ||
                               (Peek(2) == '-' && IsHclIdentifierStart(Peek(3))))) {
        PURSER_RETURN_IF_ERROR(Heredoc());
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return Unexpected("an expression");
      } else if (IsHclIdentifierPart(c)) {
        Identifier();
      } else if (absl::string_view("+-*/%&|!<>=?:.,").find(c) != absl::string_view::npos) {
        ++at_;
      } else {
        return Unexpected("an expression");
      }
      end_ = at_;
    }
  }

  // Behind the closing quote. Templates hold expressions, which hold strings.
  absl::Status String(int depth) {
    const size_t begin = at_++;
    while (at_ < text_.size() && Peek() != '\n') {
      if (Peek() == '\\') {
        at_ += 2;
      } else if (Peek() == '"') {
        ++at_;
        return absl::OkStatus();
      } else if (Has("$${") || Has("%%{")) {
        at_ += 3;
      } else if (Has("${") || Has("%{")) {
        PURSER_RETURN_IF_ERROR(Template(depth));
      } else {
        ++at_;
      }
    }
    return FailAt(begin, "this string is not closed on its line");
  }

  // Behind the } of a template. Line ends are allowed in it.
  absl::Status Template(int depth) {
    const size_t begin = at_;
    if (depth >= kMaxHclDepth) {
      return FailAt(at_,
                    absl::StrCat("templates nested deeper than ", kMaxHclDepth, " (kMaxHclDepth)"),
                    absl::StatusCode::kResourceExhausted);
    }
    at_ += 2;
    int braces = 1;
    while (at_ < text_.size()) {
      const char c = Peek();
      if (c == '"') {
        PURSER_RETURN_IF_ERROR(String(depth + 1));
        continue;
      }
      if (c == '#' || Has("//")) {
        SkipLineComment();
        continue;
      }
      if (Has("/*")) {
        SkipBlanks();
        continue;
      }
      ++at_;
      if (c == '{') ++braces;
      if (c == '}' && --braces == 0) return absl::OkStatus();
    }
    return FailAt(begin, "this template is not closed");
  }

  // Ends behind the marker's line, without the line end. Templates in it end within their own lines
  // or go over several; a marker inside a template is none, but such texts are not written.
  absl::Status Heredoc() {
    const size_t begin = at_;
    at_ += Peek(2) == '-' ? 3 : 2;
    const std::string marker = Identifier();
    SkipCarriageReturn();
    if (Peek() != '\n') return Unexpected("a new line behind the heredoc's marker");
    for (;;) {
      ++at_;
      const size_t end = std::min(text_.find('\n', at_), text_.size());
      absl::string_view line = text_.substr(at_, end - at_);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      const absl::string_view bare = absl::StripAsciiWhitespace(line);
      if (bare == marker) {
        at_ += line.size();
        return absl::OkStatus();
      }
      at_ = end;
      if (at_ >= text_.size()) {
        return FailAt(begin, absl::StrCat("the heredoc is not closed by ",
                                          base::EscapeForDisplay(marker, 60)));
      }
    }
  }
  void SkipCarriageReturn() {
    if (Peek() == '\r' && Peek(1) == '\n') ++at_;
  }

  const absl::string_view text_;
  const std::string file_;
  size_t at_ = 0;
  size_t end_ = 0;
  size_t open_comment_ = absl::string_view::npos;
  int items_ = 0;
};

}  // namespace

absl::StatusOr<HclBody> ParseHcl(absl::string_view text, absl::string_view file) {
  if (static_cast<int64_t>(text.size()) > kMaxHclBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(file, ": ", text.size(), " bytes, more than ",
                                                     kMaxHclBytes, " (kMaxHclBytes)"));
  }
  if (!base::IsValidUtf8(text)) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": the text must be UTF-8"));
  }
  return Parser(text, file).File();
}

absl::Status CheckHclExpression(absl::string_view text) {
  if (!base::IsValidUtf8(text)) return absl::InvalidArgumentError("the expression must be UTF-8");
  return Parser(text, "expression").OneExpression();
}

bool IsHclIdentifier(absl::string_view text) {
  return !text.empty() && IsHclIdentifierStart(text[0]) &&
         std::all_of(text.begin(), text.end(), IsHclIdentifierPart) && base::IsValidUtf8(text);
}

}  // namespace purser::document
