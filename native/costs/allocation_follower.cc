#include "costs/allocation_follower.h"

#include <utility>

#include "base/status.h"

namespace purser::costs {
namespace {

constexpr int kChangesPerPage = 1000;
constexpr absl::Duration kWait = absl::Minutes(1);

}  // namespace

AllocationFollower::AllocationFollower(CostService& service, inventory::Inventory& inventory,
                                       base::Clock& clock,
                                       std::function<void(const absl::Status&)> on_error)
    : service_(service),
      inventory_(inventory),
      clock_(clock),
      on_error_(std::move(on_error)),
      thread_([this](std::stop_token stop) { Run(std::move(stop)); }) {}

AllocationFollower::~AllocationFollower() = default;

absl::Status AllocationFollower::SkipChanges(std::stop_token stop) {
  bool more = true;
  while (more && !stop.stop_requested()) {
    PURSER_ASSIGN_OR_RETURN(inventory::EntityChanges changes,
                            inventory_.Changes(position_, kChangesPerPage));
    position_ = std::move(changes.position);
    more = changes.more;
  }
  return absl::OkStatus();
}

void AllocationFollower::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    // The position is taken first: a change during the reallocation causes another one.
    absl::Status status = SkipChanges(stop);
    if (status.ok() && !stop.stop_requested()) status = service_.Reallocate().status();
    if (!status.ok()) {
      on_error_(base::Annotate(status, "allocate costs anew"));
      clock_.SleepFor(kReallocationRetry, stop);
      continue;
    }
    while (!stop.stop_requested()) {
      inventory_.WaitForChanges(position_, kWait, stop);
      const std::string before = position_;
      status = SkipChanges(stop);
      // A failure is told by the next round; a new position means there is something to do.
      if (!status.ok() || position_ != before) break;
    }
    clock_.SleepFor(kReallocationPause, stop);
  }
}

}  // namespace purser::costs
