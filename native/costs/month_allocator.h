// Allocation of one month: facts to entities, shared cost split, and all of it rolled up.
#ifndef PURSER_COSTS_MONTH_ALLOCATOR_H_
#define PURSER_COSTS_MONTH_ALLOCATOR_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "costs/allocation.h"
#include "costs/entity_graph.h"
#include "costs/numbers.h"

namespace purser::costs {

// Metric → entity → the month's sum.
using MetricSums = std::map<std::string, std::map<std::string, base::Decimal>>;

// Use once: Add everything, then Finish. One thread; the arguments must outlive it.
class MonthAllocator {
 public:
  MonthAllocator(const Allocation& allocation, const EntityGraph& graph, const MetricSums& metrics,
                 Numbers& numbers)
      : allocation_(allocation), graph_(graph), metrics_(metrics), numbers_(numbers) {}

  // The entity's place, for Add; refs as Decision::entity_ref has them.
  uint32_t PlaceOf(const std::string& entity_ref);
  void Add(uint32_t place, const Fact& fact) { facts_[place].push_back(fact); }

  // Splits the pools and rolls up. `on_node` gets each node once, its facts in order; nodes are
  // numbered in `numbers`. INTERNAL when the sum of what entities got is not what was added.
  absl::Status Finish(
      const std::function<absl::Status(uint32_t node, const std::vector<Fact>&)>& on_node);

 private:
  struct Part {
    uint32_t place;
    base::Decimal weight;
  };

  absl::Status SplitPool(const Pool& pool, size_t direct_places);
  // Who takes how much of what is billed in `currency`; empty when nobody can.
  std::vector<Part> PartsOf(const Pool& pool, const std::string& currency, size_t direct_places);
  bool TakesPart(const Pool& pool, const std::string& ref) const;
  absl::Status SplitFact(const Fact& fact, const std::vector<Part>& parts);
  absl::Status SumByBill(absl::flat_hash_map<uint32_t, Measures>& sums) const;
  absl::Status RollUp(
      const std::function<absl::Status(uint32_t node, const std::vector<Fact>&)>& on_node);

  const Allocation& allocation_;
  const EntityGraph& graph_;
  const MetricSums& metrics_;
  Numbers& numbers_;
  absl::flat_hash_map<std::string, uint32_t> places_;
  std::vector<std::string> refs_;
  std::vector<std::vector<Fact>> facts_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_MONTH_ALLOCATOR_H_
