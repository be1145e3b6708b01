// Makes steps that wait due at once when a connector was told that what they wait for has come.
//
// A connector may hear of it while the call that began the wait is still being stored: a wake that
// finds its step not waiting is tried again for a moment. What is lost all the same, the step's own
// looks find.
#ifndef PURSER_PROVISIONING_STEP_WAKER_H_
#define PURSER_PROVISIONING_STEP_WAKER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <thread>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "workflow/engine.h"

namespace purser::provisioning {

inline constexpr size_t kMaxPendingWakes = 100'000;
// Tries of one wake; the pause after the first one, doubled by each.
inline constexpr int kWakeTries = 8;
inline constexpr absl::Duration kFirstWakePause = absl::Milliseconds(5);

// Thread-safe.
class StepWaker {
 public:
  StepWaker();
  ~StepWaker();

  // `engine` outlives the time until Stop. Wakes that come before are kept, those after are lost.
  void Start(workflow::Engine& engine);
  void Stop();  // idempotent

  // For connectors::CallContext::Waker: of the step that a call with this effect key is of. May be
  // called when this object is gone.
  std::function<void()> For(absl::string_view effect_key) const;

 private:
  struct Queue;
  static void Work(Queue& queue, workflow::Engine& engine);

  const std::shared_ptr<Queue> queue_;
  std::thread thread_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_STEP_WAKER_H_
