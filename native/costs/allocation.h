// Allocation: which catalog entity a charge belongs to. Ordered rules, the first that matches wins.
//
//   apiVersion: purser.dev/v1
//   kind: CostAllocation
//   spec:
//     rules:
//       - name: provisioned          # what a run recorded; implied first when not listed
//         resource: recorded
//       - name: by tag
//         tag: purser.dev/entity      # the tag's value is an entity ref …
//       - name: teams
//         tag: team
//         entity: group:default/{value}   # … or a part of one (lower case, other characters '-')
//       - name: shared accounts
//         tag: cost-center
//         values: { "4711": component:default/shop, "4712": component:default/search }
//       - name: accounts
//         subAccount: ["51738928782", "43883916739"]
//         entity: system:default/data
//
// What no rule takes stays visible as kUnallocated.
#ifndef PURSER_COSTS_ALLOCATION_H_
#define PURSER_COSTS_ALLOCATION_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/resource_index.h"

namespace purser::costs {

// The entity of charges that no rule takes.
inline constexpr char kUnallocated[] = "unallocated";
inline constexpr size_t kMaxRules = 1'000;
inline constexpr size_t kMaxMappedValues = 100'000;  // of all rules

// Tag key → value as text; a tag without a value has "true".
using Tags = std::map<std::string, std::string>;

// What allocation looks at in a charge. Views into the caller's memory.
struct Subject {
  absl::string_view resource_id;  // "" when there is none
  absl::string_view sub_account;
  const Tags* tags;
};

struct Decision {
  std::string entity_ref;  // lower case; kUnallocated when no rule took the charge
  std::string rule;        // its name; "" when unallocated
};

// Immutable, thread-safe.
class Allocation {
 public:
  // By recorded resource id only.
  static std::shared_ptr<const Allocation> Default();
  // All problems at once, one a line, each "file:line:column: …".
  static absl::StatusOr<std::shared_ptr<const Allocation>> Parse(absl::string_view yaml,
                                                                 absl::string_view file);
  static absl::StatusOr<std::shared_ptr<const Allocation>> Load(const std::string& path);

  absl::StatusOr<Decision> Decide(const Subject& subject, ResourceIndex& resources) const;
  // Equal for equal rules: what was allocated by others must be allocated anew.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  enum class Kind { kRecorded, kTag, kSubAccount };
  struct Rule {
    std::string name;
    Kind kind = Kind::kRecorded;
    std::string tag;
    std::vector<std::string> sub_accounts;      // sorted
    std::string entity;                         // "{value}" stands for the tag's value
    std::map<std::string, std::string> values;  // tag value → entity ref
  };
  friend class AllocationParser;

  std::vector<Rule> rules_;
  std::string fingerprint_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_ALLOCATION_H_
