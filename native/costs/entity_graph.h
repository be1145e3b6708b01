// The part of the catalog that costs roll up along: component → system → domain, owner → parent
// group; product and environment as labels. Handed in by the portal, or read from a file:
//
//   entities:
//     - { ref: component:default/shop, owner: group:default/web, system: system:default/store }
//     - { ref: system:default/store, owner: group:default/web, domain: domain:default/sales }
//     - { ref: group:default/web, parent: group:default/engineering }
//     - { ref: component:default/search, owner: group:default/web, product: search, environment:
//     prod }
#ifndef PURSER_COSTS_ENTITY_GRAPH_H_
#define PURSER_COSTS_ENTITY_GRAPH_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

inline constexpr size_t kMaxGraphEntities = 1'000'000;
inline constexpr int kMaxGraphDepth = 32;  // of groups in groups, domains in domains

struct GraphEntity {
  std::string ref;          // all refs in lower case
  std::string owner = {};   // group or user
  std::string system = {};  // of components, resources, APIs
  std::string domain = {};  // of systems; of domains: the domain above
  std::string parent = {};  // of groups
  std::string product = {};
  std::string environment = {};
  friend bool operator==(const GraphEntity&, const GraphEntity&) = default;
};

// What a charge of an entity counts for. "" where there is none.
struct Ancestry {
  std::string owner;                 // direct
  std::vector<std::string> groups;   // the owner, its parent, and so on; from the bottom
  std::string system;                // direct
  std::vector<std::string> domains;  // from the bottom
  std::string product;
  std::string environment;
};

// Immutable, thread-safe.
class EntityGraph {
 public:
  // Refs are parsed and put in lower case; later entries replace earlier ones of the same ref.
  static absl::StatusOr<std::shared_ptr<const EntityGraph>> Create(
      std::vector<GraphEntity> entities);
  static absl::StatusOr<std::shared_ptr<const EntityGraph>> Parse(absl::string_view yaml,
                                                                  absl::string_view file);
  static std::shared_ptr<const EntityGraph> Empty();

  // Groups count for themselves, systems and domains likewise; what an entity does not say, its
  // system says (owner, product, environment). Cycles end where they close.
  Ancestry Of(const std::string& ref) const;
  const GraphEntity* Find(const std::string& ref) const;
  const std::string& fingerprint() const { return fingerprint_; }
  const std::map<std::string, GraphEntity>& entities() const { return entities_; }

 private:
  std::map<std::string, GraphEntity> entities_;
  std::string fingerprint_;
};

// "group" of "group:default/web".
absl::string_view KindOfRef(absl::string_view ref);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ENTITY_GRAPH_H_
