// How far the reading of bills is, in one line of a terminal.
//
//   ProgressBar bar(std::cerr, STDERR_FILENO, base::Clock::System());
//   request.on_progress = [&](const ScanProgress& p) { bar.Show(p.rows, p.bytes, p.total_bytes); };
#ifndef PURSER_CLI_PROGRESS_BAR_H_
#define PURSER_CLI_PROGRESS_BAR_H_

#include <cstdint>
#include <ostream>

#include "absl/time/time.h"
#include "base/clock.h"

namespace purser::cli {

// "[######      ]  42 %  12.3 M rows, 3.10 M rows/s, 125 MB/s", ten times a second at most and not
// before it has taken a moment. Gone when the bar is. One thread.
class ProgressBar {
 public:
  // Writes to `out`, which is the file `fd`; nothing where that is no terminal: a log wants no
  // line that is written over.
  ProgressBar(std::ostream& out, int fd, base::Clock& clock);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Show(int64_t rows, int64_t bytes, int64_t total_bytes);

 private:
  std::ostream& out_;
  base::Clock& clock_;
  const bool shown_;
  const absl::Duration start_;
  absl::Duration next_;
  bool drawn_ = false;
};

}  // namespace purser::cli

#endif  // PURSER_CLI_PROGRESS_BAR_H_
