// Tokens that a program gives: the `exec` entry of a kubeconfig's user, by which clouds hand out
// short-lived credentials.
#ifndef PURSER_CONNECTORS_KUBERNETES_EXEC_CREDENTIAL_H_
#define PURSER_CONNECTORS_KUBERNETES_EXEC_CREDENTIAL_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

inline constexpr absl::Duration kExecTimeout = absl::Seconds(30);
inline constexpr int64_t kMaxExecOutputBytes = 1 << 20;
// A token is asked for anew this long before it ends; one that names no end, after this.
inline constexpr absl::Duration kTokenMargin = absl::Minutes(1);
inline constexpr absl::Duration kTokenLifetime = absl::Minutes(10);

// `exec` is the entry; a command with a '/' counts from `folder`. INVALID_ARGUMENT names the field
// that cannot be honoured. The function runs the program when the token it has is about to end; it
// is thread-safe and keeps the token in memory only. `clock` outlives it.
absl::StatusOr<std::function<absl::StatusOr<std::string>()>> ExecCredential(
    const nlohmann::json& exec, absl::string_view folder, base::Clock& clock);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_EXEC_CREDENTIAL_H_
