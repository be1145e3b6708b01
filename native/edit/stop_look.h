// Looks at a stop token now and then: what lies between two looks is bounded by a count of steps,
// and looking costs next to nothing.
//
//   for (const Node& node : nodes) {
//     if (look()) return look.status();
//     …
//   }
#ifndef PURSER_EDIT_STOP_LOOK_H_
#define PURSER_EDIT_STOP_LOOK_H_

#include <cstdint>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"

namespace purser::edit {

// One thread at a time.
class StopLook {
 public:
  // A step is about one value of a document, or one comparison of two.
  static constexpr uint32_t kStepsPerLook = 256;

  explicit StopLook(std::stop_token stop = {}) : stop_(std::move(stop)) {}

  // Counts a step. True once a stop was seen.
  bool operator()() {
    if (++steps_ % kStepsPerLook == 0) seen_ = seen_ || stop_.stop_requested();
    return seen_;
  }
  // CANCELLED when a stop was seen, or is there now.
  absl::Status status() {
    seen_ = seen_ || stop_.stop_requested();
    return seen_ ? absl::CancelledError("the task was cancelled") : absl::OkStatus();
  }

 private:
  std::stop_token stop_;
  uint32_t steps_ = 0;
  bool seen_ = false;
};

}  // namespace purser::edit

#endif  // PURSER_EDIT_STOP_LOOK_H_
