#include "git/ssh_signer.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/private_key.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::git {
namespace {

constexpr absl::string_view kEnd = "-----END OPENSSH PRIVATE KEY-----";
constexpr absl::string_view kMagic("openssh-key-v1\0", 15);
constexpr absl::string_view kNamespace = "git";
// Of the message inside the signature; OpenSSH allows this and sha512.
constexpr absl::string_view kMessageHash = "sha256";
constexpr size_t kLineLength = 70;

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("signing key (OpenSSH): ", why));
}

void AppendUint32(std::string& out, size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

void AppendString(std::string& out, absl::string_view value) {
  AppendUint32(out, value.size());
  out.append(value.data(), value.size());
}

// Takes SSH's length-prefixed strings and numbers off the front; once one is cut, all are empty.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}
  uint32_t Uint32() {
    if (rest_.size() < 4) return Fail();
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(4);
    return value;
  }
  absl::string_view String() {
    const uint32_t size = Uint32();
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    const absl::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  bool ok() const { return ok_; }

 private:
  uint32_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  absl::string_view rest_;
  bool ok_ = true;
};

class SshSigner final : public Signer {
 public:
  SshSigner(base::PrivateKey key, std::string public_key, bool is_rsa)
      : key_(std::move(key)), public_key_(std::move(public_key)), is_rsa_(is_rsa) {
    std::string hash;
    absl::Base64Escape(base::Sha256(public_key_), &hash);
    while (absl::EndsWith(hash, "=")) hash.pop_back();
    description_ = absl::StrCat("ssh key SHA256:", hash);
  }

  absl::StatusOr<std::string> Sign(absl::string_view payload, absl::Time) const override {
    std::string signed_data = "SSHSIG";
    AppendString(signed_data, kNamespace);
    AppendString(signed_data, "");
    AppendString(signed_data, kMessageHash);
    AppendString(signed_data, base::Sha256(payload));
    PURSER_ASSIGN_OR_RETURN(const std::string raw, key_.Sign(signed_data, "SHA512"));
    std::string signature;
    AppendString(signature, is_rsa_ ? "rsa-sha2-512" : "ssh-ed25519");
    AppendString(signature, raw);

    std::string blob = "SSHSIG";
    AppendUint32(blob, 1);
    AppendString(blob, public_key_);
    AppendString(blob, kNamespace);
    AppendString(blob, "");
    AppendString(blob, kMessageHash);
    AppendString(blob, signature);
    std::string base64;
    absl::Base64Escape(blob, &base64);
    std::string out = "-----BEGIN SSH SIGNATURE-----\n";
    for (size_t at = 0; at < base64.size(); at += kLineLength) {
      absl::StrAppend(&out, absl::string_view(base64).substr(at, kLineLength), "\n");
    }
    return absl::StrCat(out, "-----END SSH SIGNATURE-----\n");
  }
  const std::string& description() const override { return description_; }

 private:
  const base::PrivateKey key_;
  const std::string public_key_;
  const bool is_rsa_;
  std::string description_;
};

absl::StatusOr<std::unique_ptr<Signer>> FromPrivate(absl::string_view private_part,
                                                    absl::string_view public_key) {
  Reader reader(private_part);
  if (reader.Uint32() != reader.Uint32() || !reader.ok()) return Bad("its check numbers differ");
  const absl::string_view type = reader.String();
  if (type == "ssh-ed25519") {
    reader.String();  // the public key
    const absl::string_view both = reader.String();
    if (!reader.ok() || both.size() != 64) return Bad("its private part is cut");
    PURSER_ASSIGN_OR_RETURN(base::PrivateKey key, base::PrivateKey::Ed25519(both.substr(0, 32)));
    return std::make_unique<SshSigner>(std::move(key), std::string(public_key), false);
  }
  if (type == "ssh-rsa") {
    base::RsaNumbers numbers;
    numbers.modulus = reader.String();
    numbers.public_exponent = reader.String();
    numbers.private_exponent = reader.String();
    if (!reader.ok()) return Bad("its private part is cut");
    PURSER_ASSIGN_OR_RETURN(base::PrivateKey key, base::PrivateKey::Rsa(numbers));
    return std::make_unique<SshSigner>(std::move(key), std::string(public_key), true);
  }
  return absl::UnimplementedError(absl::StrCat("signing key (OpenSSH): of type \"",
                                               base::EscapeForDisplay(type, 60),
                                               "\"; only ssh-ed25519 and ssh-rsa are supported"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> ParseSshKey(absl::string_view text) {
  text.remove_prefix(text.find(kSshKeyBegin) + kSshKeyBegin.size());
  const size_t end = text.find(kEnd);
  if (end == absl::string_view::npos) return Bad("it does not end");
  std::string bytes;
  if (!absl::Base64Unescape(text.substr(0, end), &bytes) || !absl::StartsWith(bytes, kMagic)) {
    return Bad("it is not what its first line says");
  }
  Reader reader(absl::string_view(bytes).substr(kMagic.size()));
  const absl::string_view cipher = reader.String();
  reader.String();  // the key derivation
  reader.String();  // its options
  const uint32_t keys = reader.Uint32();
  const absl::string_view public_key = reader.String();
  const absl::string_view private_part = reader.String();
  if (!reader.ok()) return Bad("it is cut");
  if (cipher != "none") {
    return absl::FailedPreconditionError(
        "signing key (OpenSSH): it is protected by a passphrase; give one without "
        "(ssh-keygen -p -N \"\")");
  }
  if (keys != 1) return Bad("it must hold one key");
  return FromPrivate(private_part, public_key);
}

}  // namespace purser::git
