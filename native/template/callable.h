// Macros, functions and methods as values, and the places where names live while rendering.
#ifndef PURSER_TEMPLATE_CALLABLE_H_
#define PURSER_TEMPLATE_CALLABLE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "template/value.h"

namespace purser::tmpl {

// Things with values in them that values can refer to (through macros), so that circles may arise.
// A rendering lists all of its own and empties them at its end.
class Cell : public Counted {
 public:
  explicit Cell(Cell** list) : list_(list), following_(*list) {
    if (following_ != nullptr) following_->before_ = this;
    *list = this;
  }
  ~Cell() override {
    if (following_ != nullptr) following_->before_ = before_;
    (before_ != nullptr ? before_->following_ : *list_) = following_;
  }
  virtual void Clear() = 0;
  Cell* following() const { return following_; }

 private:
  Cell** list_;
  Cell* following_;
  Cell* before_ = nullptr;
};

// Values of the slots of one frame; `plan` says which frame of the program it is.
class Frame final : public Cell {
 public:
  Frame(Cell** list, uint32_t plan, uint32_t size, RefTo<Frame> parent)
      : Cell(list), plan(plan), values(size), parent(std::move(parent)) {}
  void Clear() override {
    values.clear();
    parent = {};
  }
  const uint32_t plan;
  std::vector<Value> values;
  RefTo<Frame> parent;
};

// Names set while rendering. Reading goes up the parents; a write goes to the nearest scope that
// has the name, unless an isolating scope is met first.
class Scope final : public Cell {
 public:
  Scope(Cell** list, RefTo<Scope> parent, bool isolates)
      : Cell(list), parent_(std::move(parent)), isolates_(isolates) {}
  void Clear() override {
    entries_.clear();
    parent_ = {};
  }
  void Set(uint32_t name, Value value);     // in this very scope
  void Assign(uint32_t name, Value value);  // as `set` does
  const Value* Find(uint32_t name) const;   // nullptr when no scope has it
  Value* FindHere(uint32_t name);           // nullptr when this very scope has it not

 private:
  bool Has(uint32_t name) const;

  RefTo<Scope> parent_;
  const bool isolates_;
  std::vector<std::pair<uint32_t, Value>> entries_;
};

enum class CallableKind : uint8_t {
  kMacro,
  kCaller,
  kRange,
  kMakeCycler,
  kMakeJoiner,
  kCycler,
  kCyclerNext,
  kCyclerReset,
  kJoiner,
  kMethod,
};

// What a callable does and remembers.
class CallableState final : public Counted {
 public:
  explicit CallableState(CallableKind kind) : kind(kind) {}
  const CallableKind kind;
  uint32_t info = 0;  // macros: in Program::callables
  RefTo<Scope> scope;
  RefTo<Scope> invocation;
  RefTo<Frame> frame;
  std::vector<Value> values;   // of a cycler
  int64_t index = -1;          // of a cycler
  Value value;                 // a joiner's separator, a method's receiver
  bool used = false;           // of a joiner
  std::string name;            // of a method
  RefTo<CallableState> owner;  // of a cycler's method
};

// One handle; handles are equal only to themselves, though they may share what they do.
class Callable final : public Counted {
 public:
  explicit Callable(RefTo<CallableState> state) : state(std::move(state)) {}
  const RefTo<CallableState> state;
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_CALLABLE_H_
