// Log lines of a native call, gathered into few calls of the portal's logger.
//
// The scaffolder writes a database row per logger call, so two thousand lines written one by one
// stop its event loop for half a minute. Here a batch goes out 250 ms after its first line or when
// it has 8 KB, whichever comes first, and batches keep a distance so that the loop gets its turns.
#ifndef PURSER_ADDON_LOG_BATCHER_H_
#define PURSER_ADDON_LOG_BATCHER_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "action/action.h"
#include "addon/redactor.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace purser::addon {

inline constexpr absl::Duration kLogBatchDelay = absl::Milliseconds(250);
inline constexpr absl::Duration kLogBatchGap = absl::Milliseconds(10);
inline constexpr size_t kLogBatchBytes = 8 << 10;
// A longer line is cut, and says so.
inline constexpr size_t kMaxLogLineBytes = kLogBatchBytes - 256;
// What may wait for the portal's thread; a writer then waits kMaxLogWait for room before lines
// drop.
inline constexpr size_t kMaxPendingLogBytes = 256 << 10;
inline constexpr absl::Duration kMaxLogWait = absl::Seconds(2);
// Of one call; what comes behind it is counted only.
inline constexpr size_t kMaxLogBytesPerCall = 4 << 20;
// Changes of level within a batch; more are joined, the level then stands before the line.
inline constexpr size_t kMaxLogSegments = 8;

// Lines of one level, joined by '\n'.
struct LogSegment {
  action::LogLevel level;
  std::string text;
};

// Thread-safe. The reader is asked by `notify` (called without locks, from any thread) to Take one
// batch; it is not asked again before it did.
class LogBatcher {
 public:
  LogBatcher(Redactor redactor, std::stop_token stop, base::Clock& clock,
             std::function<void()> notify);

  // One line or several. Secrets are hidden before the text is cut or joined, so that none can hide
  // on the border of two batches.
  void Log(action::LogLevel level, absl::string_view text);

  // When Poll should be called next (the clock's Monotonic); nullopt when only Log changes that.
  std::optional<absl::Duration> NextDue();
  // Asks the reader when a batch is due.
  void Poll();
  // Reader: one batch, at most kLogBatchBytes; empty when there is none.
  std::vector<LogSegment> Take();

  // The call has ended: what is left becomes due at once. Waits until at most one batch is left
  // (the reader takes it together with the end of the call: another turn of the portal's event loop
  // only for a summary would cost as much as all the rest of a short call), `wait` has passed or
  // stop was requested.
  void Finish(absl::Duration wait);

 private:
  friend class LogPump;
  struct Line {
    action::LogLevel level;
    std::string text;
  };
  void AddLine(action::LogLevel level, absl::string_view line)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddDropMarker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<absl::Duration> Due() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitForRoom(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Redactor redactor_;
  const std::stop_token stop_;
  base::Clock& clock_;
  const std::function<void()> notify_;
  std::function<void()> changed_;  // set by the pump: NextDue may be earlier now

  base::Mutex mutex_;
  base::CondVar room_;
  std::deque<Line> lines_ ABSL_GUARDED_BY(mutex_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t total_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration first_line_at_ ABSL_GUARDED_BY(mutex_);
  absl::Duration not_before_ ABSL_GUARDED_BY(mutex_);
  // Declared last: it ends first, while what it touches is still there.
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

// One thread that polls the batchers of an environment; it starts with the first and sleeps unless
// a batch is pending. Thread-safe.
class LogPump {
 public:
  explicit LogPump(base::Clock& clock) : state_(std::make_shared<State>(clock)) {}
  ~LogPump() { Stop(); }
  void Add(const std::shared_ptr<LogBatcher>& batcher);
  void Remove(const std::shared_ptr<LogBatcher>& batcher);
  // Ends and joins the thread; `notify` of no batcher is called afterwards.
  void Stop();

 private:
  struct State {
    explicit State(base::Clock& a_clock) : clock(a_clock) {}
    base::Clock& clock;
    base::Mutex mutex;
    base::CondVar changed;
    std::vector<std::shared_ptr<LogBatcher>> batchers ABSL_GUARDED_BY(mutex);
    uint64_t version ABSL_GUARDED_BY(mutex) = 0;
    bool stopped ABSL_GUARDED_BY(mutex) = false;
  };
  static void Run(State& state) noexcept;

  std::shared_ptr<State> state_;
  std::thread thread_;
};

// "debug", "info", "warn", "error": the methods of Backstage's logger.
absl::string_view LogLevelName(action::LogLevel level);

}  // namespace purser::addon

#endif  // PURSER_ADDON_LOG_BATCHER_H_
