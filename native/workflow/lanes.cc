#include "workflow/lanes.h"

namespace purser::workflow {
namespace {

constexpr absl::Duration kShortestPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Milliseconds(500);

}  // namespace

void Lanes::Place::GiveUp() {
  base::MutexLock lock(lanes_.mutex_);
  if (given_up_) return;
  given_up_ = true;
  --lanes_.taken_[lane_];
}

bool Lanes::Enter(absl::string_view uses, std::shared_ptr<Place>* place) {
  if (limits_.empty()) return true;
  const std::string lane(uses.substr(0, uses.find('/')));
  const auto limit = limits_.find(lane);
  if (limit == limits_.end()) return true;
  {
    base::MutexLock lock(mutex_);
    int& taken = taken_[lane];
    if (taken >= limit->second) return false;
    ++taken;
  }
  place->reset(new Place(*this, lane));
  return true;
}

absl::Duration Lanes::Pause(base::Rng& rng) {
  return kShortestPause + absl::Microseconds(static_cast<int64_t>(rng.Below(static_cast<uint64_t>(
                              absl::ToInt64Microseconds(kLongestPause - kShortestPause)))));
}

}  // namespace purser::workflow
