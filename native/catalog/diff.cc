#include "catalog/diff.h"

#include <algorithm>
#include <utility>

#include "catalog/entity.h"

namespace purser::catalog {
namespace {

// Fills chunks up to the size the portal takes at once.
class Chunks {
 public:
  explicit Chunks(std::vector<Delta>& chunks) : chunks_(chunks) {}
  Delta& Next() {
    if (chunks_.empty() || filled_ == kMaxDeltaEntities) {
      chunks_.emplace_back();
      filled_ = 0;
    }
    ++filled_;
    return chunks_.back();
  }

 private:
  std::vector<Delta>& chunks_;
  int filled_ = 0;
};

bool HoldRemovals(int64_t known, int64_t seen, int64_t removed, const GuardOptions& guard) {
  if (removed == 0) return false;
  if (seen == 0) return !guard.allow_empty;
  if (removed < guard.min_removed) return false;
  return static_cast<double>(removed) > guard.max_removed_fraction * static_cast<double>(known);
}

}  // namespace

DiffResult Diff(const State& known, std::vector<SnapshotEntity> snapshot,
                const GuardOptions& guard) {
  DiffResult result;
  std::stable_sort(snapshot.begin(), snapshot.end(),
                   [](const auto& a, const auto& b) { return a.ref < b.ref; });
  Chunks chunks(result.chunks);
  std::vector<std::string> gone;
  auto old = known.begin();
  const std::string* previous = nullptr;
  for (SnapshotEntity& entity : snapshot) {
    if (previous != nullptr && *previous == entity.ref) {
      ++result.duplicates;
      continue;
    }
    for (; old != known.end() && old->first < entity.ref; ++old) gone.push_back(old->first);
    const bool is_known = old != known.end() && old->first == entity.ref;
    std::string hash = ContentHash(entity.canonical);
    if (!is_known || old->second != hash) {
      ++(is_known ? result.changed : result.added);
      chunks.Next().upserts.push_back(std::move(entity.canonical));
    }
    if (is_known) ++old;
    result.next.emplace_hint(result.next.end(), entity.ref, std::move(hash));
    previous = &entity.ref;
  }
  for (; old != known.end(); ++old) gone.push_back(old->first);

  if (HoldRemovals(static_cast<int64_t>(known.size()), static_cast<int64_t>(snapshot.size()),
                   static_cast<int64_t>(gone.size()), guard)) {
    result.held_removals = static_cast<int64_t>(gone.size());
    for (std::string& ref : gone) {
      result.next.emplace(ref, known.find(ref)->second);
    }
    return result;
  }
  result.removed = static_cast<int64_t>(gone.size());
  for (std::string& ref : gone) chunks.Next().removed.push_back(std::move(ref));
  return result;
}

}  // namespace purser::catalog
