// Groups that do not fit into memory: sorted runs in files without a name, merged when they are
// read.
#ifndef PURSER_COSTS_GROUP_RUNS_H_
#define PURSER_COSTS_GROUP_RUNS_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "base/temporary_folder.h"
#include "costs/sorted_groups.h"

namespace purser::costs {

inline constexpr size_t kMaxRuns = 4'000;

// One thread at a time.
class GroupRuns {
 public:
  GroupRuns(size_t parts, size_t measures) : parts_(parts), measures_(measures) {}

  // Writes all groups of the table into a new run in the system's temporary folder.
  // RESOURCE_EXHAUSTED: the disk is full, or there are more than kMaxRuns.
  absl::Status Add(const GroupTable& table);
  bool empty() const { return runs_.empty(); }

  // By the texts of the parts, equal keys as one row. The row is valid during the call; an error
  // ends it. May be called again.
  absl::Status ForEachSorted(const OnGroup& on_group);

 private:
  const size_t parts_;
  const size_t measures_;
  std::vector<base::TemporaryFile> runs_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_GROUP_RUNS_H_
