// Runs terraform (or tofu): lines of its output as they come, an environment of its own, limits on
// what it may use, and an end by SIGINT first, so that it writes its state and gives its lock back.
#ifndef PURSER_CONNECTORS_TERRAFORM_TERRAFORM_PROCESS_H_
#define PURSER_CONNECTORS_TERRAFORM_TERRAFORM_PROCESS_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace purser::connectors {

inline constexpr size_t kMaxTerraformLineBytes = 4 << 20;    // of one line; longer ones are cut
inline constexpr size_t kMaxTerraformErrorBytes = 64 << 10;  // of stderr kept
inline constexpr int64_t kMaxTerraformOutputBytes = 256 << 20;
// From SIGINT to SIGKILL: an apply ends the resource it is at.
inline constexpr absl::Duration kTerraformGrace = absl::Minutes(2);
inline constexpr uint64_t kMaxTerraformFileBytes = uint64_t{2} << 30;  // of a file it writes
inline constexpr uint64_t kMaxTerraformOpenFiles = 4096;

struct TerraformRun {
  std::vector<std::string> arguments;    // the program first
  std::vector<std::string> environment;  // all of it: "NAME=value"
  std::string folder;                    // it runs there
  absl::Duration timeout = absl::Hours(1);
  absl::Duration grace = kTerraformGrace;
  std::stop_token stop;
  // Called with each line of its output, without the end of line.
  std::function<void(absl::string_view line)> on_line;
};

struct TerraformEnd {
  int exit_code = 0;  // 128 + the signal's number when one ended it
  std::string errors;
  bool interrupted = false;  // by us
};

// Blocks until the program and its group ended. NOT_FOUND when there is no such program. A stop or
// the timeout sends SIGINT once, waits `grace` for an orderly end, then kills the group; the end
// then comes back with `interrupted`.
absl::StatusOr<TerraformEnd> RunTerraform(const TerraformRun& run);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_TERRAFORM_TERRAFORM_PROCESS_H_
