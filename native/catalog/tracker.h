// What the catalog holds of one source, by hash only, and what each new look at the source changes.
//
// Texts pass through: an entity is offered, its verdict says whether the catalog must hear of it,
// and only the hash is kept (about 150 bytes an entity). When a snapshot is finished, what was not
// offered is gone — behind the removal guard.
//
//   tracker.Begin("");
//   for (entity : source) if (*tracker.Offer(ref, "", hash) != Verdict::kSame) send(entity);
//   Tracker::Outcome outcome = tracker.Finish("", guard);   // remove outcome.removed
#ifndef PURSER_CATALOG_TRACKER_H_
#define PURSER_CATALOG_TRACKER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "catalog/delta.h"

namespace purser::catalog {

// The first 16 bytes of SHA-256 over an entity's canonical text.
struct Fingerprint {
  uint64_t high = 0;
  uint64_t low = 0;
  // All zero: given to the catalog, but not known to be taken. No content has it.
  bool unconfirmed() const { return high == 0 && low == 0; }
  std::string ToHex() const;  // 32 digits; of the same text as ContentHash
  // The unconfirmed one for what is no such text.
  static Fingerprint FromHex(absl::string_view hex);
  static Fingerprint Of(absl::string_view canonical);
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

enum class Verdict {
  kAdded,
  kChanged,
  kSame,       // the catalog has it like this
  kDuplicate,  // offered before in this snapshot: the first wins
  kCollision,  // another partition of the source holds this ref: the first owner keeps it
};

// Whether `gone` of `known` entities, `seen` of which are still there, are too many to go at once.
bool MustHold(int64_t known, int64_t seen, int64_t gone, const GuardOptions& guard);

// Not thread-safe.
class Tracker {
 public:
  explicit Tracker(size_t max_entities) : max_entities_(max_entities) {}

  // One entity that the catalog holds, from the stored state.
  void Load(absl::string_view ref, absl::string_view partition, Fingerprint hash, bool held);

  // A snapshot of one partition begins, "" for the whole source.
  void Begin(absl::string_view partition);
  // An entity as the source holds it now. With `whole` (a snapshot that names each entity once) a
  // second offer is a duplicate and an entity may move between partitions; without it (a watch) it
  // is a change. RESOURCE_EXHAUSTED beyond max_entities.
  absl::StatusOr<Verdict> Offer(absl::string_view ref, absl::string_view partition,
                                Fingerprint hash, bool whole);
  // The partition's entities stay through the snapshot that has begun, unless offered. `unchanged`:
  // because the source said that they are there as before, not because it could not be read.
  void Keep(absl::string_view partition, bool unchanged);

  struct Outcome {
    std::vector<std::string> removed;     // no longer tracked
    std::vector<std::string> newly_held;  // gone from the source, kept because of the guard
    int64_t held = 0;                     // all that are held in this scope
    int64_t kept = 0;                     // in kept partitions, not offered
  };
  // The snapshot is complete: what was not offered has gone.
  Outcome Finish(absl::string_view partition, const GuardOptions& guard);

  // The source says that it is gone: no guard. False when it was not tracked, or when another
  // partition than `partition` ("" = any) holds the ref.
  bool Remove(absl::string_view ref, absl::string_view partition = "");
  // Lets go of what is held; the refs to be removed from the catalog.
  std::vector<std::string> ReleaseHeld();
  // Makes the next offer of every entity a change, so that all are sent again.
  void ForgetHashes();

  // Marks an entity as held; unknown ones are none.
  void Hold(absl::string_view ref);
  // All, in no order.
  void ForEach(const std::function<void(absl::string_view ref, absl::string_view partition,
                                        Fingerprint hash, bool held)>& visit) const;

  bool Has(absl::string_view ref) const { return known_.contains(ref); }
  bool IsHeld(absl::string_view ref) const;
  size_t size() const { return known_.size(); }
  int64_t held() const { return held_; }

 private:
  struct Known {
    Fingerprint hash;
    uint32_t partition = 0;
    bool held = false;
    uint64_t seen = 0;  // generation of its last offer
  };
  struct Partition {
    std::string name;
    uint64_t begun = 0;
    uint64_t kept = 0;
    uint64_t unchanged = 0;
  };

  uint32_t PartitionOf(absl::string_view name);
  uint64_t BegunAt(uint32_t partition) const;

  size_t max_entities_;
  uint64_t generation_ = 1;
  uint64_t whole_begun_ = 0;
  int64_t held_ = 0;
  absl::flat_hash_map<std::string, Known> known_;
  absl::flat_hash_map<std::string, uint32_t> partition_numbers_;
  std::vector<Partition> partitions_;
};

}  // namespace purser::catalog

#endif  // PURSER_CATALOG_TRACKER_H_
