// Makes the nodes, names and slots of a program while it is parsed.
#ifndef PURSER_TEMPLATE_PROGRAM_BUILDER_H_
#define PURSER_TEMPLATE_PROGRAM_BUILDER_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "template/ast.h"
#include "template/lexer.h"
#include "template/run.h"

namespace purser::tmpl {

// Nodes of one program.
inline constexpr size_t kMaxNodes = 20'000'000;
// Longer expressions are not looked for among those parsed before.
inline constexpr size_t kMaxKeptExpression = 200;

class ProgramBuilder {
 public:
  ProgramBuilder(Run& run, ProgramData& program) : run_(run), program_(program) {}

  // What a region of the template sees by slot: a frame and the names bound in it. `version` tells
  // apart every state of the bindings that ever was.
  struct Region {
    uint32_t frame = 0;
    uint32_t version = 0;
    absl::flat_hash_map<uint32_t, SlotId> bindings;
  };

  Run& run() { return run_; }
  ProgramData& program() { return program_; }
  Node& node(NodeId id) { return program_.nodes[id]; }

  NodeId Make(NodeType type, uint32_t offset);
  NodeId MakeLiteral(Value value, uint32_t offset);
  NodeId MakeKey(absl::string_view name,
                 uint32_t offset);  // a string literal, one for all its uses
  NodeId MakeName(absl::string_view name, uint32_t offset);  // resolved in the current region
  void SetList(NodeId id, absl::Span<const NodeId> children);
  uint32_t Intern(absl::string_view name);
  const std::string& Name(uint32_t name) const { return program_.names[name]; }
  Tokens& tokens() { return tokens_; }

  // Expressions parsed before, so that a file that repeats one parses it once. Only good within the
  // region it was parsed in.
  struct Parsed {
    NodeId id = kNoNode;
    uint32_t offset = 0;  // of its code
    uint32_t version = 0;
  };
  Parsed FindParsed(absl::string_view code) const;  // kNoNode when there is none
  void KeepParsed(absl::string_view code, NodeId id, uint32_t offset);

  // Regions. A new frame has its own slots; a fork shares the frame but binds apart.
  Region& region() { return region_; }
  Region Fork() const { return region_; }
  Region NewFrame(bool inherit);
  // Makes `next` the current region and gives the former one back.
  Region Enter(Region next) { return std::exchange(region_, std::move(next)); }
  SlotId AddSlot();                    // without a name
  SlotId Bind(uint32_t name);          // a new slot for the name in this region
  SlotId Lookup(uint32_t name) const;  // kNoSlot when not bound
  // Resolves the names made since `from` again, after a binding they may mean was made.
  void ResolveAgain(NodeId from);

  // Records `message` at `offset`; returns false.
  bool Fail(uint32_t offset, std::string message);

  // Depth of constructs inside each other, limited by max_nesting and the thread's stack.
  class Nesting {
   public:
    explicit Nesting(ProgramBuilder& builder, uint32_t offset);
    ~Nesting() { --builder_.depth_; }
    bool ok() const { return ok_; }

   private:
    ProgramBuilder& builder_;
    bool ok_;
  };

 private:
  Run& run_;
  ProgramData& program_;
  Region region_;
  uint32_t versions_ = 0;
  Tokens tokens_;
  absl::flat_hash_map<std::string, uint32_t> interned_;
  absl::flat_hash_map<uint32_t, uint32_t> keys_;  // literals by name
  absl::flat_hash_map<absl::string_view, Parsed> parsed_;
  int depth_ = 0;
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_PROGRAM_BUILDER_H_
