// Runs a program. One object per rendering; not thread-safe.
#ifndef PURSER_TEMPLATE_INTERPRETER_H_
#define PURSER_TEMPLATE_INTERPRETER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "template/arena.h"
#include "template/ast.h"
#include "template/callable.h"
#include "template/run.h"
#include "template/unicode.h"
#include "template/value.h"

namespace purser::tmpl {

// The evaluated arguments of one call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<uint32_t, Value>> keywords;  // by name, each once
};

class Interpreter {
 public:
  // `context` must outlive the interpreter; it is never changed when the program may not mutate.
  Interpreter(Run& run, const ProgramData& program, const RecordObject& context);
  ~Interpreter();

  bool Render(std::string* out);
  // The value of a program that is one interpolation.
  bool EvaluateSole(Value* out);
  // Whether the program is one sole interpolation.
  static bool IsSole(const ProgramData& program);

 private:
  // Where a piece of template runs.
  struct Env {
    Scope* scope;
    Frame* frame;
    Scope* invocation;  // where macros of this template live
    bool exports_macros;
    bool exports_assignments;
  };

  // Statements. `depth` is limited by max_nesting.
  bool Execute(NodeId id, const Env& env, std::string* out, int depth);
  bool ExecuteOne(const Node& node, const Env& env, std::string* out, int depth);
  bool ExecuteFor(const Node& node, const Env& env, std::string* out, int depth);
  bool ExecuteSet(const Node& node, const Env& env, int depth);
  bool ExecuteSwitch(const Node& node, const Env& env, std::string* out, int depth);
  bool ExecuteCallBlock(const Node& node, const Env& env, std::string* out, int depth);
  bool ExecuteBlock(const Node& node, const Env& env, std::string* out, int depth);
  void DeclareMacro(const Node& node, const Env& env);
  bool Capture(NodeId body, const Env& env, int depth, std::string* out);
  void SelectBranch(const Node& node, bool record, Frame& frame);
  bool BindTargets(const Node& node, const Value& item, bool array_branch, Scope& scope,
                   Frame& frame);

  // Expressions.
  bool Evaluate(NodeId id, const Env& env, Value* out, int depth);
  bool EvaluateOne(const Node& node, const Env& env, Value* out, int depth);
  // Where the value of a name, or of a record's member by constant names, is kept; nullptr when
  // there is no such place, which is no failure: Evaluate says what it is then. Good until the next
  // value is made.
  const Value* Peek(NodeId id, const Env& env);
  bool EvaluateName(const Node& node, const Env& env, Value* out);
  bool EvaluateList(const Node& node, const Env& env, std::vector<Value>* out, int depth);
  bool EvaluateGroup(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateDict(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateLookup(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateSlice(const Value& input, const Node& slice, const Env& env, Value* out, int depth);
  bool EvaluateUnary(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateBinary(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateCompare(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateIn(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateTest(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateFilter(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateCall(const Node& node, const Env& env, Value* out, int depth);
  bool EvaluateArguments(NodeId id, const Env& env, Arguments* out, int depth);

  // Calls.
  bool Member(const Value& target, absl::string_view key, Value* out);
  bool CyclerMember(const RefTo<CallableState>& cycler, absl::string_view key, Value* out);
  bool CheckArity(const CallableState& state, const Node& arguments);
  bool InvokeMacro(CallableState& macro, Arguments arguments, Value* out, int depth);
  bool InvokeBuiltin(CallableState& state, const Arguments& arguments, Value* out);
  bool InvokeRange(const std::vector<Value>& arguments, Value* out);
  Value MakeCaller(const Node& node, const Env& env);

  Value& SlotOf(SlotId slot, Frame* frame);
  bool Append(std::string* out, absl::string_view text) {
    output_bytes_ += static_cast<int64_t>(text.size());
    if (output_bytes_ > run_.limits().max_output_bytes) return OutputLimit();
    AppendJoined(*out, text);
    return true;
  }
  bool OutputLimit();
  bool Write(const Value& value, std::string* out);
  void SetLoop(Scope& scope, double index, double count, const Value& length, const void** made);
  const Node& node(NodeId id) const { return program_.nodes[id]; }
  const std::string& Name(uint32_t name) const { return program_.names[name]; }

  Arena arena_;  // first, so that it ends after all values
  Run& run_;
  const ProgramData& program_;
  Value context_;  // a copy when the program may mutate
  const RecordObject* variables_;
  Cell* cells_ = nullptr;  // all scopes and frames alive
  Value globals_[3];       // range, cycler, joiner once used
  int64_t output_bytes_ = 0;
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_INTERPRETER_H_
