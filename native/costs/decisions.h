// What allocation decided of a subject's charges, as it is stored.
#ifndef PURSER_COSTS_DECISIONS_H_
#define PURSER_COSTS_DECISIONS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/allocation.h"
#include "costs/numbers.h"
#include "costs/resource_index.h"

namespace purser::costs {

// What a subject's charges are decided to be: one decision, or one for each of its items when the
// rules look at items. As text, to be stored and compared.
class Decisions {
 public:
  static absl::StatusOr<Decisions> Make(const Allocation& allocation, ResourceIndex& resources,
                                        Subject subject, const std::set<uint32_t>& items,
                                        const Numbering<ChargeItem>& numbers);
  static absl::StatusOr<Decisions> Parse(absl::string_view text);
  std::string ToText() const;
  // The same with item i as numbers[i].
  Decisions Renumbered(const std::vector<uint32_t>& numbers) const;
  // Takes over what `newer` says; its silence about an item changes nothing.
  void Update(const Decisions& newer);
  // Whether charges of these items go where they go by `other`, be it by rules of other names.
  bool SameEntities(const Decisions& other, const std::set<uint32_t>& items) const;
  // Of the charges of `item`; kUnallocated when nothing is known of it.
  const Decision& Of(uint32_t item) const;

 private:
  friend class DecidedSubjects;
  Decision all_;
  std::map<uint32_t, Decision> by_item_;  // empty: all items have `all_`
};

// Different ones of one delivery, of 130 bytes each.
inline constexpr size_t kMaxDecisions = 2'000'000;

// What was decided of each subject of a delivery, by its number. Most subjects have what others
// have as well, which stands once.
class DecidedSubjects {
 public:
  // Of the next subject. RESOURCE_EXHAUSTED beyond kMaxDecisions.
  absl::Status Add(const Decisions& decisions);
  // `items` are those that the subject has charges of.
  absl::StatusOr<Decisions> Of(uint32_t subject, const std::set<uint32_t>& items) const;
  size_t size() const { return of_subject_.size(); }

 private:
  std::deque<std::string> distinct_;
  absl::flat_hash_map<absl::string_view, uint32_t> numbers_;  // of views into `distinct_`
  std::vector<uint32_t> of_subject_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_DECISIONS_H_
