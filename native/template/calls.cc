// Calls of macros, functions and methods.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "template/builtins.h"
#include "template/interpreter.h"

namespace purser::tmpl {
namespace {

// A macro's arguments as its parameters want them: surplus positional ones fill the defaults in
// their order, missing ones are taken from the keywords.
void Arrange(const CallableInfo& info, Arguments* arguments) {
  std::vector<Value>& positional = arguments->positional;
  const size_t wanted = info.positional.size();
  const auto find = [&](uint32_t name) {
    return std::find_if(arguments->keywords.begin(), arguments->keywords.end(),
                        [&](const auto& entry) { return entry.first == name; });
  };
  for (size_t i = wanted; i < positional.size() && i - wanted < info.defaults.size(); ++i) {
    const uint32_t name = info.defaults[i - wanted].name;
    const auto found = find(name);
    if (found != arguments->keywords.end()) {
      found->second = positional[i];
    } else {
      arguments->keywords.emplace_back(name, positional[i]);
    }
  }
  const size_t given = positional.size();
  positional.resize(wanted);
  for (size_t i = given; i < wanted; ++i) {
    const auto found = find(info.positional[i].name);
    if (found == arguments->keywords.end()) continue;
    positional[i] = std::move(found->second);
    arguments->keywords.erase(found);
  }
}

// How a callee is written, for messages: "a.b", or nothing when it is computed.
std::string PathOf(const ProgramData& program, NodeId id) {
  std::string path;
  while (program.nodes[id].type == NodeType::kLookup) {
    const Node& key = program.nodes[program.nodes[id].b];
    if (key.type != NodeType::kLiteral || !program.literals[key.literal].IsString()) return "";
    path = absl::StrCat(".", std::string(program.literals[key.literal].bytes()), path);
    id = program.nodes[id].a;
  }
  if (program.nodes[id].type != NodeType::kName) return "";
  return absl::StrCat(program.names[program.nodes[id].name], path);
}

Value Handle(RefTo<CallableState> state) { return Value::Of(new Callable(std::move(state))); }

}  // namespace

bool Interpreter::Member(const Value& target, absl::string_view key, Value* out) {
  if (target.IsCallable()) {
    const RefTo<CallableState> state = target.callable().state;
    if (state->kind == CallableKind::kCycler) return CyclerMember(state, key, out);
    *out = Value();
    return true;
  }
  Value own = Property(target, key);
  if (!own.IsUndefined() || HasProperty(target, key)) {
    // A macro read from a container is a new handle to the same macro.
    *out = own.IsCallable() ? Handle(own.callable().state) : std::move(own);
    return true;
  }
  *out = Value();
  if (!FindMethod(target, key, program_.options.cookiecutter_compat)) return true;
  RefTo<CallableState> state(new CallableState(CallableKind::kMethod));
  state->value = target;
  state->name = std::string(key);
  *out = Handle(std::move(state));
  return true;
}

bool Interpreter::CyclerMember(const RefTo<CallableState>& cycler, absl::string_view key,
                               Value* out) {
  *out = Value();
  if (key == "current") {
    *out = cycler->index < 0        ? Value::Null()
           : cycler->values.empty() ? Value()
                                    : cycler->values[static_cast<size_t>(cycler->index)];
  } else if (key == "next" || key == "reset") {
    RefTo<CallableState> state(
        new CallableState(key == "next" ? CallableKind::kCyclerNext : CallableKind::kCyclerReset));
    state->owner = cycler;
    *out = Handle(std::move(state));
  }
  return true;
}

bool Interpreter::CheckArity(const CallableState& state, const Node& arguments) {
  std::string what;
  Arity arity{0, 0};
  switch (state.kind) {
    case CallableKind::kRange:
      what = "range";
      arity = {0, 3};
      break;
    case CallableKind::kMakeCycler:
      what = "cycler";
      arity = {0, 1 << 30};
      break;
    case CallableKind::kMakeJoiner:
      what = "joiner";
      arity = {0, 1};
      break;
    case CallableKind::kMethod:
      what = state.name;
      arity = MethodArity(state.value, state.name, program_.options.cookiecutter_compat);
      break;
    case CallableKind::kCycler:
      return run_.Fail("a cycler is used by its next, current and reset");
    default:
      what = "this function";
  }
  if (arguments.a != kNoNode) {
    return run_.Fail(absl::StrCat(what, " takes no keyword arguments"));
  }
  const int given = static_cast<int>(arguments.count);
  if (given < arity.least || given > arity.most) {
    return run_.Fail(absl::StrCat(what, " takes ", arity.least,
                                  arity.most == arity.least ? "" : absl::StrCat(" to ", arity.most),
                                  " arguments, not ", given));
  }
  return true;
}

bool Interpreter::EvaluateCall(const Node& node, const Env& env, Value* out, int depth) {
  Value target;
  if (!Evaluate(node.a, env, &target, depth + 1)) return false;
  if (!target.IsCallable()) {
    const std::string path = PathOf(program_, node.a);
    return run_.Fail(absl::StrCat(path.empty() ? "this" : base::EscapeForDisplay(path), " is ",
                                  KindName(target), " and cannot be called"));
  }
  const RefTo<CallableState> state = target.callable().state;
  Arguments arguments;
  if (state->kind == CallableKind::kMacro || state->kind == CallableKind::kCaller) {
    return EvaluateArguments(node.b, env, &arguments, depth + 1) &&
           InvokeMacro(*state, std::move(arguments), out, depth + 1);
  }
  if (!CheckArity(*state, program_.nodes[node.b]) ||
      !EvaluateArguments(node.b, env, &arguments, depth + 1)) {
    return false;
  }
  for (const Value& value : arguments.positional) {
    if (HoldsCallable(value)) return run_.Fail("functions take no callable values");
  }
  return InvokeBuiltin(*state, arguments, out);
}

bool Interpreter::InvokeMacro(CallableState& macro, Arguments arguments, Value* out, int depth) {
  const CallableInfo& info = program_.callables[macro.info];
  const RefTo<Scope> scope(new Scope(&cells_, macro.scope, true));
  const RefTo<Frame> frame(
      new Frame(&cells_, info.frame, program_.frame_sizes[info.frame], macro.frame));
  const Env env{scope.get(), frame.get(), macro.invocation.get(), !info.is_caller, false};
  Arrange(info, &arguments);
  for (size_t i = 0; i < info.positional.size(); ++i) {
    scope->Set(info.positional[i].name, arguments.positional[i]);
    SlotOf(info.positional[i].slot, frame.get()) = arguments.positional[i];
  }
  const auto keyword = [&](uint32_t name) -> const Value* {
    for (const auto& [key, value] : arguments.keywords) {
      if (key == name) return &value;
    }
    return nullptr;
  };
  for (const Parameter& parameter : info.defaults) {
    Value value;
    if (const Value* given = keyword(parameter.name)) {
      value = *given;
    } else {
      const uint32_t shift = run_.Shift(0);
      const bool ok = Evaluate(parameter.value, env, &value, depth + 1);
      run_.Shift(shift);
      if (!ok) return false;
    }
    scope->Set(parameter.name, std::move(value));
  }
  if (!info.declares_caller) {
    if (const Value* caller = keyword(program_.caller_name))
      scope->Set(program_.caller_name, *caller);
  }
  std::string text;
  const uint32_t shift = run_.Shift(0);  // the body is where it says
  const bool ok = Capture(info.body, env, depth + 1, &text);
  run_.Shift(shift);
  if (!ok) return false;
  *out = Value::Safe(std::move(text));
  return true;
}

Value Interpreter::MakeCaller(const Node& node, const Env& env) {
  RefTo<CallableState> state(new CallableState(CallableKind::kCaller));
  state->info = node.callable;
  state->scope = RefTo<Scope>(env.scope);
  state->frame = RefTo<Frame>(env.frame);
  state->invocation = RefTo<Scope>(env.invocation);
  return Handle(std::move(state));
}

bool Interpreter::ExecuteCallBlock(const Node& node, const Env& env, std::string* out, int depth) {
  Value target;
  if (!Evaluate(node.a, env, &target, depth + 1)) return false;
  if (!target.IsCallable() || target.callable().state->kind != CallableKind::kMacro) {
    return run_.Fail("a call tag can only call a macro");
  }
  Arguments arguments;
  if (!EvaluateArguments(node.b, env, &arguments, depth + 1)) return false;
  if (program_.caller_name != kNoName) {
    const auto same = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                   [&](const auto& e) { return e.first == program_.caller_name; });
    if (same != arguments.keywords.end()) {
      same->second = MakeCaller(node, env);
    } else {
      arguments.keywords.emplace_back(program_.caller_name, MakeCaller(node, env));
    }
  }
  const RefTo<CallableState> state = target.callable().state;
  Value value;
  return InvokeMacro(*state, std::move(arguments), &value, depth + 1) && Append(out, value.bytes());
}

bool Interpreter::InvokeBuiltin(CallableState& state, const Arguments& arguments, Value* out) {
  const auto first = [&] {
    return arguments.positional.empty() ? Value() : arguments.positional.front();
  };
  *out = Value();
  switch (state.kind) {
    case CallableKind::kRange:
      return InvokeRange(arguments.positional, out);
    case CallableKind::kMakeCycler: {
      RefTo<CallableState> made(new CallableState(CallableKind::kCycler));
      made->values = arguments.positional;
      *out = Handle(std::move(made));
      return true;
    }
    case CallableKind::kMakeJoiner: {
      RefTo<CallableState> made(new CallableState(CallableKind::kJoiner));
      made->value = Truthy(first()) ? first() : Value::String(",");
      *out = Handle(std::move(made));
      return true;
    }
    case CallableKind::kJoiner:
      *out = state.used ? state.value : Value::String("");
      state.used = true;
      return true;
    case CallableKind::kCyclerReset:
      state.owner->index = -1;
      return true;
    case CallableKind::kCyclerNext: {
      CallableState& owner = *state.owner;
      if (owner.values.empty()) {
        owner.index = 0;
        return true;
      }
      owner.index = (owner.index + 1) % static_cast<int64_t>(owner.values.size());
      *out = owner.values[static_cast<size_t>(owner.index)];
      return true;
    }
    default:
      return CallMethod(run_, state.value, state.name, arguments.positional,
                        program_.options.cookiecutter_compat, out);
  }
}

bool Interpreter::InvokeRange(const std::vector<Value>& arguments, Value* out) {
  const auto argument = [&](size_t i) { return i < arguments.size() ? arguments[i] : Value(); };
  Value start = argument(0), stop = argument(1), step = argument(2);
  if (stop.IsUndefined()) {
    stop = start;
    start = Value::Number(0);
    step = Value::Number(1);
  } else if (!Truthy(step)) {
    step = Value::Number(1);
  }
  double direction;
  if (!Order(run_, step, Value::Number(0), &direction)) return false;
  if (start.IsNumber() && stop.IsNumber() && step.IsNumber() &&
      (stop.number() - start.number()) / step.number() >
          static_cast<double>(kMaxContainerEntries)) {
    return run_.FailLimit("entries of one container", kMaxContainerEntries);
  }
  std::vector<Value> items;
  for (Value value = start;;) {
    double order;
    if (!run_.Step() || !Order(run_, value, stop, &order)) return false;
    if (direction > 0 ? !(order < 0) : !(order > 0)) break;
    items.push_back(value);
    if (!run_.Reserve(static_cast<int64_t>(items.size() * sizeof(Value)))) return false;
    if (!Add(run_, value, step, &value)) return false;
  }
  return MakeArray(run_, std::move(items), out);
}

}  // namespace purser::tmpl
