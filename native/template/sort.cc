// The order in which V8's Array.prototype.sort compares and moves: runs, binary insertion, merging.
#include <algorithm>
#include <utility>
#include <vector>

#include "template/builtins.h"

namespace purser::tmpl {
namespace {

constexpr size_t kInsertionBelow = 64;

struct Stretch {
  size_t begin;
  size_t end;
};

class Sorter {
 public:
  Sorter(Run& run, Comparison& comparison, std::vector<Value>& items)
      : run_(run), comparison_(comparison), items_(items) {}

  bool Sort() {
    size_t remaining = items_.size(), low = 0, least = items_.size(), odd = 0;
    while (least >= kInsertionBelow) {
      odd |= least & 1;
      least >>= 1;
    }
    least += odd;
    while (remaining > 0) {
      size_t length = CountRun(low, low + remaining);
      if (length < least) {
        const size_t forced = std::min(least, remaining);
        Insert(low, low + length, low + forced);
        length = forced;
      }
      if (run_.failed()) return false;
      runs_.push_back({low, low + length});
      Collapse();
      low += length;
      remaining -= length;
    }
    while (runs_.size() > 1 && !run_.failed()) {
      size_t at = runs_.size() - 2;
      if (at > 0 && Length(at - 1) < Length(at + 1)) --at;
      Merge(at);
    }
    return !run_.failed();
  }

 private:
  bool Less(const Value& a, const Value& b) {
    return run_.Step() && comparison_.Compare(a, b) < 0 && !run_.failed();
  }
  size_t Length(size_t run) const { return runs_[run].end - runs_[run].begin; }

  size_t CountRun(size_t low, size_t high) {
    if (low + 1 >= high) return high - low;
    size_t at = low + 2;
    const bool descending = Less(items_[low + 1], items_[low]);
    while (at < high && Less(items_[at], items_[at - 1]) == descending) ++at;
    if (descending) std::reverse(items_.begin() + low, items_.begin() + at);
    return at - low;
  }

  void Insert(size_t low, size_t start, size_t high) {
    for (size_t i = std::max(start, low + 1); i < high && !run_.failed(); ++i) {
      size_t left = low, right = i;
      while (left < right) {
        const size_t middle = left + (right - left) / 2;
        if (Less(items_[i], items_[middle])) {
          right = middle;
        } else {
          left = middle + 1;
        }
      }
      std::rotate(items_.begin() + left, items_.begin() + i, items_.begin() + i + 1);
    }
  }

  void Collapse() {
    while (runs_.size() > 1 && !run_.failed()) {
      size_t at = runs_.size() - 2;
      if ((at > 0 && Length(at - 1) <= Length(at) + Length(at + 1)) ||
          (at > 1 && Length(at - 2) <= Length(at - 1) + Length(at))) {
        if (Length(at - 1) < Length(at + 1)) --at;
      } else if (Length(at) > Length(at + 1)) {
        return;
      }
      Merge(at);
    }
  }

  void Merge(size_t at) {
    const Stretch a = runs_[at], b = runs_[at + 1];
    std::vector<Value> merged;
    merged.reserve(b.end - a.begin);
    size_t i = a.begin, j = b.begin;
    while (i < a.end && j < b.end) {
      merged.push_back(std::move(Less(items_[j], items_[i]) ? items_[j++] : items_[i++]));
    }
    std::move(items_.begin() + i, items_.begin() + a.end, std::back_inserter(merged));
    std::move(items_.begin() + j, items_.begin() + b.end, std::back_inserter(merged));
    std::move(merged.begin(), merged.end(), items_.begin() + a.begin);
    runs_[at].end = b.end;
    runs_.erase(runs_.begin() + at + 1);
  }

  Run& run_;
  Comparison& comparison_;
  std::vector<Value>& items_;
  std::vector<Stretch> runs_;
};

}  // namespace

bool SortValues(Run& run, Comparison& comparison, std::vector<Value>* values) {
  std::vector<Value> present;
  size_t undefined = 0, holes = 0;
  for (Value& value : *values) {
    if (value.IsHole()) {
      ++holes;
    } else if (value.IsUndefined()) {
      ++undefined;
    } else {
      present.push_back(std::move(value));
    }
  }
  if (!Sorter(run, comparison, present).Sort()) return false;
  present.resize(present.size() + undefined);
  present.resize(present.size() + holes, Value::Hole());
  *values = std::move(present);
  return true;
}

}  // namespace purser::tmpl
