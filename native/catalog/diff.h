// From a source's snapshot to deltas: added, changed, removed — behind a removal guard.
#ifndef PURSER_CATALOG_DIFF_H_
#define PURSER_CATALOG_DIFF_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::catalog {

inline constexpr int kMaxDeltaEntities = 1000;  // per chunk handed to the portal

struct SnapshotEntity {
  std::string ref;        // lower-case entity ref
  std::string canonical;  // JSON text
};

// What the portal is believed to hold: ref → content hash.
using State = std::map<std::string, std::string, std::less<>>;

struct Delta {
  std::vector<std::string> upserts;  // JSON texts, added or changed
  std::vector<std::string> removed;  // refs
};

struct GuardOptions {
  double max_removed_fraction = 0.2;  // a larger drop is held …
  int min_removed = 10;               // … unless fewer than this many go
  bool allow_empty = false;           // an empty snapshot never removes unless an operator said so
};

struct DiffResult {
  std::vector<Delta> chunks;  // each at most kMaxDeltaEntities upserts + removals
  State next;                 // the state once all chunks were applied
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;
  int64_t held_removals = 0;  // not removed because of the guard; still in `next`
  int64_t duplicates = 0;     // refs that came twice; the first wins
};

// O(n log n) in entities; keeps texts of changed entities only. Pure.
DiffResult Diff(const State& known, std::vector<SnapshotEntity> snapshot,
                const GuardOptions& guard);

}  // namespace purser::catalog

#endif  // PURSER_CATALOG_DIFF_H_
