#include "template/program_builder.h"

#include <algorithm>
#include <utility>

namespace purser::tmpl {

NodeId ProgramBuilder::Make(NodeType type, uint32_t offset) {
  const auto id = static_cast<NodeId>(program_.nodes.size());
  if (id >= kMaxNodes) {
    run_.FailLimit("nodes of one template", kMaxNodes);
    run_.Locate(offset);
  }
  Node made{};
  made.type = type;
  made.offset = offset;
  program_.nodes.push_back(made);
  return id;
}

NodeId ProgramBuilder::MakeLiteral(Value value, uint32_t offset) {
  const NodeId id = Make(NodeType::kLiteral, offset);
  node(id).literal = static_cast<uint32_t>(program_.literals.size());
  program_.literals.push_back(std::move(value));
  return id;
}

NodeId ProgramBuilder::MakeKey(absl::string_view name, uint32_t offset) {
  const auto [found, added] =
      keys_.emplace(Intern(name), static_cast<uint32_t>(program_.literals.size()));
  if (added) {
    program_.literals.push_back(Value::String(std::string(name)));
    const Value& key = program_.literals.back();
    const_cast<Counted*>(static_cast<const Counted*>(key.identity()))->MakeImmortal();
  }
  const NodeId id = Make(NodeType::kLiteral, offset);
  node(id).literal = found->second;
  return id;
}

ProgramBuilder::Parsed ProgramBuilder::FindParsed(absl::string_view code) const {
  if (code.size() > kMaxKeptExpression) return {};
  const auto found = parsed_.find(code);
  return found != parsed_.end() && found->second.version == region_.version ? found->second
                                                                            : Parsed{};
}

void ProgramBuilder::KeepParsed(absl::string_view code, NodeId id, uint32_t offset) {
  if (code.size() <= kMaxKeptExpression) parsed_[code] = {id, offset, region_.version};
}

NodeId ProgramBuilder::MakeName(absl::string_view name, uint32_t offset) {
  const NodeId id = Make(NodeType::kName, offset);
  node(id).name = Intern(name);
  node(id).slot = Lookup(node(id).name);
  return id;
}

void ProgramBuilder::SetList(NodeId id, absl::Span<const NodeId> children) {
  node(id).list = static_cast<uint32_t>(program_.lists.size());
  node(id).count = static_cast<uint32_t>(children.size());
  program_.lists.append(children.begin(), children.end());
}

uint32_t ProgramBuilder::Intern(absl::string_view name) {
  const auto found = interned_.find(name);
  if (found != interned_.end()) return found->second;
  const auto id = static_cast<uint32_t>(program_.names.size());
  interned_.emplace(std::string(name), id);
  program_.names.emplace_back(name);
  if (name == "loop") program_.loop_name = id;
  if (name == "caller") program_.caller_name = id;
  return id;
}

ProgramBuilder::Region ProgramBuilder::NewFrame(bool inherit) {
  Region made;
  made.frame = static_cast<uint32_t>(program_.frame_sizes.size());
  program_.frame_sizes.push_back(0);
  made.version = ++versions_;
  if (inherit) made.bindings = region_.bindings;
  return made;
}

SlotId ProgramBuilder::AddSlot() {
  const auto id = static_cast<SlotId>(program_.slots.size());
  program_.slots.push_back({region_.frame, program_.frame_sizes[region_.frame]++});
  return id;
}

SlotId ProgramBuilder::Bind(uint32_t name) {
  const SlotId slot = AddSlot();
  region_.bindings[name] = slot;
  region_.version = ++versions_;
  return slot;
}

SlotId ProgramBuilder::Lookup(uint32_t name) const {
  const auto found = region_.bindings.find(name);
  return found == region_.bindings.end() ? kNoSlot : found->second;
}

void ProgramBuilder::ResolveAgain(NodeId from) {
  for (size_t i = from; i < program_.nodes.size(); ++i) {
    Node& made = program_.nodes[i];
    if (made.type == NodeType::kName) made.slot = Lookup(made.name);
  }
}

bool ProgramBuilder::Fail(uint32_t offset, std::string message) {
  run_.Fail(std::move(message));
  run_.Locate(offset);
  return false;
}

ProgramBuilder::Nesting::Nesting(ProgramBuilder& builder, uint32_t offset)
    : builder_(builder), ok_(true) {
  const int64_t limit = builder.run_.limits().max_nesting;
  if (++builder.depth_ > limit) {
    ok_ = builder.run_.FailLimit("max_nesting", limit);
  } else {
    ok_ = builder.run_.Stack();
  }
  if (!ok_) builder.run_.Locate(offset);
}

ProgramData::~ProgramData() {
  // Literals are immortal, so that threads need not count them; here their life ends. The values go
  // first, since a value's end still looks at its object.
  std::vector<const Counted*> objects;
  for (const Value& literal : literals) {
    if (literal.IsObject()) objects.push_back(static_cast<const Counted*>(literal.identity()));
  }
  literals.clear();
  for (const Counted* object : objects) delete object;
}

}  // namespace purser::tmpl
