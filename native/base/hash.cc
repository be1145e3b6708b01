#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/escaping.h"

namespace purser::base {
namespace {

const EVP_MD* Algorithm(HashKind kind) {
  // A private library context: nothing that the portal configures for its OpenSSL reaches us.
  static OSSL_LIB_CTX* const context = [] {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
    return OSSL_LIB_CTX_new();
  }();
  static EVP_MD* const sha1 = EVP_MD_fetch(context, "SHA1", nullptr);
  static EVP_MD* const sha256 = EVP_MD_fetch(context, "SHA256", nullptr);
  return kind == HashKind::kSha1 ? sha1 : sha256;
}

}  // namespace

struct Hasher::State {
  const EVP_MD* algorithm;
  EVP_MD_CTX* context;
};

Hasher::Hasher(HashKind kind) : state_(std::make_unique<State>()) {
  state_->algorithm = Algorithm(kind);
  state_->context = EVP_MD_CTX_new();
  // Only out-of-memory can make these fail; there is no honest way to go on without a hash.
  if (state_->algorithm == nullptr || state_->context == nullptr ||
      EVP_DigestInit_ex(state_->context, state_->algorithm, nullptr) != 1) {
    std::abort();
  }
}

Hasher::~Hasher() {
  if (state_ != nullptr) EVP_MD_CTX_free(state_->context);
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

void Hasher::Update(absl::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Hasher::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(state_->context, digest, &length);
  EVP_DigestInit_ex(state_->context, state_->algorithm, nullptr);
  return std::string(reinterpret_cast<const char*>(digest), length);
}

std::string Sha1(absl::string_view bytes) {
  Hasher hasher(HashKind::kSha1);
  hasher.Update(bytes);
  return hasher.Finish();
}

std::string Sha256(absl::string_view bytes) {
  Hasher hasher(HashKind::kSha256);
  hasher.Update(bytes);
  return hasher.Finish();
}

std::string Sha256Hex(absl::string_view bytes) { return ToHex(Sha256(bytes)); }

std::string ToHex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

std::string HmacSha256(absl::string_view key, absl::string_view message) {
  constexpr size_t kBlock = 64;
  std::string block = key.size() > kBlock ? Sha256(key) : std::string(key);
  block.resize(kBlock, '\0');
  std::string inner = block;
  std::string outer = block;
  for (size_t i = 0; i < kBlock; ++i) {
    inner[i] = static_cast<char>(inner[i] ^ 0x36);
    outer[i] = static_cast<char>(outer[i] ^ 0x5c);
  }
  Hasher hasher(HashKind::kSha256);
  hasher.Update(inner);
  hasher.Update(message);
  const std::string digest = hasher.Finish();
  hasher.Update(outer);
  hasher.Update(digest);
  return hasher.Finish();
}

bool ConstantTimeEquals(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace purser::base
