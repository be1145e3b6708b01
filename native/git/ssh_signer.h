// SSH signatures (OpenSSH's PROTOCOL.sshsig) with keys in OpenSSH's own format (PROTOCOL.key).
#ifndef PURSER_GIT_SSH_SIGNER_H_
#define PURSER_GIT_SSH_SIGNER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/signer.h"

namespace purser::git {

inline constexpr absl::string_view kSshKeyBegin = "-----BEGIN OPENSSH PRIVATE KEY-----";

// As ParseSigningKey; `text` holds kSshKeyBegin.
absl::StatusOr<std::unique_ptr<Signer>> ParseSshKey(absl::string_view text);

}  // namespace purser::git

#endif  // PURSER_GIT_SSH_SIGNER_H_
