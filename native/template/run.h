// What one rendering has spent and whether it failed: every loop of the renderer asks it.
//
// Functions of the renderer return false after a failure was recorded here; the first one counts.
// Not thread-safe: one per rendering.
#ifndef PURSER_TEMPLATE_RUN_H_
#define PURSER_TEMPLATE_RUN_H_

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "template/template.h"

namespace purser::tmpl {

// Bytes of the values alive on this thread's current rendering.
struct Meter {
  int64_t live = 0;
  // The meter that new values are charged to; nullptr while contexts and programs are built.
  static thread_local Meter* current;
};

// Stack that must be left before the renderer goes one level deeper; covers the deepest leaf call.
inline constexpr size_t kMinStackBytes = 96 * 1024;

// Errors of one template that are told at once.
inline constexpr size_t kMaxToldErrors = 20;

class Run {
 public:
  Run(const Limits& limits, std::stop_token stop);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const Limits& limits() const { return limits_; }

  // Counts `count` steps of work; now and then looks at the clock, the stop token and the memory.
  bool Step(int64_t count = 1) {
    steps_ += count;
    return steps_ < next_look_ || Look();
  }
  // One regular-expression step; the budget is shared by all matches of the rendering.
  bool RegexStep() { return ++regex_steps_ <= limits_.max_regex_steps || RegexLimit(); }
  // True when a value of `bytes` may be made.
  bool Reserve(int64_t bytes);
  // True when one level more of recursion is safe.
  bool Stack() {
    return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) > stack_floor_ || StackLimit();
  }

  // Record a failure; always return false. The first one is kept.
  bool Fail(std::string message);
  bool FailLimit(absl::string_view limit, int64_t value);
  // Where the failure was, set once by the innermost node.
  void Locate(uint32_t offset);
  // Added to the offsets of Locate while an expression stands for another one that is written
  // alike; gives the former shift back.
  uint32_t Shift(uint32_t shift) { return std::exchange(shift_, shift); }
  // Lets the parser go on behind a failure of the syntax, which is told with those that follow;
  // false when it was a limit, or there are kMaxToldErrors.
  bool Postpone();
  // Takes a failure of the syntax back, for the parser to tell later; none when it was a limit.
  struct Failure {
    uint32_t offset;
    std::string message;
  };
  std::optional<Failure> TakeFailure();
  bool postponed() const { return !postponed_.empty(); }
  // Puts words before the message, e.g. the filter's name.
  void Context(absl::string_view context);

  bool failed() const { return failed_; }
  // The failure as "name:line:column: message" with the source line below it.
  absl::Status ToStatus(absl::string_view name, absl::string_view source) const;

 private:
  bool Look();
  bool RegexLimit();
  bool StackLimit();

  const Limits limits_;
  const std::stop_token stop_;
  Meter meter_;
  Meter* outer_;
  int64_t steps_ = 0;
  int64_t next_look_;
  int64_t regex_steps_ = 0;
  int64_t deadline_ns_;
  uintptr_t stack_floor_;  // the thread that made the run is the one that uses it
  uint32_t shift_ = 0;
  bool failed_ = false;
  absl::StatusCode code_ = absl::StatusCode::kInvalidArgument;
  std::string message_;
  std::optional<uint32_t> offset_;
  std::vector<Failure> postponed_;
};

// "name:line:column: message" and the line with a mark below the column. Columns count UTF-16
// units.
std::string DescribeAt(absl::string_view name, absl::string_view source, uint32_t offset,
                       absl::string_view message);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_RUN_H_
