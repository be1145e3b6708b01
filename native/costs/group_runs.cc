#include "costs/group_runs.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {
namespace {

// A group in a run: how many of its first parts are those of the group before, for each other part
// its size and bytes, then the charges and the units of the sums.
struct Group {
  std::vector<std::string> keys;
  std::vector<__int128> units;
  int64_t charges = 0;
};

template <typename T>
bool WriteOne(std::FILE* file, const T& value) {
  return std::fwrite(&value, sizeof value, 1, file) == 1;
}
template <typename T>
bool ReadOne(std::FILE* file, T* value) {
  return std::fread(value, sizeof *value, 1, file) == 1;
}

absl::Status CannotWrite() {
  return base::ErrnoStatus(errno, "write groups that do not fit into memory to a temporary file");
}
absl::Status CannotRead() {
  return base::ErrnoStatus(errno, "read groups back from a temporary file");
}

// False at the end. `group` is the one before.
absl::StatusOr<bool> ReadGroup(std::FILE* file, Group& group) {
  uint32_t same, size;
  if (!ReadOne(file, &same)) {
    if (std::feof(file) != 0) return false;
    return CannotRead();
  }
  for (size_t part = same; part < group.keys.size(); ++part) {
    if (!ReadOne(file, &size)) return CannotRead();
    group.keys[part].resize(size);
    if (std::fread(group.keys[part].data(), 1, size, file) != size) return CannotRead();
  }
  if (!ReadOne(file, &group.charges)) return CannotRead();
  for (__int128& units : group.units) {
    if (!ReadOne(file, &units)) return CannotRead();
  }
  return true;
}

}  // namespace

absl::Status GroupRuns::Add(const GroupTable& table) {
  if (runs_.size() >= kMaxRuns) {
    return absl::ResourceExhaustedError(absl::StrCat("the groups do not fit into ", kMaxRuns,
                                                     " temporary files (kMaxRuns): group by less"));
  }
  File file(std::tmpfile());
  if (file == nullptr) return CannotWrite();
  std::FILE* const to = file.get();
  std::vector<absl::string_view> last;  // valid as long as the table
  PURSER_RETURN_IF_ERROR(table.ForEachSorted([&](const GroupTable::Row& row) -> absl::Status {
    uint32_t same = 0;
    while (same < last.size() && last[same] == row.keys[same]) ++same;
    last = row.keys;
    bool good = WriteOne(to, same);
    for (size_t part = same; part < row.keys.size(); ++part) {
      const absl::string_view key = row.keys[part];
      good = good && WriteOne(to, static_cast<uint32_t>(key.size())) &&
             std::fwrite(key.data(), 1, key.size(), to) == key.size();
    }
    good = good && WriteOne(to, row.charges);
    for (const base::Decimal sum : row.sums) good = good && WriteOne(to, sum.units());
    return good ? absl::OkStatus() : CannotWrite();
  }));
  if (std::fflush(to) != 0) return CannotWrite();
  runs_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::Status GroupRuns::ForEachSorted(
    const std::function<absl::Status(const GroupTable::Row&)>& on_row) {
  std::vector<Group> next(runs_.size());
  std::vector<size_t> heap;  // runs by their next group, the smallest on top
  const auto later = [&](size_t a, size_t b) { return next[a].keys > next[b].keys; };
  const auto advance = [&](size_t run) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const bool more, ReadGroup(runs_[run].get(), next[run]));
    if (!more) return absl::OkStatus();
    heap.push_back(run);
    std::push_heap(heap.begin(), heap.end(), later);
    return absl::OkStatus();
  };
  for (size_t run = 0; run < runs_.size(); ++run) {
    next[run].keys.resize(parts_);
    next[run].units.resize(measures_);
    std::rewind(runs_[run].get());
    PURSER_RETURN_IF_ERROR(advance(run));
  }
  Group group;
  GroupTable::Row row;
  row.sums.resize(measures_);
  while (!heap.empty()) {
    const auto take = [&] {
      std::pop_heap(heap.begin(), heap.end(), later);
      const size_t run = heap.back();
      heap.pop_back();
      return run;
    };
    size_t run = take();
    group = next[run];
    PURSER_RETURN_IF_ERROR(advance(run));
    while (!heap.empty() && next[heap.front()].keys == group.keys) {
      run = take();
      group.charges += next[run].charges;
      for (size_t i = 0; i < measures_; ++i) {
        if (__builtin_add_overflow(group.units[i], next[run].units[i], &group.units[i])) {
          return absl::OutOfRangeError("a sum of costs does not fit into ±170141183460469231731");
        }
      }
      PURSER_RETURN_IF_ERROR(advance(run));
    }
    row.keys.assign(group.keys.begin(), group.keys.end());
    row.charges = group.charges;
    for (size_t i = 0; i < measures_; ++i) {
      row.sums[i] = base::Decimal::FromUnits(group.units[i]);
    }
    PURSER_RETURN_IF_ERROR(on_row(row));
  }
  return absl::OkStatus();
}

}  // namespace purser::costs
