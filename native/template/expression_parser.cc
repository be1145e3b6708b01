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

bool IsLiteralName(absl::string_view name) {
  return name == "true" || name == "false" || name == "null" || name == "none";
}

// Methods that change their array.
bool IsMutatingName(absl::string_view name) {
  static constexpr absl::string_view kNames[] = {"append", "copyWithin", "fill",   "insert",
                                                 "pop",    "push",       "remove", "reverse",
                                                 "shift",  "sort",       "splice", "unshift"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

Value Immortal(Value value) {
  if (value.IsObject()) {
    const_cast<Counted*>(static_cast<const Counted*>(value.identity()))->MakeImmortal();
  }
  return value;
}

}  // namespace

ExpressionParser::ExpressionParser(ProgramBuilder& builder, absl::string_view code, uint32_t offset)
    : builder_(builder),
      tokens_(builder.tokens().list),
      ok_(Tokenize(builder.run(), code, offset, &builder.tokens())) {}

bool ExpressionParser::Expression(NodeId* out) { return ok_ && InlineIf(out) && ExpectEnd(); }

bool ExpressionParser::Targets(std::vector<NodeId>* out) {
  if (!ok_) return false;
  do {
    Token name;
    if (!ExpectName(&name)) return false;
    if (IsLiteralName(name.value)) {
      return builder_.Fail(name.offset, absl::StrCat(name.value, " cannot be assigned to"));
    }
    if (!CheckName(name.value, name.offset)) return false;
    out->push_back(builder_.MakeName(name.value, name.offset));
  } while (Take(','));
  return ExpectEnd();
}

bool ExpressionParser::Signature(CallableInfo* out) {
  if (!ok_) return false;
  if (Peek().kind == TokenKind::kEnd) return true;
  // Parsed as the arguments of a call: the parenthesis behind the code belongs to it.
  Tokens& tokens = builder_.tokens();
  Token& end = tokens.list.back();
  const Token closing{TokenKind::kOperator, static_cast<Symbol>(')'), end.offset, ")", {}};
  ++end.offset;
  tokens.list.insert(tokens.list.end() - 1, closing);
  const auto first_node = static_cast<NodeId>(builder_.program().nodes.size());
  std::optional<uint32_t> wrong;  // the first parameter that is no name, told when all are read
  if (Take(')')) return ExpectEnd();
  do {
    const Token name = Peek();
    const bool named =
        name.kind == TokenKind::kName && !IsLiteralName(name.value) && name.symbol != kNotWord;
    if (name.kind != TokenKind::kName || !(Is('=', 1) || (named && IsLastOfArgument(1)))) {
      NodeId other;
      if (!InlineIf(&other)) return false;
      if (!wrong.has_value()) wrong = builder_.node(other).offset;
      continue;
    }
    ++at_;
    if (!CheckName(name.value, name.offset)) return false;
    Parameter parameter{.name = builder_.Intern(name.value)};
    out->declares_caller |= name.value == "caller";
    if (Take('=')) {
      if (!InlineIf(&parameter.value)) return false;
      out->defaults.push_back(parameter);
    } else {
      const auto same =
          std::find_if(out->positional.begin(), out->positional.end(),
                       [&](const Parameter& other) { return other.name == parameter.name; });
      parameter.slot = same == out->positional.end() ? builder_.Bind(parameter.name) : same->slot;
      out->positional.push_back(parameter);
    }
  } while (Take(','));
  if (!Expect(')') || !ExpectEnd()) return false;
  if (wrong.has_value()) return builder_.Fail(*wrong, "a parameter must be a name");
  // A default may name a parameter that is declared behind it.
  builder_.ResolveAgain(first_node);
  return true;
}

bool ExpressionParser::FilterOf(NodeId input, NodeId* out) {
  return ok_ && Filter(input, out) && ExpectEnd();
}

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

bool ExpressionParser::Filtered(NodeId* out) {
  if (!Unary(out)) return false;
  while (Take('|')) {
    if (!Filter(*out, out)) return false;
  }
  return true;
}

bool ExpressionParser::Filter(NodeId input, NodeId* out) {
  Token first;
  if (!ExpectName(&first) || !CheckName(first.value, first.offset)) return false;
  std::string name(first.value);
  while (Take('.')) {
    Token segment;
    if (!ExpectName(&segment) || !CheckName(segment.value, segment.offset)) return false;
    absl::StrAppend(&name, ".", segment.value);
  }
  const NodeId made = builder_.Make(NodeType::kFilter, first.offset);
  NodeId arguments;
  if (Take('(')) {
    if (!Arguments(input, &arguments)) return false;
  } else {
    arguments = builder_.Make(NodeType::kArguments, first.offset);
    builder_.SetList(arguments, {input});
  }
  builder_.node(made).name = builder_.Intern(name);
  builder_.node(made).a = arguments;
  *out = made;
  return true;
}

bool ExpressionParser::Unary(NodeId* out) {
  std::vector<NodeId> signs;
  std::optional<uint32_t> doubled;  // the last sign that follows its like
  while (Is('-') || Is('+')) {
    const NodeType type = Is('-') ? NodeType::kNegative : NodeType::kPositive;
    if (!signs.empty() && builder_.node(signs.back()).type == type) doubled = Peek().offset;
    if (static_cast<int>(signs.size()) >= builder_.run().limits().max_nesting) {
      builder_.run().FailLimit("max_nesting", builder_.run().limits().max_nesting);
      builder_.run().Locate(Peek().offset);
      return false;
    }
    signs.push_back(builder_.Make(type, Peek().offset));
    ++at_;
  }
  if (!Postfix(out)) return false;
  if (doubled.has_value()) {
    return builder_.Fail(*doubled, "two equal signs in a row need parentheses");
  }
  for (auto sign = signs.rbegin(); sign != signs.rend(); ++sign) {
    builder_.node(*sign).a = *out;
    *out = *sign;
  }
  return true;
}

bool ExpressionParser::Postfix(NodeId* out) {
  if (!Primary(out)) return false;
  ProgramData& program = builder_.program();
  while (true) {
    if (!builder_.run().Step()) return false;
    if (Take('.')) {
      Token key;
      if (!ExpectName(&key) || !CheckName(key.value, key.offset)) return false;
      const NodeId made = builder_.Make(NodeType::kLookup, key.offset);
      program.may_mutate |= IsMutatingName(key.value);
      const NodeId literal = builder_.MakeKey(key.value, key.offset);
      builder_.node(made).a = *out;
      builder_.node(made).b = literal;
      *out = made;
    } else if (Take('[')) {
      NodeId key;
      if (!Subscript(&key) || !Expect(']')) return false;
      const NodeId made = builder_.Make(NodeType::kLookup, builder_.node(key).offset);
      const Node& by = builder_.node(key);
      if (by.type == NodeType::kLiteral) {
        const Value& value = program.literals[by.literal];
        if (value.IsString()) {
          if (!CheckName(value.bytes(), by.offset)) return false;
          program.may_mutate |= IsMutatingName(value.bytes());
        }
      } else if (by.type != NodeType::kSlice) {
        program.dynamic_lookup = true;
      }
      builder_.node(made).a = *out;
      builder_.node(made).b = key;
      *out = made;
    } else if (Take('(')) {
      const NodeId made = builder_.Make(NodeType::kCall, builder_.node(*out).offset);
      NodeId arguments;
      if (!Arguments(kNoNode, &arguments)) return false;
      const Node& callee = builder_.node(*out);
      if (callee.type != NodeType::kLookup) {
        program.indirect_call = true;
      } else if (builder_.node(callee.b).type != NodeType::kLiteral) {
        program.may_mutate = true;
      }
      builder_.node(made).a = *out;
      builder_.node(made).b = arguments;
      *out = made;
    } else {
      return true;
    }
  }
}

bool ExpressionParser::Subscript(NodeId* out) {
  const uint32_t offset = Peek().offset;
  NodeId start = kNoNode, stop = kNoNode, step = kNoNode;
  const auto part = [&](NodeId* into) { return Is(':') || Is(']') || InlineIf(into); };
  if (!part(&start)) return false;
  if (!Take(':')) {
    if (start == kNoNode) return Unexpected("a subscript");
    *out = start;
    return true;
  }
  if (!part(&stop)) return false;
  if (Take(':') && !Is(']') && !InlineIf(&step)) return false;
  const NodeId made = builder_.Make(NodeType::kSlice, offset);
  builder_.node(made).a = start;
  builder_.node(made).b = stop;
  builder_.node(made).c = step;
  *out = made;
  return true;
}

bool ExpressionParser::Primary(NodeId* out) {
  const Token token = Peek();
  switch (token.kind) {
    case TokenKind::kNumber:
      ++at_;
      *out = builder_.MakeLiteral(Value::Number(StringToNumber(token.value)), token.offset);
      return true;
    case TokenKind::kString:
      ++at_;
      *out = builder_.MakeLiteral(Immortal(Value::String(std::string(token.value))), token.offset);
      return true;
    case TokenKind::kRegex:
      ++at_;
      *out = builder_.MakeLiteral(
          Immortal(Value::Of(new RegexObject(std::string(token.value), std::string(token.flags)))),
          token.offset);
      builder_.node(*out).type = NodeType::kRegex;
      return true;
    case TokenKind::kName: {
      ++at_;
      if (token.value == "true" || token.value == "false") {
        *out = builder_.MakeLiteral(Value::Bool(token.value == "true"), token.offset);
        return true;
      }
      if (token.value == "none" || token.value == "null") {
        *out = builder_.MakeLiteral(Value::Null(), token.offset);
        return true;
      }
      if (!CheckName(token.value, token.offset)) return false;
      *out = builder_.MakeName(token.value, token.offset);
      return true;
    }
    default:
      break;
  }
  std::vector<NodeId> children;
  if (Take('(')) {
    const NodeId made = builder_.Make(NodeType::kGroup, token.offset);
    if (!List(')', &children)) return false;
    if (children.empty()) return builder_.Fail(token.offset, "empty parentheses");
    builder_.SetList(made, children);
    *out = made;
    return true;
  }
  if (Take('[')) {
    const NodeId made = builder_.Make(NodeType::kArray, token.offset);
    if (!List(']', &children)) return false;
    builder_.SetList(made, children);
    *out = made;
    return true;
  }
  if (Take('{')) return Dict(token.offset, out);
  return Unexpected("a value");
}

bool ExpressionParser::Dict(uint32_t offset, NodeId* out) {
  const NodeId made = builder_.Make(NodeType::kDict, offset);
  std::vector<NodeId> pairs;
  if (!Take('}')) {
    do {
      const Token key = Peek();
      if (key.kind != TokenKind::kString &&
          (key.kind != TokenKind::kName || IsLiteralName(key.value))) {
        return builder_.Fail(key.offset, "a dictionary key must be a string or a name");
      }
      ++at_;
      if (!CheckName(key.value, key.offset) || !Expect(':')) return false;
      const NodeId pair = builder_.Make(NodeType::kPair, key.offset);
      NodeId value;
      if (!InlineIf(&value)) return false;
      builder_.node(pair).name = builder_.Intern(key.value);
      builder_.node(pair).a = value;
      pairs.push_back(pair);
    } while (Take(','));
    if (!Expect('}')) return false;
  }
  builder_.SetList(made, pairs);
  *out = made;
  return true;
}

bool ExpressionParser::List(Symbol end, std::vector<NodeId>* out) {
  if (Take(end)) return true;
  do {
    NodeId child;
    if (!InlineIf(&child)) return false;
    out->push_back(child);
  } while (Take(','));
  return Expect(end);
}

bool ExpressionParser::Arguments(NodeId first, NodeId* out) {
  const uint32_t offset = Peek().offset;
  const NodeId made = builder_.Make(NodeType::kArguments, offset);
  std::vector<NodeId> positional, keywords;
  if (first != kNoNode) positional.push_back(first);
  if (!Take(')')) {
    do {
      NodeId value;
      if (Peek().kind == TokenKind::kName && Is('=', 1)) {
        const Token key = Peek();
        at_ += 2;
        if (!CheckName(key.value, key.offset)) return false;
        const NodeId pair = builder_.Make(NodeType::kPair, key.offset);
        if (!InlineIf(&value)) return false;
        builder_.node(pair).name = builder_.Intern(key.value);
        builder_.node(pair).a = value;
        keywords.push_back(pair);
      } else {
        if (!InlineIf(&value)) return false;
        positional.push_back(value);
      }
    } while (Take(','));
    if (!Expect(')')) return false;
  }
  builder_.SetList(made, positional);
  if (!keywords.empty()) {
    const NodeId dict = builder_.Make(NodeType::kDict, offset);
    builder_.SetList(dict, keywords);
    builder_.node(made).a = dict;
  }
  *out = made;
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
