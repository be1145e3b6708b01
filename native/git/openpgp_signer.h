// OpenPGP signatures (RFC 4880, version 4) with keys that gpg exports.
#ifndef PURSER_GIT_OPENPGP_SIGNER_H_
#define PURSER_GIT_OPENPGP_SIGNER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/signer.h"

namespace purser::git {

inline constexpr absl::string_view kOpenPgpKeyBegin = "-----BEGIN PGP PRIVATE KEY BLOCK-----";

// As ParseSigningKey; `text` holds kOpenPgpKeyBegin.
absl::StatusOr<std::unique_ptr<Signer>> ParseOpenPgpKey(absl::string_view text);

}  // namespace purser::git

#endif  // PURSER_GIT_OPENPGP_SIGNER_H_
