// OpenCost's filter language over allocations, as far as conditions that all hold:
//
//   namespace:"web","shop"+label[app]!:"test"+pod<~:"api-"
#ifndef PURSER_COSTS_SOURCES_ALLOCATION_FILTER_H_
#define PURSER_COSTS_SOURCES_ALLOCATION_FILTER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

// Thread-compatible.
class AllocationFilter {
 public:
  // The value of a field as ParseAllocationField gives it; "" when there is none.
  using FieldOf = std::function<std::string(const std::string& field)>;

  // "" lets everything pass. INVALID_ARGUMENT names the place.
  static absl::StatusOr<AllocationFilter> Parse(absl::string_view text);

  bool Passes(const FieldOf& field_of) const;

 private:
  enum class Match { kEquals, kContains, kStartsWith, kEndsWith };
  struct Condition {
    std::string field = {};
    bool negated = false;
    Match match = Match::kEquals;
    std::vector<std::string> values = {};  // any of them
  };

  static absl::StatusOr<Condition> ParseCondition(absl::string_view& rest);

  std::vector<Condition> conditions_;
};

// One of OpenCost's fields that allocations have here: cluster, node, namespace, controllerKind,
// controller, service, pod, label:NAME (in filters label[NAME]), written as label:NAME.
// INVALID_ARGUMENT for others.
absl::StatusOr<std::string> ParseAllocationField(absl::string_view field);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_ALLOCATION_FILTER_H_
