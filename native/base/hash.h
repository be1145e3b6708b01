// SHA-1 (git's object names), SHA-256 (content hashes, keys) and hexadecimal.
//
// OpenSSL's libcrypto does the work; it is linked statically and privately into the addon, and is
// told not to read any configuration file, so that Node's own OpenSSL is neither used nor
// disturbed.
#ifndef PURSER_BASE_HASH_H_
#define PURSER_BASE_HASH_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace purser::base {

enum class HashKind { kSha1, kSha256 };

// A running hash. Not thread-safe; one per thread.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Update(absl::string_view bytes);
  // The raw digest (20 or 32 bytes); the hasher starts anew afterwards.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Raw digests and their lower-case hexadecimal form.
std::string Sha1(absl::string_view bytes);
std::string Sha256(absl::string_view bytes);
std::string Sha256Hex(absl::string_view bytes);
std::string ToHex(absl::string_view bytes);

// RFC 2104 with SHA-256: the raw 32 bytes.
std::string HmacSha256(absl::string_view key, absl::string_view message);

// Compares in time that depends on the lengths only. For tokens and signatures.
bool ConstantTimeEquals(absl::string_view a, absl::string_view b);

}  // namespace purser::base

#endif  // PURSER_BASE_HASH_H_
