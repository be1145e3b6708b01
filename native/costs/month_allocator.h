// Allocation of one month: facts to entities, shared cost split, and all of it rolled up.
#ifndef PURSER_COSTS_MONTH_ALLOCATOR_H_
#define PURSER_COSTS_MONTH_ALLOCATOR_H_

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "costs/allocation.h"
#include "costs/entity_graph.h"
#include "costs/numbers.h"

namespace purser::costs {

// Metric → entity → the month's sum.
using MetricSums = std::map<std::string, std::map<std::string, base::Decimal>>;

// Entities with cost in one month, of some 700 bytes each: as many as a catalog may have.
inline constexpr size_t kMaxMonthEntities = kMaxGraphEntities;

// Use once: Add everything, then Split, then RollUp. Holds the month in the form in which it is
// stored, and of what it rolls up to one node at a time. One thread; the arguments must outlive it.
class MonthAllocator {
 public:
  MonthAllocator(const Allocation& allocation, const EntityGraph& graph, const MetricSums& metrics,
                 Numbers& numbers)
      : allocation_(allocation), graph_(graph), metrics_(metrics), numbers_(numbers) {}

  // The entity's place, for Add; refs as Decision::entity_ref has them.
  uint32_t PlaceOf(const std::string& entity_ref);
  void Add(uint32_t place, const Fact& fact) {
    facts_[place].Add(fact);
    added_.Add(fact);
    if (facts_[place].size() > add_up_at_[place]) AddUp(place);
  }

  // Splits the pools, and numbers in `numbers` whatever RollUp tells. INTERNAL when the sum of what
  // entities got is not what was added; RESOURCE_EXHAUSTED beyond kMaxMonthEntities.
  absl::Status Split();
  // `on_node` gets each node once, its facts in order.
  using OnNode = std::function<absl::Status(uint32_t node, const std::vector<Fact>& facts)>;
  absl::Status RollUp(const OnNode& on_node);

  // Memory that holds facts, in bytes.
  size_t bytes() const;

 private:
  struct Part {
    uint32_t place;
    base::Decimal weight;
  };
  // What each bill adds up to.
  class BillSums {
   public:
    void Add(const Fact& fact) {
      // Neighbours are mostly of one bill.
      if (last_ == nullptr || bill_ != fact.bill) last_ = &sums_[bill_ = fact.bill];
      fits_ = last_->TryAdd(fact.sums) && fits_;
    }
    bool fits() const { return fits_; }
    bool operator==(const BillSums& other) const { return sums_ == other.sums_; }

   private:
    std::map<uint32_t, Measures> sums_;
    Measures* last_ = nullptr;
    uint32_t bill_ = 0;
    bool fits_ = true;
  };
  // Places by the name of the node they count for.
  using Members = std::map<std::string, std::vector<uint32_t>>;

  absl::Status SplitPool(const Pool& pool, size_t direct_places);
  // Who takes how much of what is billed in `currency`; empty when nobody can.
  std::vector<Part> PartsOf(const Pool& pool, const std::string& currency, size_t direct_places);
  bool TakesPart(const Pool& pool, const std::string& ref) const;
  absl::Status SplitFact(const Fact& fact, const std::vector<Part>& parts);
  // Adds up what an entity got of many subjects, so that there is no more of it than is stored.
  void AddUp(uint32_t place);
  // Puts each place's facts in order, each key once, and sums them.
  absl::Status Normalise(BillSums& sums);
  void FindMembers();
  absl::StatusOr<std::vector<Fact>> SumOf(const std::vector<uint32_t>& places) const;
  absl::Status RollUpOwners(const OnNode& on_node);

  const Allocation& allocation_;
  const EntityGraph& graph_;
  const MetricSums& metrics_;
  Numbers& numbers_;
  std::deque<std::string> refs_;                             // by place
  absl::flat_hash_map<absl::string_view, uint32_t> places_;  // of views into `refs_`
  std::string first_too_many_;
  std::vector<FactList> facts_;    // by place
  std::vector<size_t> add_up_at_;  // by place: when it has this many bytes
  BillSums added_;
  std::map<NodeKind, Members> members_;  // of owners, systems, domains, products, environments
  // Owners by group, those of groups below among them.
  std::map<std::string, std::vector<std::string>> owners_of_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_MONTH_ALLOCATOR_H_
