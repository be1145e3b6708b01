// The numbers the store gives to items, bills and nodes. Append-only: what was read once stays
// true, so that a copy is brought up to date by reading what was added.
#ifndef PURSER_COSTS_NUMBERS_H_
#define PURSER_COSTS_NUMBERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/facts.h"
#include "store/store.h"

namespace purser::costs {

// Something costs are kept for: an entity, or what entities roll up to.
enum class NodeKind : uint8_t {
  kTotal,        // everything; its name is ""
  kEntity,       // also kUnallocated and what pools keep
  kOwner,        // direct owner; "" for entities without one, so that all owners are everything
  kGroup,        // a group with the groups below it
  kSystem,       // direct; "" for entities without one
  kDomain,       // a domain with the domains below it
  kProduct,      // "" for entities without one
  kEnvironment,  // "" for entities without one
};
inline constexpr NodeKind kNodeKinds[] = {
    NodeKind::kTotal,  NodeKind::kEntity, NodeKind::kOwner,   NodeKind::kGroup,
    NodeKind::kSystem, NodeKind::kDomain, NodeKind::kProduct, NodeKind::kEnvironment};

struct Node {
  NodeKind kind = NodeKind::kTotal;
  std::string name;
  friend bool operator==(const Node&, const Node&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Node& node) {
    return H::combine(std::move(state), static_cast<int>(node.kind), node.name);
  }
};

// Values by number and numbers by value, in the order of appearance.
template <typename T>
class Numbering {
 public:
  uint32_t NumberOf(const T& value) {
    const auto [at, added] = numbers_.try_emplace(value, static_cast<uint32_t>(values_.size()));
    if (added) values_.push_back(value);
    return at->second;
  }
  std::optional<uint32_t> Find(const T& value) const {
    const auto found = numbers_.find(value);
    if (found == numbers_.end()) return std::nullopt;
    return found->second;
  }
  const T& operator[](uint32_t number) const { return values_[number]; }
  size_t size() const { return values_.size(); }

 private:
  absl::flat_hash_map<T, uint32_t> numbers_;
  std::vector<T> values_;
};

// Copies are independent. Not thread-safe.
class Numbers {
 public:
  // Reads what the store has beyond this copy.
  absl::Status Refresh(store::Connection& connection);
  // Writes what was added to `items`, `bills` and `nodes` since Refresh. RESOURCE_EXHAUSTED beyond
  // kMaxItems of one kind.
  absl::Status Store(store::Connection& connection);

  Numbering<ChargeItem> items;
  Numbering<Bill> bills;
  Numbering<Node> nodes;

 private:
  // How many of each are in the store.
  size_t items_stored_ = 0;
  size_t bills_stored_ = 0;
  size_t nodes_stored_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_NUMBERS_H_
