// The sidecar's log: one JSON object a line on standard error.
#ifndef PURSER_SIDECAR_LOG_H_
#define PURSER_SIDECAR_LOG_H_

#include "absl/strings/string_view.h"

namespace purser::sidecar {

// Sets spdlog's default logger: {"time","level","message"}, the message escaped as JSON, so that no
// text from outside can forge a line. `level` is debug, info, warn or error.
void SetUpLog(absl::string_view level);

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_LOG_H_
