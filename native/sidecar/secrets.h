// References to secrets, and the only place that turns them into values.
#ifndef PURSER_SIDECAR_SECRETS_H_
#define PURSER_SIDECAR_SECRETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::sidecar {

inline constexpr char kSecretEnvironmentPrefix[] = "PURSER_SECRET_";
inline constexpr int64_t kMaxSecretBytes = 64 << 10;

// "env:NAME": only names that start with PURSER_SECRET_, so that a blueprint cannot read the rest
// of the environment. "file:PATH": only below the configured folders, links that lead out refused;
// one trailing newline is cut off. Errors name the reference, never a value.
absl::StatusOr<std::string> ResolveSecret(absl::string_view reference,
                                          const std::vector<std::string>& folders);

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_SECRETS_H_
