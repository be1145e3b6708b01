// Signatures of commits, as `git verify-commit` checks them: SSH keys (Ed25519, RSA) and OpenPGP
// keys (Ed25519, RSA), without ssh-keygen or gpg.
//
//   PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<Signer> signer, ParseSigningKey(key_text));
//   commit.signer = signer.get();
#ifndef PURSER_GIT_SIGNER_H_
#define PURSER_GIT_SIGNER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace purser::git {

inline constexpr size_t kMaxSigningKeyBytes = 128 << 10;

// Thread-safe. Holds a private key; nothing of it is in errors or in the description.
class Signer {
 public:
  virtual ~Signer() = default;
  // The armoured signature of a commit object that has none yet. `time` is the signature's (SSH's
  // have none).
  virtual absl::StatusOr<std::string> Sign(absl::string_view payload, absl::Time time) const = 0;
  // For people: "ssh key SHA256:…", "OpenPGP key 1122…".
  virtual const std::string& description() const = 0;
};

// A private key as text: OpenSSH's own format ("BEGIN OPENSSH PRIVATE KEY") or an armoured OpenPGP
// secret key ("BEGIN PGP PRIVATE KEY BLOCK"), of which the newest part that may sign is taken.
// INVALID_ARGUMENT when it is neither or broken; FAILED_PRECONDITION when it is protected by a
// passphrase; UNIMPLEMENTED for other algorithms.
absl::StatusOr<std::unique_ptr<Signer>> ParseSigningKey(absl::string_view text);

}  // namespace purser::git

#endif  // PURSER_GIT_SIGNER_H_
