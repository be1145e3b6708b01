// The calls an engine has under way: to stop them, to watch their deadlines, to gather their logs.
#ifndef PURSER_WORKFLOW_RUNNING_H_
#define PURSER_WORKFLOW_RUNNING_H_

#include <list>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "workflow/executor.h"
#include "workflow/transition.h"

namespace purser::workflow {

inline constexpr size_t kMaxLogBytesOfCall = 1 << 20;
inline constexpr size_t kMaxLogLineBytes = 2048;

// Lines of one level, as one event carries them.
struct LogBatch {
  LogLevel level = LogLevel::kInfo;
  std::string text;  // lines joined by '\n', at most kMaxMessageBytes
};

// One call under way. Thread-safe.
class RunningCall final : public CallContext {
 public:
  RunningCall(std::shared_ptr<const Task> task, absl::Time deadline,
              absl::Duration deadline_monotonic)
      : task_(std::move(task)),
        effect_key_(task_->EffectKey()),
        deadline_(deadline),
        deadline_monotonic_(deadline_monotonic) {}

  const std::string& effect_key() const override { return effect_key_; }
  std::stop_token stop() const override { return stop_.get_token(); }
  absl::Time deadline() const override { return deadline_; }
  void Log(LogLevel level, absl::string_view line) override;

  const std::shared_ptr<const Task>& task() const { return task_; }
  void RequestStop() { stop_.request_stop(); }
  absl::Duration deadline_monotonic() const { return deadline_monotonic_; }
  // Takes what was logged since the last time.
  std::vector<LogBatch> TakeLog();

 private:
  const std::shared_ptr<const Task> task_;
  const std::string effect_key_;
  const absl::Time deadline_;
  const absl::Duration deadline_monotonic_;
  std::stop_source stop_;
  base::Mutex mutex_;
  std::vector<LogBatch> log_ ABSL_GUARDED_BY(mutex_);
  size_t logged_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool truncated_ ABSL_GUARDED_BY(mutex_) = false;
};

// The set of calls under way. Thread-safe.
class RunningCalls {
 public:
  void Add(std::shared_ptr<RunningCall> call);
  void Remove(const RunningCall* call);
  std::vector<std::shared_ptr<RunningCall>> All() const;
  bool IsEmpty() const;
  void StopAll();
  void StopRun(absl::string_view run_id);
  // Waits until nothing is under way, `timeout` of real time passed, or for a change.
  void WaitForEmpty(absl::Duration timeout);

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::list<std::shared_ptr<RunningCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

absl::string_view ToString(LogLevel level);  // "info", …

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_RUNNING_H_
