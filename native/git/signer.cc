#include "git/signer.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "git/openpgp_signer.h"
#include "git/ssh_signer.h"

namespace purser::git {

absl::StatusOr<std::unique_ptr<Signer>> ParseSigningKey(absl::string_view text) {
  if (text.size() > kMaxSigningKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("signing key: larger than ", kMaxSigningKeyBytes, " bytes"));
  }
  if (absl::StrContains(text, kSshKeyBegin)) return ParseSshKey(text);
  if (absl::StrContains(text, kOpenPgpKeyBegin)) return ParseOpenPgpKey(text);
  return absl::InvalidArgumentError(
      "signing key: neither an OpenSSH private key (\"-----BEGIN OPENSSH PRIVATE KEY-----\") nor "
      "an "
      "OpenPGP one (\"-----BEGIN PGP PRIVATE KEY BLOCK-----\")");
}

}  // namespace purser::git
