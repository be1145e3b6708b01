#include "workflow/running.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/strings.h"
#include "workflow/records.h"

namespace purser::workflow {

absl::string_view ToString(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

void RunningCall::Log(LogLevel level, absl::string_view line) {
  std::string text = base::EscapeForDisplay(line, kMaxLogLineBytes);
  base::MutexLock lock(mutex_);
  if (truncated_) return;
  logged_bytes_ += text.size();
  if (logged_bytes_ > kMaxLogBytesOfCall) {
    truncated_ = true;
    level = LogLevel::kWarning;
    text = absl::StrCat("log cut: more than ", kMaxLogBytesOfCall, " bytes in one call");
  }
  if (!log_.empty() && log_.back().level == level &&
      log_.back().text.size() + 1 + text.size() <= kMaxMessageBytes) {
    absl::StrAppend(&log_.back().text, "\n", text);
  } else {
    log_.push_back({level, std::move(text)});
  }
}

std::vector<LogBatch> RunningCall::TakeLog() {
  base::MutexLock lock(mutex_);
  return std::exchange(log_, {});
}

void RunningCalls::Add(std::shared_ptr<RunningCall> call) {
  base::MutexLock lock(mutex_);
  calls_.push_back(std::move(call));
}

void RunningCalls::Remove(const RunningCall* call) {
  base::MutexLock lock(mutex_);
  calls_.remove_if([call](const auto& entry) { return entry.get() == call; });
  changed_.NotifyAll();
}

std::vector<std::shared_ptr<RunningCall>> RunningCalls::All() const {
  base::MutexLock lock(mutex_);
  return {calls_.begin(), calls_.end()};
}

bool RunningCalls::IsEmpty() const {
  base::MutexLock lock(mutex_);
  return calls_.empty();
}

void RunningCalls::StopAll() {
  for (const auto& call : All()) call->RequestStop();
}

void RunningCalls::StopRun(absl::string_view run_id) {
  for (const auto& call : All()) {
    const bool forward =
        call->task()->kind == TaskKind::kCall || call->task()->kind == TaskKind::kObserve;
    if (forward && call->task()->run_id == run_id) call->RequestStop();
  }
}

void RunningCalls::WaitForEmpty(absl::Duration timeout) {
  base::Clock& clock = base::Clock::System();
  const absl::Duration until = clock.Monotonic() + timeout;
  base::MutexLock lock(mutex_);
  while (!calls_.empty()) {
    const absl::Duration left = until - clock.Monotonic();
    if (left <= absl::ZeroDuration()) return;
    // In pieces: the standard library adds the time to now, which overflows for an infinite one.
    changed_.WaitFor(mutex_, std::min(left, absl::Hours(1)));
  }
}

}  // namespace purser::workflow
