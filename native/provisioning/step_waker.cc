#include "provisioning/step_waker.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace purser::provisioning {
namespace {

// The real clock: these pauses are about our own threads.
absl::Duration Now() { return base::Clock::System().Monotonic(); }

}  // namespace

struct StepWaker::Queue {
  using Step = std::pair<std::string, std::string>;  // run, step
  struct Wake {
    absl::Duration due;
    int tries = 0;
  };

  base::Mutex mutex;
  base::CondVar changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::map<Step, Wake> wakes ABSL_GUARDED_BY(mutex);
  std::multimap<absl::Duration, Step> order ABSL_GUARDED_BY(mutex);

  void Add(const Step& step) {
    base::MutexLock lock(mutex);
    if (stopping || wakes.size() >= kMaxPendingWakes) return;
    // One that is being tried again is about to see the same.
    if (Put(step, {Now(), 0})) changed.NotifyOne();
  }
  bool Put(const Step& step, const Wake& wake) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (!wakes.emplace(step, wake).second) return false;
    order.emplace(wake.due, step);
    return true;
  }
  // The next that is due; waits for it. nullopt when it is over.
  std::optional<std::pair<Step, Wake>> Take() {
    base::MutexLock lock(mutex);
    while (!stopping) {
      if (order.empty()) {
        changed.Wait(mutex);
        continue;
      }
      const absl::Duration left = order.begin()->first - Now();
      if (left > absl::ZeroDuration()) {
        changed.WaitFor(mutex, left);
        continue;
      }
      const Step step = order.begin()->second;
      order.erase(order.begin());
      const Wake wake = wakes.at(step);
      wakes.erase(step);
      return std::make_pair(step, wake);
    }
    return std::nullopt;
  }
};

StepWaker::StepWaker() : queue_(std::make_shared<Queue>()) {}

StepWaker::~StepWaker() { Stop(); }

void StepWaker::Start(workflow::Engine& engine) {
  thread_ = std::thread([queue = queue_, &engine] { Work(*queue, engine); });
}

void StepWaker::Stop() {
  {
    base::MutexLock lock(queue_->mutex);
    queue_->stopping = true;
  }
  queue_->changed.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

std::function<void()> StepWaker::For(absl::string_view effect_key) const {
  // run/step/incarnation
  const std::vector<std::string> parts = absl::StrSplit(effect_key, '/');
  if (parts.size() < 3) return {};
  return [queue = std::weak_ptr<Queue>(queue_), step = Queue::Step(parts[0], parts[1])] {
    if (const std::shared_ptr<Queue> standing = queue.lock()) standing->Add(step);
  };
}

void StepWaker::Work(Queue& queue, workflow::Engine& engine) {
  while (auto next = queue.Take()) {
    const auto& [step, wake] = *next;
    const absl::Status woken =
        engine.Change(step.first, [&step](workflow::Transition& run) -> absl::Status {
          if (run.Wake(step.second)) return absl::OkStatus();
          return absl::FailedPreconditionError("the step does not wait");
        });
    if (!absl::IsFailedPrecondition(woken) || wake.tries + 1 >= kWakeTries) continue;
    base::MutexLock lock(queue.mutex);
    queue.Put(step, {Now() + kFirstWakePause * (1 << wake.tries), wake.tries + 1});
  }
}

}  // namespace purser::provisioning
