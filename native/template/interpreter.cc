#include "template/interpreter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "template/context.h"
#include "template/number.h"
#include "template/unicode.h"

namespace purser::tmpl {
Interpreter::Interpreter(Run& run, const ProgramData& program, const RecordObject& context)
    : run_(run), program_(program), variables_(&context) {
  if (program.MayMutate()) {
    context_ = CopyValue(Value::Of(const_cast<RecordObject*>(&context)));
    variables_ = &context_.record();
  }
}

Interpreter::~Interpreter() {
  // Macros refer to scopes and scopes to macros: cut the circles. Clearing one cell may free
  // others, so the list is read anew each time.
  std::vector<RefTo<Cell>> held;
  for (Cell* cell = cells_; cell != nullptr; cell = cell->following()) held.emplace_back(cell);
  for (const RefTo<Cell>& cell : held) cell->Clear();
}

bool Interpreter::IsSole(const ProgramData& program) {
  const Node& root = program.nodes[program.root];
  if (root.count != 1) return false;
  const NodeId only = program.lists[root.list];
  return (only & kTextBit) == 0 && program.nodes[only].type == NodeType::kOutput;
}

bool Interpreter::Render(std::string* out) {
  out->reserve(program_.source.size() + program_.source.size() / 8);
  AdviseHuge(out->data(), out->capacity());
  const RefTo<Scope> exports(new Scope(&cells_, {}, true));
  const RefTo<Scope> scope(new Scope(&cells_, exports, true));
  const RefTo<Frame> frame(new Frame(&cells_, 0, program_.frame_sizes[0], {}));
  const Env env{scope.get(), frame.get(), exports.get(), true, true};
  return Execute(program_.root, env, out, 1);
}

bool Interpreter::EvaluateSole(Value* out) {
  const RefTo<Scope> exports(new Scope(&cells_, {}, true));
  const RefTo<Scope> scope(new Scope(&cells_, exports, true));
  const RefTo<Frame> frame(new Frame(&cells_, 0, program_.frame_sizes[0], {}));
  const Env env{scope.get(), frame.get(), exports.get(), true, true};
  const Node& root = node(program_.root);
  if (!Evaluate(node(program_.lists[root.list]).a, env, out, 3)) return false;
  return !HoldsCallable(*out) || run_.Fail("callable values cannot leave a template");
}

bool Interpreter::OutputLimit() {
  return run_.FailLimit("max_output_bytes", run_.limits().max_output_bytes);
}

bool Interpreter::Write(const Value& value, std::string* out) {
  if (value.IsText()) return Append(out, value.bytes());
  if (value.IsNumber() && value.number() == std::trunc(value.number()) &&
      std::fabs(value.number()) < 1e15) {
    char digits[24];
    const auto end =
        std::to_chars(digits, digits + sizeof digits, static_cast<int64_t>(value.number()));
    return Append(out, absl::string_view(digits, static_cast<size_t>(end.ptr - digits)));
  }
  std::string text;
  return RenderText(run_, value, &text) && Append(out, text);
}

Value& Interpreter::SlotOf(SlotId id, Frame* frame) {
  const Slot& slot = program_.slots[id];
  while (frame->plan != slot.frame) frame = frame->parent.get();
  return frame->values[slot.index];
}

bool Interpreter::Execute(NodeId id, const Env& env, std::string* out, int depth) {
  const Node& current = node(id);
  const bool ok = depth > run_.limits().max_nesting
                      ? run_.FailLimit("max_nesting", run_.limits().max_nesting)
                      : run_.Step() && run_.Stack() && ExecuteOne(current, env, out, depth);
  if (!ok) {
    run_.Shift(0);  // statements are where they say
    run_.Locate(current.offset);
  }
  return ok;
}

bool Interpreter::ExecuteOne(const Node& node, const Env& env, std::string* out, int depth) {
  switch (node.type) {
    case NodeType::kBlockList:
      for (uint32_t i = 0; i < node.count; ++i) {
        const NodeId id = program_.lists[node.list + i];
        // Text is every other child: no node and no deeper level for it.
        if ((id & kTextBit) != 0) {
          const Piece& text = program_.pieces[id & ~kTextBit];
          if (run_.Step() && Append(out, text.value())) continue;
          run_.Locate(text.offset);
          return false;
        }
        if (!Execute(id, env, out, depth + 1)) return false;
      }
      return true;
    case NodeType::kOutput: {
      const Value* kept = Peek(node.a, env);
      if (kept != nullptr && (kept->IsText() || kept->IsNumber() || !HoldsCallable(*kept))) {
        return Write(*kept, out);
      }
      const uint32_t shift = run_.Shift(node.literal);
      Value value;
      const bool ok = Evaluate(node.a, env, &value, depth + 1);
      run_.Shift(shift);
      return ok && Write(value, out);
    }
    case NodeType::kIf: {
      Value condition;
      if (!Evaluate(node.a, env, &condition, depth + 1)) return false;
      const NodeId branch = Truthy(condition) ? node.b : node.c;
      return branch == kNoNode || Execute(branch, env, out, depth + 1);
    }
    case NodeType::kFor:
      return ExecuteFor(node, env, out, depth + 1);
    case NodeType::kSet:
      return ExecuteSet(node, env, depth + 1);
    case NodeType::kMacro:
      DeclareMacro(node, env);
      return true;
    case NodeType::kCallBlock:
      return ExecuteCallBlock(node, env, out, depth + 1);
    case NodeType::kBlock:
      return ExecuteBlock(node, env, out, depth + 1);
    case NodeType::kSwitch:
      return ExecuteSwitch(node, env, out, depth);
    default:
      return run_.Fail("an expression stands where a statement belongs");
  }
}

// Nunjucks compiles a loop over several names twice, for lists and for records, and each has its
// own variables. Here they share their slots, and what the other branch left is kept beside.
void Interpreter::SelectBranch(const Node& node, bool record, Frame& frame) {
  if (node.count < 2) return;
  const auto first = static_cast<SlotId>(node.literal);
  Value& selected = SlotOf(first, &frame);
  if (record == (selected.IsBool() && selected.boolean())) return;
  selected = Value::Bool(record);
  SlotId last = kNoSlot;
  for (uint32_t i = 0; i < 2; ++i) {
    const auto slot = static_cast<SlotId>(program_.nodes[program_.lists[node.list + i]].literal);
    if (slot != last) std::swap(SlotOf(slot, &frame), SlotOf(first + 1 + i, &frame));
    last = slot;
  }
}

bool Interpreter::BindTargets(const Node& node, const Value& item, bool array_branch, Scope& scope,
                              Frame& frame) {
  const auto target = [&](uint32_t i) -> const Node& {
    return program_.nodes[program_.lists[node.list + i]];
  };
  if (node.count == 1) {
    scope.Set(target(0).name, item);
    SlotOf(target(0).slot, &frame) = item;
    return true;
  }
  // A list's items are taken apart into slots only; key and value of a record are names as well.
  const uint32_t count = array_branch ? node.count : std::min<uint32_t>(node.count, 2);
  for (uint32_t i = 0; i < count; ++i) {
    if (item.IsNullish()) return run_.Fail("a loop over several names met an item without parts");
    Value part;
    if (!item.IsSafe()) part = Property(item, absl::StrCat(i));
    if (!array_branch) scope.Set(target(i).name, part);
    const SlotId slot = array_branch ? target(i).slot : static_cast<SlotId>(target(i).literal);
    SlotOf(slot, &frame) = std::move(part);
  }
  return true;
}

// The record of the turn before serves again unless something has kept it.
void Interpreter::SetLoop(Scope& scope, double index, double count, const Value& length,
                          const void** made) {
  const Value numbers[] = {Value::Number(index + 1),     Value::Number(index),
                           Value::Number(count - index), Value::Number(count - index - 1),
                           Value::Bool(index == 0),      Value::Bool(index == count - 1)};
  const Value* kept = scope.FindHere(program_.loop_name);
  if (kept != nullptr && kept->IsRecord() && kept->identity() == *made &&
      !kept->record().IsShared()) {
    for (size_t i = 0; i < std::size(numbers); ++i) kept->record().Replace(i, numbers[i]);
    return;
  }
  static constexpr const char* kNames[] = {"index",     "index0", "revindex",
                                           "revindex0", "first",  "last"};
  std::vector<RecordObject::Entry> entries;
  entries.reserve(std::size(numbers) + 1);
  for (size_t i = 0; i < std::size(numbers); ++i) entries.emplace_back(kNames[i], numbers[i]);
  entries.emplace_back("length", length);
  Value loop = Value::Of(new RecordObject(std::move(entries)));
  *made = loop.identity();
  scope.Set(program_.loop_name, std::move(loop));
}

bool Interpreter::ExecuteFor(const Node& node, const Env& env, std::string* out, int depth) {
  Value sequence;
  if (!Evaluate(node.a, env, &sequence, depth + 1)) return false;
  const bool array_branch = sequence.IsArray() || sequence.IsSafe();
  const bool several = node.count > 1;

  // The loop's length is kept in a slot of the frame: a loop over nothing (not even an empty list)
  // sees the length of its former run, as Nunjucks' compiled code does.
  Value length;
  double turns = 0;  // known ahead, except for arrays, which may grow
  std::vector<Value> units;
  if (sequence.IsArray()) {
    length = Value::Number(static_cast<double>(sequence.array().size()));
  } else if (sequence.IsText()) {
    units = SplitUnits(sequence.text());
    turns = static_cast<double>(units.size());
    length = Value::Number(turns);
  } else if (sequence.IsRecord() && several) {
    turns = static_cast<double>(sequence.record().entries().size());
    length = Value::Number(turns);
  } else if (sequence.IsRecord()) {
    length = sequence.record().Get("length");
    if (!ToNumber(run_, length, &turns)) return false;
  } else if (several) {
    length = Value::Number(0);
  }
  Value& slot = SlotOf(node.slot, env.frame);
  if (Truthy(sequence)) {
    slot = length;
  } else {
    length = slot;
  }
  double count;
  if (!ToNumber(run_, length, &count)) return false;

  const RefTo<Scope> scope(new Scope(&cells_, RefTo<Scope>(env.scope), false));
  const Env inner{scope.get(), env.frame, env.invocation, false, false};
  SelectBranch(node, !array_branch, *env.frame);
  const void* loop = nullptr;  // the record that this loop made last
  for (double i = 0;; ++i) {
    if (sequence.IsArray() ? i >= static_cast<double>(sequence.array().size()) : !(i < turns)) {
      break;
    }
    if (!run_.Step()) return false;
    const auto index = static_cast<size_t>(i);
    Value item;
    if (sequence.IsArray()) {
      item = sequence.array().At(index);
    } else if (sequence.IsText()) {
      item = units[index];
      if (several && sequence.IsString()) {
        item = Value::Array({Value::String(NumberToString(i)), item});
      }
    } else if (several) {
      const RecordObject::Entry& entry = sequence.record().entries()[index];
      item = Value::Array({Value::String(entry.first), entry.second});
    } else {
      item = sequence.record().Get(NumberToString(i));
    }
    if (!BindTargets(node, item, array_branch, *scope, *env.frame)) return false;
    if (program_.loop_name != kNoName) SetLoop(*scope, i, count, length, &loop);
    if (!Execute(node.b, inner, out, depth + 1)) return false;
  }
  if (node.c == kNoNode || Truthy(length)) return true;
  SelectBranch(node, true, *env.frame);
  return Execute(node.c, inner, out, depth + 1);
}

bool Interpreter::ExecuteSet(const Node& node, const Env& env, int depth) {
  Value value;
  if (node.a != kNoNode) {
    if (!Evaluate(node.a, env, &value, depth + 1)) return false;
  } else {
    std::string text;
    if (!Capture(node.b, env, depth + 1, &text)) return false;
    value = Value::String(std::move(text));
  }
  for (uint32_t i = 0; i < node.count; ++i) {
    const Node& target = program_.nodes[program_.lists[node.list + i]];
    env.scope->Assign(target.name, value);
    if (target.slot != kNoSlot) SlotOf(target.slot, env.frame) = value;
    if (env.exports_assignments) env.invocation->Set(target.name, value);
  }
  return true;
}

bool Interpreter::ExecuteSwitch(const Node& node, const Env& env, std::string* out, int depth) {
  Value value;
  if (!Evaluate(node.a, env, &value, depth + 1)) return false;
  bool matched = false;
  for (uint32_t i = 0; i < node.count; ++i) {
    const Node& one = program_.nodes[program_.lists[node.list + i]];
    Value condition;
    if (!matched && !Evaluate(one.a, env, &condition, depth + 1)) return false;
    if (!matched && !StrictEqual(value, condition)) continue;
    matched = true;
    // An empty case falls through to the next.
    if (program_.nodes[one.b].count > 0) return Execute(one.b, env, out, depth + 1);
  }
  return node.c == kNoNode || Execute(node.c, env, out, depth + 1);
}

bool Interpreter::ExecuteBlock(const Node& node, const Env& env, std::string* out, int depth) {
  const CallableInfo& info = program_.callables[node.callable];
  const RefTo<Scope> scope(new Scope(&cells_, RefTo<Scope>(env.scope), true));
  const RefTo<Frame> frame(new Frame(&cells_, info.frame, program_.frame_sizes[info.frame], {}));
  const Env inner{scope.get(), frame.get(), env.invocation, true, false};
  return Execute(info.body, inner, out, depth + 1);
}

void Interpreter::DeclareMacro(const Node& node, const Env& env) {
  RefTo<CallableState> state(new CallableState(CallableKind::kMacro));
  state->info = node.callable;
  state->scope = RefTo<Scope>(env.invocation);
  state->invocation = RefTo<Scope>(env.invocation);
  Value handle = Value::Of(new Callable(std::move(state)));
  SlotOf(node.slot, env.frame) = handle;
  if (env.exports_macros) env.invocation->Set(node.name, std::move(handle));
}

bool Interpreter::Capture(NodeId body, const Env& env, int depth, std::string* out) {
  return Execute(body, env, out, depth + 1);
}

}  // namespace purser::tmpl
