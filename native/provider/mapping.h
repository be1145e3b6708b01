// Rules of an operator that say how items of a source become entities: which entity kind, name and
// owner an object of a cluster, a user of a directory or a module of a repository gets.
//
//   rules:
//     - match: {kind: Deployment, namespace: [shop-*, pay], labels: {tier: backend}}
//       entity: {owner: "group:${{ labels.team }}", lifecycle: "${{ object.metadata.labels.env }}"}
//     - match: {if: "${{ object.spec.replicas == 0 }}"}
//       drop: true
//
// A provider makes a draft of the entity from what it knows; the first rule that matches changes it
// (with `continue: true` the rules behind it are asked too). Expressions are those of templates,
// compiled once when the config is read. What an expression leaves undefined, null or empty stays
// as the draft has it.
#ifndef PURSER_PROVIDER_MAPPING_H_
#define PURSER_PROVIDER_MAPPING_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace purser::provider {

inline constexpr size_t kMaxMappingRules = 200;
inline constexpr size_t kMaxMappingTextBytes = 8 << 10;  // of one expression
inline constexpr int64_t kMaxMappingOutputBytes = 256 << 10;
inline constexpr int64_t kMaxMappingSteps = 100'000;
inline constexpr int64_t kMaxMappingMemoryBytes = 16 << 20;
inline constexpr int64_t kMaxMappingMillis = 1'000;
inline constexpr size_t kMaxEntityTags = 30;
inline constexpr size_t kMaxEntityLinks = 30;

// What rules match by. Views and pointers need to live during the call only.
struct MappingItem {
  absl::string_view api_version;
  absl::string_view kind;
  absl::string_view namespace_name;
  absl::string_view name;
  const nlohmann::json* labels = nullptr;       // objects of strings, or null
  const nlohmann::json* annotations = nullptr;  // likewise
  // An object; its members are the variables of expressions, beside `labels`, `annotations` and
  // `entity` (the draft).
  const nlohmann::json* variables = nullptr;
};

enum class MappingOutcome {
  kUnmatched,  // no rule took the item; the draft is as it was
  kMapped,     // the draft was changed
  kDropped,    // a rule says that the item becomes no entity
};

// Where a value lies: {"metadata", "labels"}.
using FieldPath = std::vector<std::string>;

// Immutable, thread-safe, cheap to copy.
class Mapping {
 public:
  Mapping();  // without rules

  // JSON Schema of the list of rules, to stand as `rules` in a provider's config schema.
  static const nlohmann::json& Schema();

  // `rules` passed Schema(). INVALID_ARGUMENT names every rule and field that is wrong, below
  // `where` ("rules[2].entity.owner: …").
  static absl::StatusOr<Mapping> Compile(const nlohmann::json& rules,
                                         absl::string_view where = "rules");

  // Changes `draft` by the rules. INVALID_ARGUMENT names rule and field whose expression failed or
  // gave what the field cannot hold; the draft is then of no use.
  absl::StatusOr<MappingOutcome> Apply(const MappingItem& item, nlohmann::json* draft) const;

  // Which members of the variable `name` the expressions read; all when an expression uses it as a
  // whole, then the list has one empty path. Sources that read only what is needed ask this.
  std::vector<FieldPath> FieldsOf(absl::string_view name) const;

  size_t size() const;

 private:
  struct Compiled;
  explicit Mapping(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

// What the well-known labels and annotations of an object say about its entity, put into the draft:
//   annotations backstage.io/{owner,system,domain,type,lifecycle,title,description,name,tags,links}
//     and any other backstage.io/* one, which the entity gets as it is (tags by commas, links as a
//     JSON list of {url, title});
//   labels      backstage.io/{owner,system,type,lifecycle,kubernetes-id},
//     app.kubernetes.io/name → title, part-of → system, component → a tag, version and managed-by →
//     annotations.
// Annotations win over labels. What is no valid value is left out. Annotations that say where an
// entity comes from (backstage.io/managed-by-*, backstage.io/orphan, …) are not taken.
void ApplyWellKnownMetadata(const nlohmann::json* labels, const nlohmann::json* annotations,
                            nlohmann::json* draft);

// Whether the object's owner asks for no entity: annotation or label backstage.io/ignore: "true".
bool AsksToBeIgnored(const nlohmann::json* labels, const nlohmann::json* annotations);

// Gives the draft what its kind requires and nobody said: owner, type, lifecycle. `fallback` holds
// "owner", "type", "lifecycle", "system" (only those it has are used).
void FillRequired(const nlohmann::json& fallback, nlohmann::json* draft);

// A tag from any text: lower case, other characters become '-'. "" when nothing is left.
std::string TagOf(absl::string_view text);

// '*' stands for any characters, '?' for one.
bool WildcardMatches(absl::string_view pattern, absl::string_view text);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_MAPPING_H_
