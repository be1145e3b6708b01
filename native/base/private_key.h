// Private keys of the two algorithms commits and client assertions are signed with, in libcrypto.
#ifndef PURSER_BASE_PRIVATE_KEY_H_
#define PURSER_BASE_PRIVATE_KEY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::base {

inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 16384;

// Numbers are big-endian, without a sign.
struct RsaNumbers {
  absl::string_view modulus;
  absl::string_view public_exponent;
  absl::string_view private_exponent;
};

// Thread-safe. INVALID_ARGUMENT when the numbers are no key.
class PrivateKey {
 public:
  static absl::StatusOr<PrivateKey> Ed25519(absl::string_view seed);  // 32 bytes
  static absl::StatusOr<PrivateKey> Rsa(const RsaNumbers& numbers);
  // An RSA key as PEM (PKCS #8 or PKCS #1), not encrypted. Errors hold nothing of the text.
  static absl::StatusOr<PrivateKey> RsaPem(absl::string_view pem);
  ~PrivateKey();
  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;

  // Ed25519: 64 bytes; `hash` is not looked at.
  // RSA: PKCS #1 v1.5 over `hash` ("SHA256", "SHA512") of the message.
  absl::StatusOr<std::string> Sign(absl::string_view message, const char* hash) const;

 private:
  struct State;
  explicit PrivateKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace purser::base

#endif  // PURSER_BASE_PRIVATE_KEY_H_
