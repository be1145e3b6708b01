#include "document/hcl_parser.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "document/hcl.h"

namespace purser::document {
namespace {

using Kind = HclExpression::Node::Kind;

// Whole numbers below are exact as a double.
constexpr double kMaxExactDouble = 9e15;

// Binary operators by how tightly they bind, loosest first.
const std::vector<std::vector<absl::string_view>>& Levels() {
  static const auto& levels = *new std::vector<std::vector<absl::string_view>>{
      {"||"}, {"&&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/", "%"}};
  return levels;
}

}  // namespace

absl::StatusOr<HclParser::NodePtr> HclParser::Whole() {
  PURSER_ASSIGN_OR_RETURN(NodePtr node, Expression());
  Skip();
  if (at_ < text_.size()) return Unexpected("the end of the expression");
  return node;
}

absl::Status HclParser::TooDeep() const {
  return FailAt(at_,
                absl::StrCat("an expression nested deeper than ", kMaxHclExpressionDepth,
                             " (kMaxHclExpressionDepth)"),
                absl::StatusCode::kResourceExhausted);
}

absl::StatusOr<HclParser::NodePtr> HclParser::Make(Node node) {
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

absl::StatusOr<HclParser::NodePtr> HclParser::MakeLiteral(nlohmann::json value) {
  Node node;
  node.value = std::move(value);
  return Make(std::move(node));
}

absl::StatusOr<HclParser::NodePtr> HclParser::Expression() {
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

absl::StatusOr<HclParser::NodePtr> HclParser::Binary(size_t level) {
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

absl::StatusOr<HclParser::NodePtr> HclParser::Unary() {
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

absl::StatusOr<HclParser::NodePtr> HclParser::Postfix() {
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

absl::StatusOr<HclParser::NodePtr> HclParser::Primary() {
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

absl::StatusOr<HclParser::NodePtr> HclParser::Number() {
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

absl::StatusOr<HclParser::NodePtr> HclParser::Call(std::string name) {
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

absl::StatusOr<HclParser::NodePtr> HclParser::Collection(char open) {
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

absl::StatusOr<HclParser::NodePtr> HclParser::For(char close) {
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

}  // namespace purser::document
