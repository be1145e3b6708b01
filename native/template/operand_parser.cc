// Operands of expressions, what hangs on them (filters, members, calls), and what tags declare.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "template/expression_parser.h"
#include "template/number.h"

namespace purser::tmpl {
namespace {

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

}  // namespace purser::tmpl
