// Groups in the order of their texts, of one table or of several whose equal groups are one.
#ifndef PURSER_COSTS_SORTED_GROUPS_H_
#define PURSER_COSTS_SORTED_GROUPS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/decimal.h"
#include "costs/group_table.h"

namespace purser::costs {

struct GroupRow {
  size_t same = 0;  // how many of the first parts are those of the row before
  std::vector<absl::string_view> keys;
  std::vector<base::Decimal> sums;
  int64_t charges = 0;
};
// The row is valid during the call; an error ends what gives the rows.
using OnGroup = std::function<absl::Status(const GroupRow&)>;

// By the texts of the parts; the rows are given on the caller's thread. The tables, at least one,
// have the same parts and measures and are not changed meanwhile; each is sorted on a thread of its
// own. OUT_OF_RANGE when a sum over the tables does not fit.
absl::Status ForEachSorted(const std::vector<const GroupTable*>& tables, const OnGroup& on_group);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SORTED_GROUPS_H_
