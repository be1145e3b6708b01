#include "template/expression_parser.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "template/number.h"

namespace purser::tmpl {
namespace {

// Levels of the operators between two operands, loosest first.
constexpr int kOrLevel = 0;
constexpr int kAndLevel = 1;
constexpr int kNotLevel = 2;
constexpr int kInLevel = 3;
constexpr int kIsLevel = 4;
constexpr int kEqualLevel = 5;
constexpr int kOrderLevel = 6;
constexpr int kAddLevel = 7;

}  // namespace

ExpressionParser::ExpressionParser(ProgramBuilder& builder, absl::string_view code, uint32_t offset)
    : builder_(builder),
      tokens_(builder.tokens().list),
      ok_(Tokenize(builder.run(), code, offset, &builder.tokens())) {}

bool ExpressionParser::Expression(NodeId* out) { return ok_ && InlineIf(out) && ExpectEnd(); }

bool ExpressionParser::InlineIf(NodeId* out) {
  ProgramBuilder::Nesting nesting(builder_, Peek().offset);
  if (!nesting.ok()) return false;
  NodeId then;
  if (!Binary(kOrLevel, &then)) return false;
  *out = then;
  if (!Take(kIfWord)) return true;
  const NodeId made = builder_.Make(NodeType::kInlineIf, builder_.node(then).offset);
  NodeId condition, otherwise = kNoNode;
  if (!Binary(kOrLevel, &condition)) return false;
  if (Take(kElseWord) && !Binary(kOrLevel, &otherwise)) return false;
  builder_.node(made).a = condition;
  builder_.node(made).b = then;
  builder_.node(made).c = otherwise;
  *out = made;
  return true;
}

// Operators of level `lowest` and tighter. Each turn takes the next operator; as its right side
// takes all tighter ones, levels only fall from turn to turn.
bool ExpressionParser::Binary(int lowest, NodeId* out) {
  NodeId left;
  bool tested = false;
  if (lowest <= kNotLevel && Is(kNotWord)) {
    if (!Not(&left)) return false;
    tested = true;  // within what `not` took
  } else if (!Multiplicative(&left)) {
    return false;
  }
  while (true) {
    if (!builder_.run().Step()) return false;
    if (Peek().symbol == kNoSymbol || Is(')')) {  // mostly nothing follows
      *out = left;
      return true;
    }
    if (lowest <= kAddLevel && (Is('+') || Is('-') || Is('~'))) {
      const NodeType type = Take('+')   ? NodeType::kAdd
                            : Take('-') ? NodeType::kSubtract
                                        : NodeType::kConcat;
      if (type == NodeType::kConcat) Take('~');
      NodeId right;
      if (!Multiplicative(&right)) return false;
      left = MakeBinary(type, left, right);
    } else if (lowest <= kOrderLevel && Comparator(kOrderLevel).has_value()) {
      if (!Comparison(kOrderLevel, left, &left)) return false;
    } else if (lowest <= kEqualLevel && Comparator(kEqualLevel).has_value()) {
      if (!Comparison(kEqualLevel, left, &left)) return false;
    } else if (lowest <= kIsLevel && !tested && Is(kIsWord)) {
      tested = true;
      if (!Test(left, &left)) return false;
    } else if (lowest <= kInLevel && Is(kInWord)) {
      ++at_;
      if (!Membership(left, false, &left)) return false;
      tested = true;
    } else if (lowest <= kInLevel && Is(kNotWord) && Is(kInWord, 1)) {
      at_ += 2;
      if (!Membership(left, true, &left)) return false;
      tested = true;
    } else if (lowest <= kAndLevel && Take(kAndWord)) {
      NodeId right;
      if (!Binary(kNotLevel, &right)) return false;
      left = MakeBinary(NodeType::kAnd, left, right);
      tested = true;
    } else if (lowest <= kOrLevel && Take(kOrWord)) {
      NodeId right;
      if (!Binary(kAndLevel, &right)) return false;
      left = MakeBinary(NodeType::kOr, left, right);
      tested = true;
    } else {
      *out = left;
      return true;
    }
  }
}

bool ExpressionParser::Comparison(int level, NodeId left, NodeId* out) {
  const NodeId made = builder_.Make(NodeType::kCompare, builder_.node(left).offset);
  std::vector<NodeId> operands;
  while (const std::optional<CompareOp> op = Comparator(level)) {
    ++at_;
    NodeId right;
    if (!Binary(level + 1, &right)) return false;
    const NodeId operand = builder_.Make(NodeType::kCompareOperand, builder_.node(right).offset);
    builder_.node(operand).op = *op;
    builder_.node(operand).a = right;
    operands.push_back(operand);
  }
  builder_.node(made).a = left;
  builder_.SetList(made, operands);
  *out = made;
  return true;
}

bool ExpressionParser::Membership(NodeId left, bool negate, NodeId* out) {
  NodeId right;
  if (!Binary(kIsLevel, &right)) return false;
  *out = MakeBinary(NodeType::kIn, left, right);
  if (negate) {
    const NodeId made = builder_.Make(NodeType::kNot, builder_.node(left).offset);
    builder_.node(made).a = *out;
    *out = made;
  }
  return true;
}

bool ExpressionParser::Test(NodeId left, NodeId* out) {
  ++at_;  // is
  const bool negate = Take(kNotWord);
  NodeId right;
  if (!Binary(kEqualLevel, &right)) return false;
  const NodeId made = builder_.Make(NodeType::kIs, builder_.node(right).offset);
  // The test is named by what stands there, never by a value: `is null` is the test "null".
  Node& test = builder_.node(right);
  NodeId named = right;
  NodeId arguments = kNoNode;
  std::string name = "undefined";
  if (test.type == NodeType::kCall) {
    named = test.a;
    arguments = test.b;
  } else if (test.type == NodeType::kFilter) {
    name = builder_.Name(test.name);
    arguments = test.a;
  }
  const Node& names = builder_.node(named);
  if (names.type == NodeType::kName) {
    name = builder_.Name(names.name);
  } else if (names.type == NodeType::kLiteral || names.type == NodeType::kRegex) {
    name.clear();
    if (!ToText(builder_.run(), builder_.program().literals[names.literal], &name)) return false;
  }
  builder_.node(made).a = left;
  builder_.node(made).b = arguments;
  builder_.node(made).name = builder_.Intern(name);
  *out = made;
  if (negate) {
    const NodeId negated = builder_.Make(NodeType::kNot, builder_.node(left).offset);
    builder_.node(negated).a = made;
    *out = negated;
  }
  return true;
}

// `not a + b` negates a alone, and `not a == b` too: so it was compiled to JavaScript's `!`.
bool ExpressionParser::Not(NodeId* out) {
  const uint32_t offset = Peek().offset;
  ProgramBuilder::Nesting nesting(builder_, offset);
  if (!nesting.ok()) return false;
  ++at_;
  NodeId target;
  if (!Binary(kNotLevel, &target)) return false;
  NodeId parent = kNoNode;
  NodeId inner = target;
  while (true) {
    const NodeType type = builder_.node(inner).type;
    if (type != NodeType::kAdd && type != NodeType::kConcat && type != NodeType::kSubtract &&
        type != NodeType::kMultiply && type != NodeType::kDivide && type != NodeType::kModulo &&
        type != NodeType::kCompare) {
      break;
    }
    parent = inner;
    builder_.node(parent).offset = offset;  // `not` is where it begins now
    inner = builder_.node(inner).a;
  }
  const NodeId made = builder_.Make(NodeType::kNot, offset);
  builder_.node(made).a = inner;
  if (parent == kNoNode) {
    *out = made;
  } else {
    builder_.node(parent).a = made;
    *out = target;
  }
  return true;
}

// * and / and % go from left to right; // binds tighter than * and / and takes the % on both its
// sides with it.
bool ExpressionParser::Multiplicative(NodeId* out) {
  struct Step {
    NodeType type;
    NodeId right;
  };
  NodeId whole = kNoNode;
  NodeType joint = NodeType::kMultiply;
  while (true) {
    NodeId left;
    if (!Power(&left)) return false;
    std::vector<Step> steps;
    const auto remainders = [&] {
      while (Take('%')) {
        NodeId right;
        if (!Power(&right)) return false;
        steps.push_back({NodeType::kModulo, right});
      }
      return true;
    };
    const auto fold = [&] {
      for (const Step& step : steps) left = MakeBinary(step.type, left, step.right);
      steps.clear();
    };
    if (!remainders()) return false;
    while (Take(kFloorSymbol)) {
      NodeId right;
      if (!Power(&right)) return false;
      steps.push_back({NodeType::kDivide, right});
      if (!remainders()) return false;
      fold();
      const NodeId floor = builder_.Make(NodeType::kFloor, builder_.node(left).offset);
      builder_.node(floor).a = left;
      left = floor;
    }
    if (whole == kNoNode) {
      fold();
      whole = left;
    } else {
      whole = MakeBinary(joint, whole, left);
      left = whole;
      fold();
      whole = left;
    }
    if (Take('*')) {
      joint = NodeType::kMultiply;
    } else if (Take('/')) {
      joint = NodeType::kDivide;
    } else {
      *out = whole;
      return true;
    }
  }
}

bool ExpressionParser::Power(NodeId* out) {
  if (!Filtered(out)) return false;
  while (Take(kPowerSymbol)) {
    NodeId right;
    if (!Filtered(&right)) return false;
    *out = MakeBinary(NodeType::kPower, *out, right);
  }
  return true;
}

bool ExpressionParser::Take(Symbol symbol) {
  if (!Is(symbol)) return false;
  ++at_;
  return true;
}

bool ExpressionParser::Expect(char op) {
  return Take(static_cast<Symbol>(op)) ||
         Unexpected(absl::StrCat("\"", absl::string_view(&op, 1), "\""));
}

bool ExpressionParser::ExpectName(Token* out) {
  if (Peek().kind != TokenKind::kName) return Unexpected("a name");
  *out = Peek();
  ++at_;
  return true;
}

bool ExpressionParser::ExpectEnd() {
  return Peek().kind == TokenKind::kEnd || Unexpected("the end of the expression");
}

bool ExpressionParser::CheckName(absl::string_view name, uint32_t offset) {
  return !IsReservedName(name) ||
         builder_.Fail(offset, absl::StrCat("the name ", name, " is reserved"));
}

bool ExpressionParser::Unexpected(absl::string_view wanted) {
  const Token& token = Peek();
  return builder_.Fail(
      token.offset,
      absl::StrCat("expected ", wanted, ", found ",
                   token.kind == TokenKind::kEnd
                       ? "the end"
                       : absl::StrCat("\"", base::EscapeForDisplay(token.value, 60), "\"")));
}

std::optional<CompareOp> ExpressionParser::Comparator(int level) const {
  const Symbol op = Peek().symbol;
  if (level == kEqualLevel) {
    if (op == kEqSymbol) return CompareOp::kEq;
    if (op == kStrictEqSymbol) return CompareOp::kStrictEq;
    if (op == kNeSymbol) return CompareOp::kNe;
    if (op == kStrictNeSymbol) return CompareOp::kStrictNe;
  } else {
    if (op == '<') return CompareOp::kLt;
    if (op == kLeSymbol) return CompareOp::kLe;
    if (op == '>') return CompareOp::kGt;
    if (op == kGeSymbol) return CompareOp::kGe;
  }
  return std::nullopt;
}

NodeId ExpressionParser::MakeBinary(NodeType type, NodeId left, NodeId right) {
  const NodeId made = builder_.Make(type, builder_.node(left).offset);
  builder_.node(made).a = left;
  builder_.node(made).b = right;
  return made;
}

}  // namespace purser::tmpl
