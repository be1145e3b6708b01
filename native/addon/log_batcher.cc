#include "addon/log_batcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace purser::addon {
namespace {

// The longest prefix of at most `bytes` that does not end inside a UTF-8 character.
absl::string_view CutUtf8(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

absl::string_view LogLevelName(action::LogLevel level) {
  switch (level) {
    case action::LogLevel::kDebug:
      return "debug";
    case action::LogLevel::kInfo:
      return "info";
    case action::LogLevel::kWarning:
      return "warn";
    case action::LogLevel::kError:
      return "error";
  }
  return "info";
}

LogBatcher::LogBatcher(Redactor redactor, std::stop_token stop, base::Clock& clock,
                       std::function<void()> notify)
    : redactor_(std::move(redactor)),
      stop_(std::move(stop)),
      clock_(clock),
      notify_(std::move(notify)) {
  on_stop_.emplace(stop_, [this] {
    base::MutexLock lock(mutex_);
    room_.NotifyAll();
  });
}

void LogBatcher::Log(action::LogLevel level, absl::string_view text) {
  const std::string clean = redactor_.Redact(text);
  bool earlier = false;
  {
    base::MutexLock lock(mutex_);
    const std::optional<absl::Duration> before = Due();
    for (absl::string_view line : absl::StrSplit(clean, '\n')) {
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      AddLine(level, line);
    }
    const std::optional<absl::Duration> after = Due();
    earlier = after.has_value() && (!before.has_value() || *after < *before);
  }
  // Not for every line: the pump would wake as often as there are lines.
  if (earlier && changed_) changed_();
}

void LogBatcher::AddLine(action::LogLevel level, absl::string_view line) {
  std::string text(CutUtf8(line, kMaxLogLineBytes));
  if (text.size() < line.size()) {
    absl::StrAppend(&text, "… ", line.size() - text.size(), " bytes cut");
  }
  const size_t bytes = text.size() + 1;
  if (total_bytes_ + bytes > kMaxLogBytesPerCall) {
    ++dropped_;
    return;
  }
  WaitForRoom(bytes);
  if (pending_bytes_ + bytes > kMaxPendingLogBytes) {
    ++dropped_;
    return;
  }
  AddDropMarker();
  if (lines_.empty()) first_line_at_ = clock_.Monotonic();
  pending_bytes_ += bytes;
  total_bytes_ += bytes;
  lines_.push_back({level, std::move(text)});
}

// Stands where the lines are missing.
void LogBatcher::AddDropMarker() {
  if (dropped_ == 0) return;
  std::string text = absl::StrCat("… ", dropped_, " lines dropped");
  dropped_ = 0;
  if (lines_.empty()) first_line_at_ = clock_.Monotonic();
  pending_bytes_ += text.size() + 1;
  lines_.push_back({action::LogLevel::kWarning, std::move(text)});
}

void LogBatcher::WaitForRoom(size_t bytes) {
  // Back-pressure first: a writer that is faster than the portal waits a moment.
  const absl::Time deadline = absl::Now() + kMaxLogWait;
  while (dropped_ == 0 && pending_bytes_ + bytes > kMaxPendingLogBytes && !stop_.stop_requested()) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return;
    if (changed_) changed_();
    room_.WaitFor(mutex_, left);
  }
}

std::optional<absl::Duration> LogBatcher::Due() {
  if (asked_ || lines_.empty()) return std::nullopt;
  if (finishing_ || pending_bytes_ >= kLogBatchBytes) return not_before_;
  return std::max(not_before_, first_line_at_ + kLogBatchDelay);
}

std::optional<absl::Duration> LogBatcher::NextDue() {
  base::MutexLock lock(mutex_);
  return Due();
}

void LogBatcher::Poll() {
  {
    base::MutexLock lock(mutex_);
    const std::optional<absl::Duration> due = Due();
    if (!due.has_value() || *due > clock_.Monotonic()) return;
    asked_ = true;
  }
  notify_();
}

std::vector<LogSegment> LogBatcher::Take() {
  std::vector<LogSegment> segments;
  {
    base::MutexLock lock(mutex_);
    asked_ = false;
    size_t bytes = 0;
    while (!lines_.empty() && bytes + lines_.front().text.size() + 1 <= kLogBatchBytes) {
      Line line = std::move(lines_.front());
      lines_.pop_front();
      bytes += line.text.size() + 1;
      if (!segments.empty() && segments.back().level == line.level) {
        absl::StrAppend(&segments.back().text, "\n", line.text);
      } else if (segments.size() < kMaxLogSegments) {
        segments.push_back({line.level, std::move(line.text)});
      } else {
        absl::StrAppend(&segments.back().text, "\n", LogLevelName(line.level), ": ", line.text);
      }
    }
    pending_bytes_ -= bytes;
    const absl::Duration now = clock_.Monotonic();
    not_before_ = now + kLogBatchGap;
    first_line_at_ = now;
    room_.NotifyAll();
  }
  if (changed_) changed_();
  return segments;
}

void LogBatcher::Finish(absl::Duration wait) {
  {
    base::MutexLock lock(mutex_);
    AddDropMarker();
    if (pending_bytes_ <= kLogBatchBytes) return;
    finishing_ = true;
  }
  if (changed_) changed_();
  base::MutexLock lock(mutex_);
  const absl::Time deadline = absl::Now() + wait;
  while (pending_bytes_ > kLogBatchBytes && !stop_.stop_requested() && absl::Now() < deadline) {
    room_.WaitFor(mutex_, deadline - absl::Now());
  }
}

void LogPump::Add(const std::shared_ptr<LogBatcher>& batcher) {
  batcher->changed_ = [state = state_] {
    base::MutexLock lock(state->mutex);
    ++state->version;
    state->changed.NotifyOne();
  };
  base::MutexLock lock(state_->mutex);
  if (state_->stopped) return;
  state_->batchers.push_back(batcher);
  if (!thread_.joinable()) thread_ = std::thread([state = state_]() noexcept { Run(*state); });
}

void LogPump::Remove(const std::shared_ptr<LogBatcher>& batcher) {
  base::MutexLock lock(state_->mutex);
  std::erase(state_->batchers, batcher);
}

void LogPump::Stop() {
  {
    base::MutexLock lock(state_->mutex);
    state_->stopped = true;
    state_->batchers.clear();
    state_->changed.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void LogPump::Run(State& state) noexcept {
  for (;;) {
    std::vector<std::shared_ptr<LogBatcher>> batchers;
    uint64_t version = 0;
    {
      base::MutexLock lock(state.mutex);
      if (state.stopped) return;
      batchers = state.batchers;
      version = state.version;
    }
    std::optional<absl::Duration> due;
    for (const auto& batcher : batchers) {
      batcher->Poll();
      const std::optional<absl::Duration> next = batcher->NextDue();
      if (next.has_value() && (!due.has_value() || *next < *due)) due = next;
    }
    batchers.clear();
    base::MutexLock lock(state.mutex);
    if (state.stopped) return;
    if (state.version != version) continue;
    if (!due.has_value()) {
      state.changed.Wait(state.mutex);
    } else if (const absl::Duration left = *due - state.clock.Monotonic();
               left > absl::ZeroDuration()) {
      state.changed.WaitFor(state.mutex, left);
    }
  }
}

}  // namespace purser::addon
