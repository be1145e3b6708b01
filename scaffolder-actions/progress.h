// How far a long action is, for the task's log.
#ifndef PURSER_SCAFFOLDER_ACTIONS_PROGRESS_H_
#define PURSER_SCAFFOLDER_ACTIONS_PROGRESS_H_

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "action/action.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace purser::actions {

inline constexpr absl::Duration kProgressEvery = absl::Seconds(1);

// Says how far the work is, once a second at most. Thread-safe.
class Progress {
 public:
  Progress(action::Context& context, base::Clock& clock)
      : context_(context), clock_(clock), last_(clock.Monotonic()) {}

  // `bytes` of them, where they tell more than the number of files.
  void operator()(int64_t files, std::optional<int64_t> bytes = std::nullopt) {
    {
      base::MutexLock lock(mutex_);
      const absl::Duration now = clock_.Monotonic();
      if (now - last_ < kProgressEvery) return;
      last_ = now;
    }
    context_.Log(action::LogLevel::kInfo,
                 bytes.has_value() ? absl::StrCat(files, " files (", *bytes, " bytes) so far")
                                   : absl::StrCat(files, " files so far"));
  }

 private:
  action::Context& context_;
  base::Clock& clock_;
  base::Mutex mutex_;
  absl::Duration last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_PROGRESS_H_
