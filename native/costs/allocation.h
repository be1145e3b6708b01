// Allocation: which catalog entity a charge belongs to. Ordered rules, the first that matches wins;
// it gives the charge to an entity, or to a pool of shared cost that is split afterwards.
//
//   apiVersion: purser.dev/v1
//   kind: CostAllocation
//   spec:
//     rules:
//       - { name: provisioned, resource: recorded }   # what a run recorded; first when not listed
//       - { name: entity tag, tag: purser.dev/entity }  # the tag's value is an entity ref
//       - name: teams
//         tag: team
//         entity: group:default/{value}  # … or a part of one (lower case, other characters '-')
//       - name: cost centers
//         tag: cost-center
//         values: { "4711": component:default/shop, "4712": component:default/search }
//       - { name: pods, kubernetes: { label: app }, entity: "component:default/{value}" }
//       - { name: spaces, kubernetes: namespace, entity: "system:default/{value}" }
//       - { name: accounts, subAccount: ["51738928782"], entity: system:default/data }
//       - { name: vpcs, column: ResourceName, glob: "vpc-*", entity: "group:default/{1}" }
//       - name: network
//         match: { ServiceName: "NAT Gateway", RegionId: { regex: "^eu-(west|north)-" } }
//         share: platform
//     pools:
//       - { name: platform, split: proportional, measure: effective, among: { kinds: [component] }
//       }
//       - { name: support, split: even }
//       - { name: office, split: fixed, shares: { group:default/a: 60, group:default/b: 40 } }
//       - { name: cluster, split: metric, metric: cpu-hours, capacity: cluster-cpu-hours }
//
// What no rule takes stays visible as kUnallocated. A rule of any kind may have `when`, conditions
// like those of `match` that must hold as well.
#ifndef PURSER_COSTS_ALLOCATION_H_
#define PURSER_COSTS_ALLOCATION_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/decimal.h"
#include "costs/facts.h"
#include "costs/resource_index.h"
#include "json/pattern.h"

namespace purser::costs {

// The entity of charges that no rule takes.
inline constexpr char kUnallocated[] = "unallocated";
// Before a pool's name: the entity of what the pool could not give away, and of its idle part.
inline constexpr char kSharedPrefix[] = "shared:";
inline constexpr char kIdlePrefix[] = "idle:";
inline constexpr size_t kMaxRules = 1'000;
inline constexpr size_t kMaxPools = 100;
inline constexpr size_t kMaxMappedValues = 100'000;  // of all rules
inline constexpr size_t kMaxSubjectColumns = 16;     // that rules may name beyond kSubjectColumns

// Tag key → value as text; a tag without a value has "true".
using Tags = std::map<std::string, std::string>;

// FOCUS columns that are kept of every charge for rules to look at, beside resource id, sub account
// and tags, and beside those of its item (ServiceName, RegionId, SkuId, ChargeCategory,
// BillingCurrency). Others are kept from the first delivery on after a rule names them.
inline constexpr absl::string_view kSubjectColumns[] = {
    "BillingAccountId", "SubAccountName", "ProviderName",   "PublisherName",
    "ResourceName",     "ResourceType",   "ServiceCategory"};

// What allocation looks at in a charge. Views into the caller's memory.
struct Subject {
  absl::string_view resource_id;  // "" when there is none
  absl::string_view sub_account;
  const Tags* tags;
  const Tags* columns = nullptr;     // column → value; null: none kept
  const ChargeItem* item = nullptr;  // null: not known, its columns are ""
};

struct Decision {
  std::string entity_ref;  // lower case; kUnallocated when no rule took the charge; of a pool's
                           // charges kSharedPrefix and the pool's name
  std::string rule;        // its name; "" when unallocated
  friend bool operator==(const Decision&, const Decision&) = default;
};

// One rule looked at, for `explain`.
struct RuleTrace {
  std::string rule;
  bool matched = false;
  std::string why;  // "tag team is \"a\"", "there is no tag cost-center"
};

enum class Split { kEven, kProportional, kFixed, kMetric };

struct Pool {
  std::string name;
  Split split = Split::kProportional;
  Measure measure = Measure::kEffective;       // of kProportional
  std::map<std::string, base::Decimal> fixed;  // of kFixed: percent, at most 100 altogether
  std::string metric;                          // of kMetric: a metric's sum per entity and month
  // Of kMetric: a metric of kSharedPrefix + name that says what could have been used; what of it
  // nobody used is idle. Use beyond it makes no idle, never one below zero.
  std::string capacity;
  // Who takes part, of those with direct cost in the month; empty means no condition.
  std::vector<std::string> kinds;
  std::vector<std::string> owners;
  std::vector<std::string> systems;
  std::vector<std::string> entities;  // exactly these, with direct cost or without
};

// One condition on a column or a tag ("tag:KEY"): any of the texts, globs or regular expressions.
struct Matcher {
  std::string column;
  std::vector<std::string> values;      // sorted
  std::vector<std::string> globs;       // "*" any text, "?" one byte
  std::vector<json::Pattern> patterns;  // found anywhere in the text
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

  // `trace`, when given, gets one entry per rule looked at.
  absl::StatusOr<Decision> Decide(const Subject& subject, ResourceIndex& resources,
                                  std::vector<RuleTrace>* trace = nullptr) const;
  // Equal for equal rules: charges decided by others must be decided anew.
  const std::string& fingerprint() const { return fingerprint_; }
  // Equal for equal pools: beside the decisions they are all of the rules that a month's allocation
  // depends on.
  const std::string& pools_fingerprint() const { return pools_fingerprint_; }
  // Columns to keep of every charge beside kSubjectColumns.
  const std::vector<std::string>& extra_columns() const { return extra_columns_; }
  // Whether decisions depend on Subject::item.
  bool by_item() const { return by_item_; }
  const std::vector<Pool>& pools() const { return pools_; }

 private:
  enum class Kind { kRecorded, kTag, kSubAccount, kKubernetes, kColumn, kMatch };
  struct Rule {
    std::string name;
    Kind kind = Kind::kRecorded;
    std::string key;                            // the tag, the label or the column
    std::string glob;                           // of a column rule; its stars are {1}, {2} …
    std::vector<std::string> sub_accounts;      // sorted
    std::vector<Matcher> conditions;            // all must hold
    std::string entity;                         // "{value}" stands for the tag's value
    std::map<std::string, std::string> values;  // tag value → entity ref
    std::string pool;
  };
  friend class AllocationParser;

  static std::optional<std::string> ValueFor(const Rule& rule, const Subject& subject);
  static std::optional<std::string> EntityFor(const Rule& rule, const std::string& value,
                                              std::string* why);

  std::vector<Rule> rules_;
  std::vector<Pool> pools_;
  std::vector<std::string> extra_columns_;
  bool by_item_ = false;
  std::string fingerprint_;
  std::string pools_fingerprint_;
};

// A column of a subject, or "tag:KEY"; nothing when it has none.
std::optional<std::string> ColumnOf(const Subject& subject, absl::string_view column);
// Whether `text` is what the glob describes; `stars` gets what each '*' stood for.
bool GlobMatches(absl::string_view glob, absl::string_view text, std::vector<std::string>* stars);
// A text as a part of an entity's name: "Team A" and "team-a" mean the same. "" when nothing is
// left.
std::string NamePart(absl::string_view value);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ALLOCATION_H_
