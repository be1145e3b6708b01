#include "cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"

namespace purser::cli {
namespace {

constexpr absl::Duration kFirst = absl::Milliseconds(200);
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr int kWidth = 24;
constexpr char kFormat[] = "\r[%s%s] %3.0f %%  %s rows, %s rows/s, %.0f MB/s\x1b[K";
constexpr char kErase[] = "\r\x1b[K";

// "950", "12.3 k", "3.10 M".
std::string Short(double value) {
  const char* unit = "";
  for (const char* const larger : {" k", " M", " G"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = larger;
  }
  const int digits = *unit == '\0' || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return absl::StrFormat("%.*f%s", digits, value, unit);
}

}  // namespace

ProgressBar::ProgressBar(std::ostream& out, int fd, base::Clock& clock)
    : out_(out),
      clock_(clock),
      shown_(isatty(fd) == 1),
      start_(clock.Monotonic()),
      next_(start_ + kFirst) {}

ProgressBar::~ProgressBar() {
  if (drawn_) out_ << kErase << std::flush;
}

void ProgressBar::Show(int64_t rows, int64_t bytes, int64_t total_bytes) {
  const absl::Duration now = clock_.Monotonic();
  // The end is shown at once: what follows, storing for example, may take long.
  const bool ends = drawn_ && bytes >= total_bytes;
  if (!shown_ || (now < next_ && !ends)) return;
  next_ = now + kPause;
  const double seconds = absl::ToDoubleSeconds(now - start_);
  const double share =
      total_bytes > 0 ? std::min(1.0, static_cast<double>(bytes) / static_cast<double>(total_bytes))
                      : 1;
  const int full = static_cast<int>(share * kWidth);
  out_ << absl::StrFormat(kFormat, std::string(full, '#'), std::string(kWidth - full, ' '),
                          share * 100, Short(static_cast<double>(rows)),
                          Short(static_cast<double>(rows) / seconds),
                          static_cast<double>(bytes) / 1e6 / seconds)
       << std::flush;
  drawn_ = true;
}

}  // namespace purser::cli
