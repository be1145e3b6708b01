// How the interpreter works out expressions; statements are in interpreter.cc, calls in calls.cc.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "template/builtins.h"
#include "template/interpreter.h"

namespace purser::tmpl {

bool Interpreter::Evaluate(NodeId id, const Env& env, Value* out, int depth) {
  const Node& current = node(id);
  const bool ok = depth > run_.limits().max_nesting
                      ? run_.FailLimit("max_nesting", run_.limits().max_nesting)
                      : run_.Step() && run_.Stack() && EvaluateOne(current, env, out, depth);
  if (!ok) run_.Locate(current.offset);
  return ok;
}

bool Interpreter::EvaluateOne(const Node& node, const Env& env, Value* out, int depth) {
  switch (node.type) {
    case NodeType::kLiteral:
      *out = program_.literals[node.literal];
      return true;
    case NodeType::kRegex: {
      // Each evaluation makes a new one, with its own place of the last match.
      const RegexObject& regex = program_.literals[node.literal].regex();
      *out = Value::Of(new RegexObject(regex.source, regex.flags));
      return true;
    }
    case NodeType::kName:
      return EvaluateName(node, env, out);
    case NodeType::kArray: {
      std::vector<Value> items;
      return EvaluateList(node, env, &items, depth) && MakeArray(run_, std::move(items), out);
    }
    case NodeType::kGroup:
      return EvaluateGroup(node, env, out, depth);
    case NodeType::kDict:
      return EvaluateDict(node, env, out, depth);
    case NodeType::kLookup:
      return EvaluateLookup(node, env, out, depth);
    case NodeType::kInlineIf: {
      Value condition;
      if (!Evaluate(node.a, env, &condition, depth + 1)) return false;
      if (Truthy(condition)) return Evaluate(node.b, env, out, depth + 1);
      if (node.c != kNoNode) return Evaluate(node.c, env, out, depth + 1);
      *out = Value::String("");
      return true;
    }
    case NodeType::kOr:
    case NodeType::kAnd: {
      Value left;
      if (!Evaluate(node.a, env, &left, depth + 1)) return false;
      if (Truthy(left) == (node.type == NodeType::kAnd)) {
        return Evaluate(node.b, env, out, depth + 1);
      }
      *out = std::move(left);
      return true;
    }
    case NodeType::kNot:
    case NodeType::kNegative:
    case NodeType::kPositive:
    case NodeType::kFloor:
      return EvaluateUnary(node, env, out, depth);
    case NodeType::kAdd:
    case NodeType::kConcat:
    case NodeType::kSubtract:
    case NodeType::kMultiply:
    case NodeType::kDivide:
    case NodeType::kModulo:
    case NodeType::kPower:
      return EvaluateBinary(node, env, out, depth + 1);
    case NodeType::kCompare:
      return EvaluateCompare(node, env, out, depth + 1);
    case NodeType::kIn:
      return EvaluateIn(node, env, out, depth);
    case NodeType::kIs:
      return EvaluateTest(node, env, out, depth + 1);
    case NodeType::kFilter:
      return EvaluateFilter(node, env, out, depth + 1);
    case NodeType::kCall:
      return EvaluateCall(node, env, out, depth + 1);
    case NodeType::kCapture: {
      const RefTo<Scope> scope(new Scope(&cells_, RefTo<Scope>(env.scope), false));
      Env inner = env;
      inner.scope = scope.get();
      std::string text;
      if (!Capture(node.b, inner, depth + 1, &text)) return false;
      *out = Value::String(std::move(text));
      return true;
    }
    case NodeType::kSlice:
      return run_.Fail("a slice can only stand in a subscript");
    default:
      return run_.Fail("a statement stands where an expression belongs");
  }
}

const Value* Interpreter::Peek(NodeId id, const Env& env) {
  const Node& node = program_.nodes[id];
  if (node.type == NodeType::kName) {
    if (node.slot != kNoSlot) return &SlotOf(node.slot, env.frame);
    if (const Value* found = env.scope->Find(node.name)) return found;
    return variables_->Find(Name(node.name));
  }
  if (node.type != NodeType::kLookup) return nullptr;
  const Node& by = program_.nodes[node.b];
  if (by.type != NodeType::kLiteral) return nullptr;
  const Value& key = program_.literals[by.literal];
  if (!key.IsString()) return nullptr;
  // As deep as the path is written, which the parser keeps within no limit but the source's: a long
  // path goes the other way, which counts levels.
  const Node& target_node = program_.nodes[node.a];
  const Value* target = target_node.type == NodeType::kLookup &&
                                program_.nodes[target_node.a].type == NodeType::kLookup
                            ? nullptr
                            : Peek(node.a, env);
  // The parser has refused reserved names.
  if (target == nullptr || !target->IsRecord()) return nullptr;
  const Value* found = target->record().Find(key.bytes());
  return found == nullptr || found->IsCallable() ? nullptr : found;
}

bool Interpreter::EvaluateName(const Node& node, const Env& env, Value* out) {
  if (node.slot != kNoSlot) {
    *out = SlotOf(node.slot, env.frame);
    return true;
  }
  if (const Value* found = env.scope->Find(node.name)) {
    *out = *found;
    return true;
  }
  const std::string& name = Name(node.name);
  if (const Value* found = variables_->Find(name)) {
    *out = *found;
    return true;
  }
  *out = Value();
  if (program_.options.cookiecutter_compat) {
    if (name == "True" || name == "False") *out = Value::Bool(name == "True");
    if (name == "None") *out = Value::Null();
    if (!out->IsUndefined()) return true;
  }
  const int global = name == "range" ? 0 : name == "cycler" ? 1 : name == "joiner" ? 2 : -1;
  if (global < 0) return true;
  static constexpr CallableKind kKinds[] = {CallableKind::kRange, CallableKind::kMakeCycler,
                                            CallableKind::kMakeJoiner};
  if (globals_[global].IsUndefined()) {
    globals_[global] =
        Value::Of(new Callable(RefTo<CallableState>(new CallableState(kKinds[global]))));
  }
  *out = globals_[global];
  return true;
}

bool Interpreter::EvaluateList(const Node& node, const Env& env, std::vector<Value>* out,
                               int depth) {
  out->resize(node.count);
  for (uint32_t i = 0; i < node.count; ++i) {
    if (!Evaluate(program_.lists[node.list + i], env, &(*out)[i], depth + 1)) return false;
  }
  return true;
}

bool Interpreter::EvaluateGroup(const Node& node, const Env& env, Value* out, int depth) {
  for (uint32_t i = 0; i < node.count; ++i) {
    if (!Evaluate(program_.lists[node.list + i], env, out, depth + 1)) return false;
    if (i + 1 < node.count && HoldsCallable(*out)) {
      return run_.Fail("callable values cannot be dropped");
    }
  }
  return true;
}

bool Interpreter::EvaluateDict(const Node& node, const Env& env, Value* out, int depth) {
  std::vector<RecordObject::Entry> entries;
  entries.reserve(node.count);
  for (uint32_t i = 0; i < node.count; ++i) {
    const Node& pair = program_.nodes[program_.lists[node.list + i]];
    Value value;
    if (!Evaluate(pair.a, env, &value, depth + 1)) return false;
    entries.emplace_back(Name(pair.name), std::move(value));
  }
  return MakeRecord(run_, std::move(entries), out);
}

bool Interpreter::EvaluateLookup(const Node& node, const Env& env, Value* out, int depth) {
  const Node& by = program_.nodes[node.b];
  if (by.type == NodeType::kLiteral && program_.nodes[node.a].type == NodeType::kName &&
      program_.literals[by.literal].IsString()) {
    const Value* target = Peek(node.a, env);
    if (target != nullptr && target->IsRecord()) {
      return Member(Value(*target), program_.literals[by.literal].bytes(), out);
    }
  }
  Value target;
  if (!Evaluate(node.a, env, &target, depth + 1)) return false;
  if (by.type == NodeType::kSlice) return EvaluateSlice(target, by, env, out, depth + 1);
  Value key;
  if (!Evaluate(node.b, env, &key, depth + 1)) return false;
  // Arrays are mostly read by number: no need to write it out first.
  if (key.IsNumber() && target.IsArray() && key.number() >= 0 &&
      key.number() < static_cast<double>(target.array().size()) &&
      key.number() == std::floor(key.number())) {
    key = target.array().At(static_cast<size_t>(key.number()));
    *out = key.IsCallable() ? Value::Of(new Callable(key.callable().state)) : key;
    return true;
  }
  std::string text;
  if (!key.IsString()) {
    if (!ToText(run_, key, &text)) return false;
  } else {
    text = key.text().bytes;
  }
  return Member(target, text, out);
}

bool Interpreter::EvaluateSlice(const Value& input, const Node& slice, const Env& env, Value* out,
                                int depth) {
  if (input.IsCallable()) return run_.Fail("callable values cannot be sliced");
  const Value target = Truthy(input) ? input : Value::Array({});
  const Value length = Property(target, "length");
  Value start = Value::Null(), stop = Value::Null(), step = Value::Number(1);
  if (slice.a != kNoNode && !Evaluate(slice.a, env, &start, depth + 1)) return false;
  if (slice.b != kNoNode && !Evaluate(slice.b, env, &stop, depth + 1)) return false;
  if (slice.c != kNoNode && !Evaluate(slice.c, env, &step, depth + 1)) return false;
  double number;
  if (!ToNumber(run_, step, &number)) return false;
  if (!std::isfinite(number) || number == 0) {
    return run_.Fail("the step of a slice must be a number other than 0");
  }
  const Value zero = Value::Number(0);
  double direction, order, size;
  if (!Order(run_, step, zero, &direction) || !ToNumber(run_, length, &size)) return false;
  if (start.kind() == Kind::kNull) start = Value::Number(direction < 0 ? size - 1 : 0);
  if (stop.kind() == Kind::kNull) {
    stop = direction < 0 ? Value::Number(-1) : length;
  } else {
    if (!Order(run_, stop, zero, &order)) return false;
    if (order < 0 && !Add(run_, stop, length, &stop)) return false;
  }
  if (!Order(run_, start, zero, &order)) return false;
  if (order < 0 && !Add(run_, start, length, &start)) return false;
  std::vector<Value> items;
  // Numbers stay Values here: text bounds compare and add up as text in JavaScript.
  for (Value index = start;;) {
    double below, above, end;
    if (!run_.Step() || !Order(run_, index, zero, &below) || !Order(run_, index, length, &above) ||
        !Order(run_, index, stop, &end)) {
      return false;
    }
    if (below < 0 || above > 0 || (direction > 0 && end >= 0) || (direction < 0 && end <= 0)) break;
    std::string key;
    if (!ToText(run_, index, &key)) return false;
    // A text bound grows from turn to turn, and comparing reads it all.
    if (!run_.Step(static_cast<int64_t>(key.size()))) return false;
    Value item = Property(target, key);
    if (HoldsCallable(item)) return run_.Fail("callable values cannot be sliced");
    items.push_back(std::move(item));
    if (!run_.Reserve(static_cast<int64_t>(items.size() * sizeof(Value)))) return false;
    if (!Add(run_, index, step, &index)) return false;
  }
  return MakeArray(run_, std::move(items), out);
}

bool Interpreter::EvaluateUnary(const Node& node, const Env& env, Value* out, int depth) {
  Value target;
  if (!Evaluate(node.a, env, &target, depth + 1)) return false;
  if (node.type == NodeType::kNot) {
    *out = Value::Bool(!Truthy(target));
    return true;
  }
  double number;
  if (!ToNumber(run_, target, &number)) return false;
  if (node.type == NodeType::kNegative) number = -number;
  if (node.type == NodeType::kFloor) number = std::floor(number);
  *out = Value::Number(number);
  return true;
}

bool Interpreter::EvaluateBinary(const Node& node, const Env& env, Value* out, int depth) {
  Value left, right;
  if (!Evaluate(node.a, env, &left, depth + 1) || !Evaluate(node.b, env, &right, depth + 1)) {
    return false;
  }
  if (node.type == NodeType::kAdd) return Add(run_, left, right, out);
  if (node.type == NodeType::kConcat) {
    std::string text;
    if (!ToText(run_, left, &text) || !ToText(run_, right, &text)) return false;
    *out = Value::String(std::move(text));
    return true;
  }
  double x, y;
  if (!ToNumber(run_, left, &x) || !ToNumber(run_, right, &y)) return false;
  switch (node.type) {
    case NodeType::kSubtract:
      x -= y;
      break;
    case NodeType::kMultiply:
      x *= y;
      break;
    case NodeType::kDivide:
      x /= y;
      break;
    case NodeType::kModulo:
      x = std::fmod(x, y);
      break;
    default:
      // C's pow answers 1 where JavaScript answers NaN. Else the digits are those of Node 24; the
      // V8 of Node 22 rounds one power in ten otherwise.
      if (std::isnan(y) || (std::fabs(x) == 1 && std::isinf(y))) {
        x = std::numeric_limits<double>::quiet_NaN();
      } else {
        x = std::pow(x, y);
      }
  }
  *out = Value::Number(x);
  return true;
}

bool Interpreter::EvaluateCompare(const Node& node, const Env& env, Value* out, int depth) {
  // As in JavaScript, each result is the left side of the next: 3 > 2 > 1 is false.
  if (!Evaluate(node.a, env, out, depth + 1)) return false;
  for (uint32_t i = 0; i < node.count; ++i) {
    const Node& operand = program_.nodes[program_.lists[node.list + i]];
    Value right;
    if (!Evaluate(operand.a, env, &right, depth + 1)) return false;
    bool result = false;
    double order = 0;
    switch (operand.op) {
      case CompareOp::kEq:
      case CompareOp::kNe:
        if (!LooseEqual(run_, *out, right, &result)) return false;
        result ^= operand.op == CompareOp::kNe;
        break;
      case CompareOp::kStrictEq:
        result = StrictEqual(*out, right);
        break;
      case CompareOp::kStrictNe:
        result = !StrictEqual(*out, right);
        break;
      default:
        if (!Order(run_, *out, right, &order)) return false;
        result = operand.op == CompareOp::kLt   ? order < 0
                 : operand.op == CompareOp::kLe ? order <= 0
                 : operand.op == CompareOp::kGt ? order > 0
                                                : order >= 0;
    }
    *out = Value::Bool(result);
  }
  return true;
}

bool Interpreter::EvaluateIn(const Node& node, const Env& env, Value* out, int depth) {
  Value needle, container;
  if (!Evaluate(node.a, env, &needle, depth + 1) || !Evaluate(node.b, env, &container, depth + 1)) {
    return false;
  }
  bool found = false;
  if (container.IsArray()) {
    for (const Value& item : container.array().items()) {
      if (!run_.Step()) return false;
      found |= !item.IsHole() && StrictEqual(item, needle);
    }
  } else if (container.IsText() || container.IsRecord()) {
    std::string key;
    if (!ToText(run_, needle, &key)) return false;
    if (container.IsString()) {
      found = container.bytes().find(key) != absl::string_view::npos;
    } else if (container.IsSafe()) {
      found = key == "length" || key == "val";
    } else {
      found = HasProperty(container, key);
    }
  } else {
    return run_.Fail(
        absl::StrCat("\"in\" needs an array, record or string, not ", KindName(container)));
  }
  *out = Value::Bool(found);
  return true;
}

bool Interpreter::EvaluateTest(const Node& node, const Env& env, Value* out, int depth) {
  const std::string& name = Name(node.name);
  const int arity = TestArity(name);
  if (arity < 0) return run_.Fail(absl::StrCat("unknown test \"", name, "\""));
  const int given = node.b == kNoNode ? 0 : static_cast<int>(program_.nodes[node.b].count);
  if (given != arity || (node.b != kNoNode && program_.nodes[node.b].a != kNoNode)) {
    return run_.Fail(absl::StrCat("the test ", name, " takes ", arity, " positional arguments"));
  }
  Value input;
  if (!Evaluate(node.a, env, &input, depth + 1)) return false;
  Arguments arguments;
  if (node.b != kNoNode && !EvaluateArguments(node.b, env, &arguments, depth + 1)) return false;
  bool result = false;
  if (!RunTest(run_, name, input, arguments.positional, &result)) {
    run_.Context(absl::StrCat("the test ", name, " failed for a value of type ", KindName(input)));
    return false;
  }
  *out = Value::Bool(result);
  return true;
}

bool Interpreter::EvaluateArguments(NodeId id, const Env& env, Arguments* out, int depth) {
  const Node& list = node(id);
  if (!EvaluateList(list, env, &out->positional, depth)) return false;
  if (list.a == kNoNode) return true;
  const Node& keywords = node(list.a);
  for (uint32_t i = 0; i < keywords.count; ++i) {
    const Node& pair = node(program_.lists[keywords.list + i]);
    Value value;
    if (!Evaluate(pair.a, env, &value, depth + 1)) return false;
    const auto same = std::find_if(out->keywords.begin(), out->keywords.end(),
                                   [&](const auto& entry) { return entry.first == pair.name; });
    if (same != out->keywords.end()) {
      same->second = std::move(value);
    } else {
      out->keywords.emplace_back(pair.name, std::move(value));
    }
  }
  return true;
}

bool Interpreter::EvaluateFilter(const Node& node, const Env& env, Value* out, int depth) {
  const std::string& name = Name(node.name);
  const Node& list = program_.nodes[node.a];
  const Filter backstage = FindBackstageFilter(name);
  const Filter filter =
      backstage != nullptr ? backstage : FindFilter(name, program_.options.cookiecutter_compat);
  if (filter == nullptr) return run_.Fail(absl::StrCat("unknown filter \"", name, "\""));
  if (backstage != nullptr && list.a != kNoNode) {
    return run_.Fail(absl::StrCat("the filter ", name, " takes no keyword arguments"));
  }
  Arguments arguments;
  if (!EvaluateArguments(node.a, env, &arguments, depth + 1)) return false;
  const Value input = std::move(arguments.positional.front());
  arguments.positional.erase(arguments.positional.begin());
  bool callable = HoldsCallable(input);
  for (const Value& value : arguments.positional) callable |= HoldsCallable(value);
  for (const auto& keyword : arguments.keywords) callable |= HoldsCallable(keyword.second);
  if (callable) return run_.Fail(absl::StrCat("the filter ", name, " takes no callable values"));

  // Keywords: two filters name their parameters; all others get one record as their last argument.
  static constexpr absl::string_view kIntNames[] = {"default", "base"};
  static constexpr absl::string_view kSortNames[] = {"reverse", "case_sensitive", "attribute"};
  const absl::string_view* names = name == "int"    ? kIntNames
                                   : name == "sort" ? kSortNames
                                                    : nullptr;
  if (names != nullptr) {
    const size_t count = name == "int" ? 2 : 3;
    const size_t supplied = arguments.positional.size();
    arguments.positional.resize(count);
    for (size_t i = supplied; i < count; ++i) {
      for (auto& [key, value] : arguments.keywords) {
        if (Name(key) == names[i]) arguments.positional[i] = value;
      }
    }
  } else if (!arguments.keywords.empty()) {
    std::vector<RecordObject::Entry> entries;
    for (auto& [key, value] : arguments.keywords) entries.emplace_back(Name(key), value);
    entries.emplace_back("__keywords", Value::Bool(true));
    Value record;
    if (!MakeRecord(run_, std::move(entries), &record)) return false;
    arguments.positional.push_back(std::move(record));
  }
  const FilterCall call{run_, program_.options, input, arguments.positional};
  if (filter(call, out)) return true;
  run_.Context(absl::StrCat("the filter ", name, " failed for a value of type ", KindName(input)));
  return false;
}

}  // namespace purser::tmpl
