#include "edit/splices.h"

#include <algorithm>
#include <utility>

namespace purser::edit {
namespace {

bool IsFree(const std::vector<Splice>& accepted, const Splice& splice) {
  // First range that ends behind our begin.
  auto at = std::partition_point(accepted.begin(), accepted.end(), [&](const Splice& other) {
    return other.end < splice.begin || (other.end == splice.begin && other.begin < splice.begin);
  });
  for (; at != accepted.end() && at->begin <= splice.end; ++at) {
    const bool both_insert = at->begin == at->end && splice.begin == splice.end;
    if (both_insert) continue;
    if (at->begin < splice.end && splice.begin < at->end) return false;
  }
  return true;
}

}  // namespace

std::vector<Splice> AcceptGroups(std::vector<std::vector<Splice>> groups) {
  std::vector<Splice> accepted;
  std::erase_if(groups, [](const std::vector<Splice>& group) { return group.empty(); });
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.front().begin < b.front().begin; });
  for (const std::vector<Splice>& group : groups) {
    const bool free = std::all_of(group.begin(), group.end(),
                                  [&](const Splice& splice) { return IsFree(accepted, splice); });
    if (!free) continue;
    for (const Splice& splice : group) {
      const auto at = std::upper_bound(
          accepted.begin(), accepted.end(), splice, [](const Splice& a, const Splice& b) {
            return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
          });
      accepted.insert(at, splice);
    }
  }
  return accepted;
}

absl::StatusOr<std::string> Apply(absl::string_view text, const std::vector<Splice>& splices) {
  std::string out;
  size_t at = 0;
  for (const Splice& splice : splices) {
    if (splice.begin < at || splice.end < splice.begin || splice.end > text.size()) {
      return absl::FailedPreconditionError(
          "this edit cannot be made: the layout around the edited place is not understood");
    }
    out.append(text.data() + at, splice.begin - at);
    out += splice.text;
    at = splice.end;
  }
  out.append(text.data() + at, text.size() - at);
  return out;
}

}  // namespace purser::edit
