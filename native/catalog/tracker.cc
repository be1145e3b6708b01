#include "catalog/tracker.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/hash.h"

namespace purser::catalog {
namespace {

constexpr size_t kHalfDigits = 16;

uint64_t BigEndian(const char* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

bool MustHold(int64_t known, int64_t seen, int64_t gone, const GuardOptions& guard) {
  if (gone == 0) return false;
  if (seen == 0) return !guard.allow_empty;
  if (gone < guard.min_removed) return false;
  return static_cast<double>(gone) > guard.max_removed_fraction * static_cast<double>(known);
}

std::string Fingerprint::ToHex() const { return absl::StrFormat("%016x%016x", high, low); }

Fingerprint Fingerprint::FromHex(absl::string_view hex) {
  Fingerprint result;
  if (hex.size() != 2 * kHalfDigits ||
      !absl::SimpleHexAtoi(hex.substr(0, kHalfDigits), &result.high) ||
      !absl::SimpleHexAtoi(hex.substr(kHalfDigits), &result.low)) {
    return {};
  }
  return result;
}

Fingerprint Fingerprint::Of(absl::string_view canonical) {
  const std::string digest = base::Sha256(canonical);
  return {BigEndian(digest.data()), BigEndian(digest.data() + 8)};
}

uint32_t Tracker::PartitionOf(absl::string_view name) {
  const auto found = partition_numbers_.find(name);
  if (found != partition_numbers_.end()) return found->second;
  const auto number = static_cast<uint32_t>(partitions_.size());
  partitions_.push_back({std::string(name)});
  partition_numbers_.emplace(std::string(name), number);
  return number;
}

uint64_t Tracker::BegunAt(uint32_t partition) const {
  return std::max(whole_begun_, partitions_[partition].begun);
}

void Tracker::Load(absl::string_view ref, absl::string_view partition, Fingerprint hash,
                   bool held) {
  Known& known = known_[std::string(ref)];
  if (known.held) --held_;
  known = {hash, PartitionOf(partition), held, 0};
  if (held) ++held_;
}

void Tracker::Begin(absl::string_view partition) {
  ++generation_;
  if (partition.empty()) {
    whole_begun_ = generation_;
  } else {
    partitions_[PartitionOf(partition)].begun = generation_;
  }
}

absl::StatusOr<Verdict> Tracker::Offer(absl::string_view ref, absl::string_view partition,
                                       Fingerprint hash, bool whole) {
  const auto found = known_.find(ref);
  if (found == known_.end()) {
    if (known_.size() >= max_entities_) {
      return absl::ResourceExhaustedError(absl::StrCat("the source holds more than ", max_entities_,
                                                       " entities; divide it into instances"));
    }
    known_.emplace(std::string(ref), Known{hash, PartitionOf(partition), false, generation_});
    return Verdict::kAdded;
  }
  Known& known = found->second;
  const uint32_t number = PartitionOf(partition);
  const bool is_fresh = known.seen != 0 && known.seen >= BegunAt(known.partition);
  if (whole) {
    if (is_fresh) return Verdict::kDuplicate;
  } else if (is_fresh && !known.held && known.partition != number) {
    return Verdict::kCollision;
  }
  const bool moved = known.partition != number;
  known.partition = number;
  known.seen = generation_;
  const bool was_held = std::exchange(known.held, false);
  if (was_held) --held_;
  if (known.hash == hash && !hash.unconfirmed()) {
    // The stored state must learn of the move, or of the end of the hold.
    return moved || was_held ? Verdict::kChanged : Verdict::kSame;
  }
  known.hash = hash;
  return Verdict::kChanged;
}

void Tracker::Keep(absl::string_view partition, bool unchanged) {
  Partition& kept = partitions_[PartitionOf(partition)];
  kept.kept = generation_;
  if (unchanged) kept.unchanged = generation_;
}

Tracker::Outcome Tracker::Finish(absl::string_view partition, const GuardOptions& guard) {
  Outcome outcome;
  const bool whole = partition.empty();
  const uint32_t number = whole ? 0 : PartitionOf(partition);
  const uint64_t begun = whole ? whole_begun_ : partitions_[number].begun;
  int64_t in_scope = 0;
  int64_t seen = 0;
  std::vector<absl::string_view> gone;
  for (const auto& [ref, known] : known_) {
    if (!whole && known.partition != number) continue;
    if (known.seen < begun && partitions_[known.partition].kept >= begun) {
      ++outcome.kept;
      // As good as seen: a source that lacks little else is neither empty nor much smaller.
      const bool unchanged = partitions_[known.partition].unchanged >= begun;
      in_scope += unchanged;
      seen += unchanged;
      continue;
    }
    ++in_scope;
    if (known.seen >= begun) {
      ++seen;
    } else {
      gone.push_back(ref);
    }
  }
  if (MustHold(in_scope, seen, static_cast<int64_t>(gone.size()), guard)) {
    outcome.held = static_cast<int64_t>(gone.size());
    for (const absl::string_view ref : gone) {
      Known& known = known_.find(ref)->second;
      if (known.held) continue;
      known.held = true;
      ++held_;
      outcome.newly_held.emplace_back(ref);
    }
    return outcome;
  }
  outcome.removed.reserve(gone.size());
  for (const absl::string_view ref : gone) outcome.removed.emplace_back(ref);
  // In order, so that what the catalog hears does not depend on the hash table.
  std::sort(outcome.removed.begin(), outcome.removed.end());
  for (const std::string& ref : outcome.removed) Remove(ref);
  return outcome;
}

bool Tracker::Remove(absl::string_view ref, absl::string_view partition) {
  const auto found = known_.find(ref);
  if (found == known_.end()) return false;
  if (!partition.empty() && partitions_[found->second.partition].name != partition) return false;
  if (found->second.held) --held_;
  known_.erase(found);
  return true;
}

std::vector<std::string> Tracker::ReleaseHeld() {
  std::vector<std::string> released;
  for (const auto& [ref, known] : known_) {
    if (known.held) released.push_back(ref);
  }
  std::sort(released.begin(), released.end());
  for (const std::string& ref : released) Remove(ref);
  return released;
}

void Tracker::ForgetHashes() {
  for (auto& [ref, known] : known_) known.hash = {};
}

void Tracker::Hold(absl::string_view ref) {
  const auto found = known_.find(ref);
  if (found == known_.end() || found->second.held) return;
  found->second.held = true;
  ++held_;
}

void Tracker::ForEach(const std::function<void(absl::string_view, absl::string_view, Fingerprint,
                                               bool)>& visit) const {
  for (const auto& [ref, known] : known_) {
    visit(ref, partitions_[known.partition].name, known.hash, known.held);
  }
}

bool Tracker::IsHeld(absl::string_view ref) const {
  const auto found = known_.find(ref);
  return found != known_.end() && found->second.held;
}

}  // namespace purser::catalog
