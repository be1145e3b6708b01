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
// its size and bytes, then the charges and the units of the sums. A run is one thread's at a time,
// and a piece of it small: without the locks of a file it is written and read in a third of the
// time.
bool Write(std::FILE* file, const void* bytes, size_t size) {
  return fwrite_unlocked(bytes, 1, size, file) == size;
}
bool Read(std::FILE* file, void* bytes, size_t size) {
  return fread_unlocked(bytes, 1, size, file) == size;
}

absl::Status CannotWrite() {
  return base::ErrnoStatus(errno, "write groups that do not fit into memory to a temporary file");
}
absl::Status CannotRead() {
  return base::ErrnoStatus(errno, "read groups back from a temporary file");
}

// The next group of a run.
struct Next {
  uint32_t same = 0;  // how many of its first parts are those of the group before
  std::vector<std::string> keys;
  std::vector<__int128> sums;  // the charges, then the units of the sums
};

// False at the end. `next` is the one before.
absl::StatusOr<bool> Advance(std::FILE* file, Next& next) {
  if (!Read(file, &next.same, sizeof next.same)) {
    if (feof_unlocked(file) != 0) return false;
    return CannotRead();
  }
  for (size_t part = next.same; part < next.keys.size(); ++part) {
    uint32_t size;
    if (!Read(file, &size, sizeof size)) return CannotRead();
    next.keys[part].resize(size);
    if (!Read(file, next.keys[part].data(), size)) return CannotRead();
  }
  if (!Read(file, next.sums.data(), next.sums.size() * sizeof(__int128))) return CannotRead();
  return true;
}

// The first part from `part` on in which the two differ; how many parts there are when in none.
size_t FirstDifferent(const std::vector<std::string>& a, const std::vector<std::string>& b,
                      size_t part) {
  while (part < a.size() && a[part] == b[part]) ++part;
  return part;
}

// Gives the groups of sorted runs in their order, equal ones added together.
class Merge {
 public:
  Merge(std::vector<std::FILE*> runs, size_t parts, size_t measures) : runs_(std::move(runs)) {
    for (size_t run = 0; run < runs_.size(); ++run) {
      next_.push_back({0, std::vector<std::string>(parts), std::vector<__int128>(1 + measures)});
    }
    last_.resize(parts);
    row_.sums.resize(measures);
    row_.keys.resize(parts);
  }

  absl::Status Run(const OnGroup& on_group) {
    for (size_t run = 0; run < runs_.size(); ++run) {
      std::rewind(runs_[run]);
      PURSER_RETURN_IF_ERROR(AdvanceOther(run));
    }
    while (!heap_.empty()) {
      lead_ = Take();
      // The groups that `lead_` gives now are written before all others of the heap, as long as it
      // has the smallest.
      Next& lead = next_[lead_];
      row_.same = any_ ? FirstDifferent(lead.keys, last_, 0) : 0;
      size_t shared = heap_.empty() ? 0 : FirstDifferent(lead.keys, next_[heap_.front()].keys, 0);
      while (true) {
        if (!heap_.empty() && shared == last_.size()) {
          PURSER_RETURN_IF_ERROR(AddEqual());
          shared = heap_.empty() ? 0 : FirstDifferent(lead.keys, next_[heap_.front()].keys, 0);
        }
        PURSER_RETURN_IF_ERROR(Tell(on_group));
        PURSER_ASSIGN_OR_RETURN(const bool more, Advance(runs_[lead_], lead));
        if (!more) break;
        row_.same = lead.same;
        if (heap_.empty()) continue;
        // The group before was less than the heap's first, from which it differed in the part
        // `shared` and in none before: so is one that changed later parts only, and one that
        // changed an earlier part is not.
        if (lead.same > shared) continue;
        const std::vector<std::string>& first = next_[heap_.front()].keys;
        shared = FirstDifferent(lead.keys, first, lead.same);
        if (shared < first.size() && lead.keys[shared] > first[shared]) {
          Push(lead_);
          break;
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  bool Later(size_t a, size_t b) const { return next_[a].keys > next_[b].keys; }
  void Push(size_t run) {
    heap_.push_back(run);
    std::push_heap(heap_.begin(), heap_.end(), [&](size_t a, size_t b) { return Later(a, b); });
  }
  size_t Take() {
    std::pop_heap(heap_.begin(), heap_.end(), [&](size_t a, size_t b) { return Later(a, b); });
    const size_t run = heap_.back();
    heap_.pop_back();
    return run;
  }
  absl::Status AdvanceOther(size_t run) {
    PURSER_ASSIGN_OR_RETURN(const bool more, Advance(runs_[run], next_[run]));
    if (more) Push(run);
    return absl::OkStatus();
  }

  // Adds what other runs have of the leading one's group.
  absl::Status AddEqual() {
    Next& lead = next_[lead_];
    while (!heap_.empty() && next_[heap_.front()].keys == lead.keys) {
      const size_t run = Take();
      for (size_t i = 0; i < lead.sums.size(); ++i) {
        if (__builtin_add_overflow(lead.sums[i], next_[run].sums[i], &lead.sums[i])) {
          return SumOverflow();
        }
      }
      PURSER_RETURN_IF_ERROR(AdvanceOther(run));
    }
    return absl::OkStatus();
  }

  absl::Status Tell(const OnGroup& on_group) {
    const Next& lead = next_[lead_];
    for (size_t part = row_.same; part < last_.size(); ++part) {
      last_[part] = lead.keys[part];
      row_.keys[part] = last_[part];
    }
    any_ = true;
    row_.charges = static_cast<int64_t>(lead.sums[0]);
    for (size_t i = 0; i < row_.sums.size(); ++i) {
      row_.sums[i] = base::Decimal::FromUnits(lead.sums[1 + i]);
    }
    return on_group(row_);
  }

  const std::vector<std::FILE*> runs_;
  std::vector<Next> next_;    // by run
  std::vector<size_t> heap_;  // runs but the leading one, the smallest next group first
  size_t lead_ = 0;
  bool any_ = false;               // whether a row was told
  std::vector<std::string> last_;  // its keys
  GroupRow row_;
};

}  // namespace

absl::Status GroupRuns::Add(const GroupTable& table) {
  if (runs_.size() >= kMaxRuns) {
    return absl::ResourceExhaustedError(absl::StrCat("the groups do not fit into ", kMaxRuns,
                                                     " temporary files (kMaxRuns): group by less"));
  }
  PURSER_ASSIGN_OR_RETURN(base::TemporaryFile file,
                          base::OpenTemporaryFile("groups that do not fit into memory"));
  std::FILE* const to = file.get();
  std::vector<__int128> sums(1 + measures_);
  PURSER_RETURN_IF_ERROR(
      purser::costs::ForEachSorted({&table}, [&](const GroupRow& row) -> absl::Status {
        const auto same = static_cast<uint32_t>(row.same);
        bool good = Write(to, &same, sizeof same);
        for (size_t part = row.same; part < row.keys.size(); ++part) {
          const absl::string_view key = row.keys[part];
          const auto size = static_cast<uint32_t>(key.size());
          good = good && Write(to, &size, sizeof size) && Write(to, key.data(), size);
        }
        sums[0] = row.charges;
        for (size_t i = 0; i < measures_; ++i) sums[1 + i] = row.sums[i].units();
        good = good && Write(to, sums.data(), sums.size() * sizeof(__int128));
        return good ? absl::OkStatus() : CannotWrite();
      }));
  if (std::fflush(to) != 0) return CannotWrite();
  runs_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::Status GroupRuns::ForEachSorted(const OnGroup& on_group) {
  std::vector<std::FILE*> runs;
  for (const base::TemporaryFile& run : runs_) runs.push_back(run.get());
  return Merge(std::move(runs), parts_, measures_).Run(on_group);
}

}  // namespace purser::costs
