// Sums of many lists of facts, as nodes of the catalog add up what their entities have.
#ifndef PURSER_COSTS_FACT_SUMS_H_
#define PURSER_COSTS_FACT_SUMS_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "costs/facts.h"

namespace purser::costs {

// Facts of one item and bill differ by their day alone: such a run is looked up once, and its days
// are added side by side. One thread.
class FactSums {
 public:
  // `facts` in the order of their keys, each key once. OUT_OF_RANGE when a sum no longer fits; the
  // sums are of no use then.
  absl::Status Add(absl::Span<const Fact> facts);
  absl::Status Add(const FactSums& other);
  // By their keys.
  std::vector<Fact> InOrder() const;

 private:
  static uint64_t RunOf(const Fact& fact) { return fact.key() >> 8; }
  absl::Status AddRun(uint64_t run, absl::Span<const Fact> facts);

  absl::flat_hash_map<uint64_t, std::vector<Fact>> runs_;  // by item and bill; by day
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_FACT_SUMS_H_
