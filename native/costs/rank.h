// Sums of many nodes in the form in which a ranking is quick: one value per day and kind of node,
// with the sums from the month's first day on, so that any range of days is two of them a month.
#ifndef PURSER_COSTS_RANK_H_
#define PURSER_COSTS_RANK_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "costs/facts.h"
#include "costs/numbers.h"
#include "store/store.h"

namespace purser::costs {

// Collects the nodes of one kind and month: their billed and effective sums. One thread.
class RankWriter {
 public:
  RankWriter(NodeKind kind, int64_t month) : kind_(kind), month_(month) {}
  // `facts` in the order of their keys. Each node once.
  absl::Status Add(uint32_t node, const std::vector<Fact>& facts, const Numbers& numbers);
  // Replaces what is stored.
  absl::Status Store(store::Connection& connection);

 private:
  struct Entry {
    uint32_t node;
    uint32_t days;  // bit 0 is the first day of the month: those with charges
    // By these days: billed, effective; from the month's first day on.
    std::vector<__int128> sums;
    // The sums of a day, or those of the last one before with charges.
    const __int128* OfDay(size_t day) const;
  };
  const NodeKind kind_;
  const int64_t month_;
  std::map<std::string, std::vector<Entry>, std::less<>> by_currency_;
};

struct Ranked {
  uint32_t node;
  base::Decimal billed;
  base::Decimal effective;
};
struct Ranking {
  std::string currency;
  std::vector<Ranked> nodes;
};
// The sums of all nodes of a kind over the days, by currency; nodes without any charge in these
// months are left out.
absl::StatusOr<std::vector<Ranking>> ReadRanks(store::Connection& connection, NodeKind kind,
                                               absl::CivilDay from, absl::CivilDay to);

}  // namespace purser::costs

#endif  // PURSER_COSTS_RANK_H_
