// Runs a program with bytes in and bytes out. No shell, no fork: the portal's process must not be
// copied, and what is between a fork and an exec may not allocate.
#ifndef PURSER_GIT_PROCESS_H_
#define PURSER_GIT_PROCESS_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/transport.h"

namespace purser::git {

inline constexpr size_t kMaxErrorOutputBytes = 64 << 10;  // of stderr kept; the rest is dropped

struct ProcessRequest {
  std::vector<std::string> arguments;  // the program first; found by PATH unless it holds a '/'
  absl::string_view input;             // must stay alive during the call
  // Comes behind `input`, read as the program takes it; its error ends the program and is returned.
  // May be null.
  http::BodySource* more_input = nullptr;
  absl::Duration timeout = absl::Minutes(10);
  std::stop_token stop;
  int64_t max_output_bytes = 64 << 20;  // more is RESOURCE_EXHAUSTED
};

struct ProcessResult {
  int exit_code = 0;  // 128 + the signal's number when one ended it
  std::string output;
  std::string errors;
};

// Blocks until the program ended. It runs in its own process group, with PATH, HOME, TMPDIR, USER
// and the C locale as its whole environment (nothing secret of ours reaches it or its hooks) and
// only the three standard streams open. NOT_FOUND when there is no such program; CANCELLED and
// DEADLINE_EXCEEDED end the whole group first.
absl::StatusOr<ProcessResult> RunProcess(const ProcessRequest& request);

}  // namespace purser::git

#endif  // PURSER_GIT_PROCESS_H_
