// The compiled form of a template: nodes in one array, referred to by number, so that neither
// reading nor freeing a program recurses. Immutable after parsing and free of thread ties.
#ifndef PURSER_TEMPLATE_AST_H_
#define PURSER_TEMPLATE_AST_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "template/growing.h"
#include "template/lexer.h"
#include "template/template.h"
#include "template/value.h"

namespace purser::tmpl {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = 0xffffffff;
// Slots are places for names whose binding is known while parsing (loop targets, macros and their
// positional parameters); all other names are looked up in scopes while rendering.
using SlotId = int32_t;
inline constexpr SlotId kNoSlot = -1;
inline constexpr uint32_t kNoName = 0xffffffff;
inline constexpr uint32_t kTextBit = 0x80000000;

enum class NodeType : uint8_t {
  // Statements.
  kBlockList,  // list; a text stands in it without a node: kTextBit and its place in
               // Program::pieces
  // a: expression. One may serve several outputs that are written alike: its offsets are those of
  // the
  // first; literal says how far behind it this one stands.
  kOutput,
  kIf,  // a: condition, b: body, c: else
  // a: sequence, b: body, c: else, list: targets (kName), slot: the loop's length. With several
  // targets also literal: first of three slots (which branch ran last, and what the names of the
  // first two targets hold in the other branch), and each of these targets' literal: the slot that
  // its name means in the body.
  kFor,
  kSet,        // a: value or b: body, list: targets (kName)
  kMacro,      // name, slot, callable
  kCallBlock,  // a: callee, b: arguments (kArguments), callable: the caller
  kBlock,      // b: body, callable: its frame
  kSwitch,     // a: value, c: default, list: cases
  kCase,       // a: value, b: body
  // Expressions.
  kLiteral,   // literal
  kRegex,     // literal: source, name: flags
  kName,      // name, slot
  kArray,     // list
  kGroup,     // list
  kDict,      // list of kPair
  kPair,      // name (a key that is a word or a string), a: value
  kLookup,    // a: target, b: key
  kSlice,     // a: start, b: stop, c: step
  kInlineIf,  // a: condition, b: then, c: else
  kOr,
  kAnd,
  kNot,
  kNegative,
  kPositive,
  kFloor,
  kAdd,
  kConcat,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kCompare,         // a: first, list of kCompareOperand
  kCompareOperand,  // op, a
  kIn,              // a in b
  kIs,              // a is b
  kFilter,          // name, a: arguments (kArguments; the input comes first)
  kCall,            // a: callee, b: arguments
  kArguments,       // list: positional; a: kDict of keywords or kNoNode
  kCapture,         // b: body rendered to a string
};

enum class CompareOp : uint8_t { kEq, kStrictEq, kNe, kStrictNe, kLt, kLe, kGt, kGe };

struct Node {
  NodeType type;
  CompareOp op = CompareOp::kEq;
  uint32_t offset = 0;  // in the source, for messages
  NodeId a = kNoNode;
  NodeId b = kNoNode;
  union {
    NodeId c = kNoNode;
    uint32_t callable;  // in Program::callables
  };
  union {
    uint32_t list = 0;  // first of `count` in Program::lists
    uint32_t name;      // in Program::names
  };
  uint32_t count = 0;
  uint32_t literal = 0;  // in Program::literals
  SlotId slot = kNoSlot;
};
static_assert(sizeof(Node) == 36);

struct Parameter {
  uint32_t name;
  SlotId slot = kNoSlot;
  NodeId value = kNoNode;  // of a default
};

// A macro, the body of a call block, or a block: what has a frame of slots of its own.
struct CallableInfo {
  std::vector<Parameter> positional;
  std::vector<Parameter> defaults;
  bool declares_caller = false;
  bool is_caller = false;
  NodeId body = kNoNode;
  uint32_t frame = 0;
};

struct Slot {
  uint32_t frame;
  uint32_t index;
};

struct ProgramData {
  Options options;
  std::string source;
  Growing<Node> nodes;
  Growing<NodeId> lists;
  std::vector<std::string> names;
  std::vector<Value> literals;          // immortal; freed by the owner
  Growing<Piece> pieces;                // texts, and tags once parsed
  std::deque<std::string> owned_texts;  // those not a part of `source`
  std::vector<CallableInfo> callables;
  std::vector<Slot> slots;
  std::vector<uint32_t> frame_sizes;
  NodeId root = kNoNode;
  uint32_t loop_name = kNoName;  // of "loop" and "caller", when the program speaks of them
  uint32_t caller_name = kNoName;
  bool plain = false;  // no tag at all
  // A program that can change an array needs a copy of the context. `a[b]` may name a method that
  // does, which matters only if such a value is called.
  bool may_mutate = false;
  bool dynamic_lookup = false;
  bool indirect_call = false;
  bool MayMutate() const { return may_mutate || (dynamic_lookup && indirect_call); }

  ProgramData() = default;
  ProgramData(const ProgramData&) = delete;
  ~ProgramData();
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_AST_H_
