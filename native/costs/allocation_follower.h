// Keeps allocation up with provisioning: when resources are recorded, history is allocated anew.
#ifndef PURSER_COSTS_ALLOCATION_FOLLOWER_H_
#define PURSER_COSTS_ALLOCATION_FOLLOWER_H_

#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "costs/service.h"
#include "inventory/inventory.h"

namespace purser::costs {

// After a change, changes that follow this soon are taken along.
inline constexpr absl::Duration kReallocationPause = absl::Seconds(1);
inline constexpr absl::Duration kReallocationRetry = absl::Seconds(30);

// Owns one thread from construction to destruction. It starts with a whole reallocation, so that
// what happened while the process was down counts.
class AllocationFollower {
 public:
  // All must outlive it. `on_error` hears of failed reallocations, which are tried again.
  AllocationFollower(CostService& service, inventory::Inventory& inventory, base::Clock& clock,
                     std::function<void(const absl::Status&)> on_error);
  ~AllocationFollower();
  AllocationFollower(const AllocationFollower&) = delete;
  AllocationFollower& operator=(const AllocationFollower&) = delete;

 private:
  void Run(std::stop_token stop);
  // Moves position_ behind all changes of now.
  absl::Status SkipChanges(std::stop_token stop);

  CostService& service_;
  inventory::Inventory& inventory_;
  base::Clock& clock_;
  const std::function<void(const absl::Status&)> on_error_;
  std::string position_;  // of the thread
  std::jthread thread_;   // last: starts when all else is there
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_ALLOCATION_FOLLOWER_H_
