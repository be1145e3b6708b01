#include "document/hcl_expression.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/hcl.h"
#include "document/hcl_node.h"

namespace purser::document {
namespace {

using Node = HclExpression::Node;
using NodePtr = std::shared_ptr<const Node>;
using Kind = Node::Kind;

// Whole numbers below are exact as a double.
constexpr double kMaxExactDouble = 9e15;

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

// Binary operators by how tightly they bind, loosest first.
const std::vector<std::vector<absl::string_view>>& Levels() {
  static const auto& levels = *new std::vector<std::vector<absl::string_view>>{
      {"||"}, {"&&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/", "%"}};
  return levels;
}

class Parser {
 public:
  Parser(absl::string_view text, absl::string_view file, Position start)
      : text_(text), file_(file), start_(start) {}

  absl::StatusOr<NodePtr> Whole() {
    PURSER_ASSIGN_OR_RETURN(NodePtr node, Expression());
    Skip();
    if (at_ < text_.size()) return Unexpected("the end of the expression");
    return node;
  }
  absl::StatusOr<NodePtr> WholeTemplate() { return Template('\0', false); }

 private:
  // Counts how deep the recursion is while it lives.
  class Deeper {
   public:
    explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
    ~Deeper() { --depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    int& depth_;
  };

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Has(absl::string_view what) const {
    return absl::StartsWith(text_.substr(std::min(at_, text_.size())), what);
  }
  absl::Status FailAt(size_t at, absl::string_view what,
                      absl::StatusCode code = absl::StatusCode::kInvalidArgument) const {
    at = std::min(at, text_.size());
    int line = start_.line;
    int column = start_.column;
    for (size_t i = 0; i < at; ++i) {
      if (text_[i] == '\n') {
        ++line;
        column = 1;
      } else if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80) {
        ++column;
      }
    }
    return absl::Status(code, absl::StrCat(file_, ":", line, ":", column, ": ", what));
  }
  absl::Status Unexpected(absl::string_view wanted) const {
    const std::string found =
        at_ < text_.size() ? absl::StrCat("\"", base::EscapeForDisplay(text_.substr(at_, 12)), "\"")
                           : "the end of the text";
    return FailAt(at_, absl::StrCat("expected ", wanted, ", not ", found));
  }
  absl::Status TooDeep() const {
    return FailAt(at_,
                  absl::StrCat("an expression nested deeper than ", kMaxHclExpressionDepth,
                               " (kMaxHclExpressionDepth)"),
                  absl::StatusCode::kResourceExhausted);
  }

  absl::StatusOr<NodePtr> Make(Node node) {
    for (const NodePtr& child : node.children) node.depth = std::max(node.depth, child->depth + 1);
    if (node.depth > kMaxHclExpressionDepth) return TooDeep();
    if (++nodes_ > kMaxHclExpressionNodes) {
      return FailAt(at_,
                    absl::StrCat("an expression of more than ", kMaxHclExpressionNodes,
                                 " parts (kMaxHclExpressionNodes)"),
                    absl::StatusCode::kResourceExhausted);
    }
    return std::make_shared<const Node>(std::move(node));
  }
  absl::StatusOr<NodePtr> MakeLiteral(nlohmann::json value) {
    Node node;
    node.value = std::move(value);
    return Make(std::move(node));
  }

  // Over blanks and comments, and over line ends where they mean nothing.
  void Skip() {
    while (at_ < text_.size()) {
      const char c = Peek();
      if (c == ' ' || c == '\t' || c == '\r' || (c == '\n' && !lines_count_)) {
        ++at_;
      } else if (c == '#' || Has("//")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (Has("/*")) {
        const size_t close = text_.find("*/", at_ + 2);
        at_ = close == absl::string_view::npos ? text_.size() : close + 2;
      } else {
        return;
      }
    }
  }
  void SkipLines() {
    const bool before = std::exchange(lines_count_, false);
    Skip();
    lines_count_ = before;
  }

  std::string Identifier() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsHclIdentifierPart(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  // A word that is one of the language's, not the beginning of a longer name.
  bool TakeWord(absl::string_view word) {
    if (!Has(word)) return false;
    if (at_ + word.size() < text_.size() && IsHclIdentifierPart(text_[at_ + word.size()])) {
      return false;
    }
    at_ += word.size();
    return true;
  }
  absl::Status Take(absl::string_view token) {
    Skip();
    if (!Has(token)) return Unexpected(absl::StrCat("\"", token, "\""));
    at_ += token.size();
    return absl::OkStatus();
  }

  absl::StatusOr<NodePtr> Expression() {
    const Deeper deeper(depth_);
    if (depth_ > kMaxHclExpressionDepth) return TooDeep();
    PURSER_ASSIGN_OR_RETURN(NodePtr condition, Binary(0));
    Skip();
    if (Peek() != '?') return condition;
    ++at_;
    PURSER_ASSIGN_OR_RETURN(NodePtr yes, Expression());
    PURSER_RETURN_IF_ERROR(Take(":"));
    PURSER_ASSIGN_OR_RETURN(NodePtr no, Expression());
    Node node;
    node.kind = Kind::kConditional;
    node.children = {std::move(condition), std::move(yes), std::move(no)};
    return Make(std::move(node));
  }

  absl::StatusOr<NodePtr> Binary(size_t level) {
    if (level == Levels().size()) return Unary();
    PURSER_ASSIGN_OR_RETURN(NodePtr left, Binary(level + 1));
    for (;;) {
      Skip();
      absl::string_view taken;
      for (const absl::string_view candidate : Levels()[level]) {
        if (Has(candidate)) {
          taken = candidate;
          break;
        }
      }
      // "=>" of a `for` is no comparison.
      if (taken.empty()) return left;
      at_ += taken.size();
      PURSER_ASSIGN_OR_RETURN(NodePtr right, Binary(level + 1));
      Node node;
      node.kind = Kind::kBinary;
      node.text = std::string(taken);
      node.children = {std::move(left), std::move(right)};
      PURSER_ASSIGN_OR_RETURN(left, Make(std::move(node)));
    }
  }

  absl::StatusOr<NodePtr> Unary() {
    Skip();
    const char c = Peek();
    if ((c != '!' || Peek(1) == '=') && c != '-') return Postfix();
    const Deeper deeper(depth_);
    if (depth_ > kMaxHclExpressionDepth) return TooDeep();
    ++at_;
    PURSER_ASSIGN_OR_RETURN(NodePtr operand, Unary());
    Node node;
    node.kind = Kind::kUnary;
    node.text = std::string(1, c);
    node.children = {std::move(operand)};
    return Make(std::move(node));
  }

  absl::StatusOr<NodePtr> Postfix() {
    PURSER_ASSIGN_OR_RETURN(NodePtr node, Primary());
    for (;;) {
      Skip();
      Node next;
      if (Peek() == '.' && Peek(1) != '.') {
        ++at_;
        Skip();
        if (Peek() == '*') {
          ++at_;
          next.kind = Kind::kSplat;
        } else if (absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) {
          const size_t begin = at_;
          while (absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) ++at_;
          int64_t index = 0;
          if (!absl::SimpleAtoi(text_.substr(begin, at_ - begin), &index)) {
            return FailAt(begin, "this index is too large");
          }
          next.kind = Kind::kIndex;
          PURSER_ASSIGN_OR_RETURN(NodePtr literal, MakeLiteral(index));
          next.children.push_back(std::move(literal));
        } else if (IsHclIdentifierStart(Peek())) {
          next.kind = Kind::kMember;
          next.text = Identifier();
        } else {
          return Unexpected("a member's name");
        }
      } else if (Peek() == '[') {
        ++at_;
        const bool before = std::exchange(lines_count_, false);
        Skip();
        if (Peek() == '*') {
          ++at_;
          next.kind = Kind::kSplat;
        } else {
          next.kind = Kind::kIndex;
          PURSER_ASSIGN_OR_RETURN(NodePtr index, Expression());
          next.children.push_back(std::move(index));
        }
        PURSER_RETURN_IF_ERROR(Take("]"));
        lines_count_ = before;
      } else {
        return node;
      }
      next.children.insert(next.children.begin(), std::move(node));
      PURSER_ASSIGN_OR_RETURN(node, Make(std::move(next)));
    }
  }

  absl::StatusOr<NodePtr> Primary() {
    Skip();
    const char c = Peek();
    if (c == '"') {
      ++at_;
      return Template('"', true);
    }
    if (c == '(') {
      ++at_;
      const bool before = std::exchange(lines_count_, false);
      PURSER_ASSIGN_OR_RETURN(NodePtr inner, Expression());
      PURSER_RETURN_IF_ERROR(Take(")"));
      lines_count_ = before;
      return inner;
    }
    if (c == '[' || c == '{') return Collection(c);
    if (Has("<<")) return Heredoc();
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) return Number();
    if (!IsHclIdentifierStart(c)) return Unexpected("an expression");
    std::string name = Identifier();
    // Functions of providers: provider::name::function(…).
    while (Has("::")) {
      at_ += 2;
      absl::StrAppend(&name, "::", Identifier());
    }
    Skip();
    if (Peek() == '(') return Call(std::move(name));
    if (name == "true" || name == "false") return MakeLiteral(name == "true");
    if (name == "null") return MakeLiteral(nullptr);
    Node node;
    node.kind = Kind::kName;
    node.text = std::move(name);
    return Make(std::move(node));
  }

  absl::StatusOr<NodePtr> Number() {
    const size_t begin = at_;
    const auto digits = [&] {
      while (absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) ++at_;
    };
    digits();
    bool whole = true;
    if (Peek() == '.' && absl::ascii_isdigit(static_cast<unsigned char>(Peek(1)))) {
      whole = false;
      ++at_;
      digits();
    }
    const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 2 : 1;
    if ((Peek() == 'e' || Peek() == 'E') &&
        absl::ascii_isdigit(static_cast<unsigned char>(Peek(sign)))) {
      whole = false;
      at_ += sign;
      digits();
    }
    const absl::string_view text = text_.substr(begin, at_ - begin);
    int64_t integer = 0;
    if (whole && absl::SimpleAtoi(text, &integer)) return MakeLiteral(integer);
    double number = 0;
    if (!absl::SimpleAtod(text, &number)) return FailAt(begin, "this is no number");
    // 1.0 and 1 are one number.
    if (number == std::floor(number) && std::fabs(number) < kMaxExactDouble) {
      return MakeLiteral(static_cast<int64_t>(number));
    }
    return MakeLiteral(number);
  }

  absl::StatusOr<NodePtr> Call(std::string name) {
    ++at_;
    const bool before = std::exchange(lines_count_, false);
    Node node;
    node.kind = Kind::kCall;
    node.text = std::move(name);
    for (;;) {
      Skip();
      if (Peek() == ')') break;
      PURSER_ASSIGN_OR_RETURN(NodePtr argument, Expression());
      node.children.push_back(std::move(argument));
      Skip();
      if (Has("...")) {
        at_ += 3;
        node.expands = true;
        Skip();
        break;
      }
      if (Peek() != ',') break;
      ++at_;
    }
    PURSER_RETURN_IF_ERROR(Take(")"));
    lines_count_ = before;
    return Make(std::move(node));
  }

  absl::StatusOr<NodePtr> Collection(char open) {
    const char close = open == '[' ? ']' : '}';
    ++at_;
    const bool before = std::exchange(lines_count_, false);
    Skip();
    const size_t first = at_;
    if (TakeWord("for")) {
      Skip();
      // {for = 1} has a key of that name.
      if (IsHclIdentifierStart(Peek())) {
        absl::StatusOr<NodePtr> loop = For(close);
        lines_count_ = before;
        return loop;
      }
      at_ = first;
    }
    Node node;
    node.kind = open == '[' ? Kind::kTuple : Kind::kObject;
    // The items of an object end with their line.
    lines_count_ = open == '{';
    for (;;) {
      SkipLines();
      if (Peek() == close) break;
      PURSER_ASSIGN_OR_RETURN(NodePtr item, Expression());
      if (open == '{') {
        // A bare name is a key, not a reference.
        if (item->kind == Kind::kName) {
          PURSER_ASSIGN_OR_RETURN(item, MakeLiteral(item->text));
        }
        node.children.push_back(std::move(item));
        Skip();
        if (Peek() != '=' && Peek() != ':') return Unexpected("\"=\"");
        ++at_;
        PURSER_ASSIGN_OR_RETURN(item, Expression());
      }
      node.children.push_back(std::move(item));
      Skip();
      if (Peek() == ',' || (open == '{' && Peek() == '\n')) {
        ++at_;
        continue;
      }
      if (Peek() != close) {
        return Unexpected(open == '{' ? "a new line, \",\" or \"}\"" : "\",\" or \"]\"");
      }
    }
    ++at_;
    lines_count_ = before;
    return Make(std::move(node));
  }

  // Behind "for".
  absl::StatusOr<NodePtr> For(char close) {
    Node node;
    node.kind = Kind::kFor;
    node.names.push_back(Identifier());
    Skip();
    if (Peek() == ',') {
      ++at_;
      Skip();
      node.names.push_back(Identifier());
      Skip();
    }
    if (!TakeWord("in")) return Unexpected("\"in\"");
    PURSER_ASSIGN_OR_RETURN(NodePtr walked, Expression());
    node.children.push_back(std::move(walked));
    PURSER_RETURN_IF_ERROR(Take(":"));
    PURSER_ASSIGN_OR_RETURN(NodePtr first, Expression());
    node.children.push_back(std::move(first));
    Skip();
    if (Has("=>")) {
      at_ += 2;
      PURSER_ASSIGN_OR_RETURN(NodePtr second, Expression());
      node.children.push_back(std::move(second));
      Skip();
      if (Has("...")) at_ += 3;
      Skip();
    }
    if (TakeWord("if")) {
      PURSER_ASSIGN_OR_RETURN(NodePtr condition, Expression());
      node.children.push_back(std::move(condition));
    }
    PURSER_RETURN_IF_ERROR(Take(absl::string_view(&close, 1)));
    return Make(std::move(node));
  }

  absl::StatusOr<NodePtr> Heredoc() {
    const size_t begin = at_;
    at_ += 2;
    const bool indented = Peek() == '-';
    if (indented) ++at_;
    const std::string marker = Identifier();
    if (Peek() == '\r') ++at_;
    if (marker.empty() || Peek() != '\n') return Unexpected("a heredoc's marker and a new line");
    ++at_;
    std::vector<absl::string_view> lines;
    for (;;) {
      if (at_ >= text_.size()) return FailAt(begin, "the heredoc is not closed");
      const size_t end = std::min(text_.find('\n', at_), text_.size());
      const absl::string_view line = text_.substr(at_, end - at_);
      if (absl::StripAsciiWhitespace(line) == marker) {
        at_ = end;
        break;
      }
      lines.push_back(line);
      at_ = std::min(end + 1, text_.size());
    }
    size_t indent = 0;
    if (indented) {
      indent = absl::string_view::npos;
      for (const absl::string_view line : lines) {
        const size_t blanks = line.find_first_not_of(" \t");
        if (blanks != absl::string_view::npos) indent = std::min(indent, blanks);
      }
    }
    std::string body;
    for (absl::string_view line : lines) {
      line.remove_prefix(std::min(indent, line.size()));
      absl::StrAppend(&body, line, "\n");
    }
    const Deeper deeper(depth_);
    if (depth_ > kMaxHclExpressionDepth) return TooDeep();
    // Faults inside are reported at the heredoc's first line.
    Position start = start_;
    start.line += static_cast<int>(
        1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(begin), '\n'));
    start.column = 1;
    Parser inner(body, file_, start);
    inner.depth_ = depth_;
    inner.nodes_ = nodes_;
    absl::StatusOr<NodePtr> node = inner.Template('\0', false);
    nodes_ = inner.nodes_;
    return node;
  }

  // Text with ${ } and %{ } up to `close` (or the end), behind which it ends. Backslashes escape in
  // quoted strings only.
  absl::StatusOr<NodePtr> Template(char close, bool escapes) {
    Node node;
    node.kind = Kind::kTemplate;
    std::string text;
    bool trims_left = false;  // the sequence before this text ended in "~}"
    const auto flush = [&](bool trims_right) -> absl::Status {
      if (trims_left) text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
      if (trims_right) text.erase(text.find_last_not_of(" \t\r\n") + 1);
      if (text.empty()) return absl::OkStatus();
      PURSER_ASSIGN_OR_RETURN(NodePtr literal, MakeLiteral(std::move(text)));
      node.children.push_back(std::move(literal));
      text.clear();
      return absl::OkStatus();
    };
    const size_t begin = at_;
    for (;;) {
      if (at_ >= text_.size()) {
        if (close != '\0') return FailAt(begin, "this string is not closed");
        break;
      }
      const char c = Peek();
      if (close != '\0' && c == close) {
        ++at_;
        break;
      }
      if (Has("$${") || Has("%%{")) {
        absl::StrAppend(&text, std::string(1, c), "{");
        at_ += 3;
      } else if (Has("${") || Has("%{")) {
        PURSER_RETURN_IF_ERROR(flush(Peek(2) == '~'));
        at_ += Peek(2) == '~' ? 3 : 2;
        const bool before = std::exchange(lines_count_, false);
        absl::StatusOr<NodePtr> part = c == '$' ? Expression() : Directive();
        if (!part.ok()) return part.status();
        node.children.push_back(*std::move(part));
        Skip();
        trims_left = Peek() == '~';
        if (trims_left) ++at_;
        PURSER_RETURN_IF_ERROR(Take("}"));
        lines_count_ = before;
      } else if (escapes && c == '\\') {
        PURSER_RETURN_IF_ERROR(Escape(&text));
      } else {
        text.push_back(c);
        ++at_;
      }
    }
    PURSER_RETURN_IF_ERROR(flush(false));
    if (node.children.empty()) return MakeLiteral("");
    if (node.children.size() == 1 && node.children[0]->kind == Kind::kLiteral &&
        node.children[0]->value.is_string()) {
      return node.children[0];
    }
    return Make(std::move(node));
  }

  absl::Status Escape(std::string* out) {
    const size_t begin = at_++;
    const char c = Peek();
    ++at_;
    switch (c) {
      case 'n':
        out->push_back('\n');
        return absl::OkStatus();
      case 'r':
        out->push_back('\r');
        return absl::OkStatus();
      case 't':
        out->push_back('\t');
        return absl::OkStatus();
      case '"':
        out->push_back('"');
        return absl::OkStatus();
      case '\\':
        out->push_back('\\');
        return absl::OkStatus();
      case 'u':
      case 'U': {
        const size_t digits = c == 'u' ? 4 : 8;
        uint32_t code = 0;
        if (at_ + digits > text_.size() || !absl::SimpleHexAtoi(text_.substr(at_, digits), &code) ||
            code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
          return FailAt(begin, "this escape names no character");
        }
        at_ += digits;
        AppendUtf8(code, out);
        return absl::OkStatus();
      }
      default:
        return FailAt(begin, "no such escape; \\n, \\r, \\t, \\\", \\\\, \\uNNNN, \\UNNNNNNNN");
    }
  }

  // Behind "%{": what it reads.
  absl::StatusOr<NodePtr> Directive() {
    Skip();
    Node node;
    node.kind = Kind::kDirective;
    if (TakeWord("if")) {
      PURSER_ASSIGN_OR_RETURN(NodePtr condition, Expression());
      node.children.push_back(std::move(condition));
    } else if (TakeWord("for")) {
      do {
        Skip();
        if (Peek() == ',') ++at_;
        Skip();
        node.names.push_back(Identifier());
        Skip();
      } while (Peek() == ',');
      if (!TakeWord("in")) return Unexpected("\"in\"");
      PURSER_ASSIGN_OR_RETURN(NodePtr walked, Expression());
      node.children.push_back(std::move(walked));
    } else if (!TakeWord("else") && !TakeWord("endif") && !TakeWord("endfor")) {
      return Unexpected("if, else, endif, for or endfor");
    }
    return Make(std::move(node));
  }

  const absl::string_view text_;
  const std::string file_;
  const Position start_;
  size_t at_ = 0;
  bool lines_count_ = false;
  int depth_ = 0;
  int nodes_ = 0;
};

// The recursion follows a JSON value, whose depth its parser bounded.
absl::StatusOr<NodePtr> NodeOfJson(const nlohmann::json& value, absl::string_view file,
                                   Position start, int depth) {
  if (depth > kMaxHclExpressionDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat(file, ":", start.line, ":", start.column, ": a value nested deeper than ",
                     kMaxHclExpressionDepth, " (kMaxHclExpressionDepth)"));
  }
  if (value.is_string()) {
    return Parser(value.get_ref<const std::string&>(), file, start).WholeTemplate();
  }
  Node node;
  const auto add = [&node](NodePtr child) {
    node.depth = std::max(node.depth, child->depth + 1);
    node.children.push_back(std::move(child));
  };
  if (value.is_object()) {
    node.kind = Kind::kObject;
    for (const auto& [key, member] : value.items()) {
      PURSER_ASSIGN_OR_RETURN(NodePtr name, Parser(key, file, start).WholeTemplate());
      add(std::move(name));
      PURSER_ASSIGN_OR_RETURN(NodePtr child, NodeOfJson(member, file, start, depth + 1));
      add(std::move(child));
    }
  } else if (value.is_array()) {
    node.kind = Kind::kTuple;
    for (const nlohmann::json& element : value) {
      PURSER_ASSIGN_OR_RETURN(NodePtr child, NodeOfJson(element, file, start, depth + 1));
      add(std::move(child));
    }
  } else {
    node.value = value;
  }
  return std::make_shared<const Node>(std::move(node));
}

absl::StatusOr<HclExpression> Wrap(absl::StatusOr<NodePtr> node) {
  if (!node.ok()) return std::move(node).status();
  return HclExpression(*std::move(node));
}

absl::Status CheckText(absl::string_view text, absl::string_view file) {
  if (base::IsValidUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(file, ": the expression must be UTF-8"));
}

}  // namespace

absl::StatusOr<HclExpression> ParseHclExpression(absl::string_view text, absl::string_view file,
                                                 Position start) {
  PURSER_RETURN_IF_ERROR(CheckText(text, file));
  return Wrap(Parser(text, file, start).Whole());
}

absl::StatusOr<HclExpression> ParseHclTemplate(absl::string_view text, absl::string_view file,
                                               Position start) {
  PURSER_RETURN_IF_ERROR(CheckText(text, file));
  return Wrap(Parser(text, file, start).WholeTemplate());
}

absl::StatusOr<HclExpression> HclExpressionOfJson(const nlohmann::json& value,
                                                  absl::string_view file, Position start) {
  return Wrap(NodeOfJson(value, file, start, 0));
}

}  // namespace purser::document
