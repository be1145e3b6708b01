#include "base/private_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace purser::base {
namespace {

constexpr size_t kSeedBytes = 32;

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* value) const {
    kFree(value);
  }
};
using Number = std::unique_ptr<BIGNUM, Free<BN_clear_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

// As for hashes: a context of our own, which nothing that the portal configures reaches.
OSSL_LIB_CTX* Context() {
  static OSSL_LIB_CTX* const context = [] {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
    return OSSL_LIB_CTX_new();
  }();
  return context;
}

Number NumberOf(absl::string_view bytes) {
  return Number(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<int>(bytes.size()), nullptr));
}

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("signing key: ", why));
}

}  // namespace

struct PrivateKey::State {
  Key key;
  bool is_rsa = false;
};

PrivateKey::PrivateKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
PrivateKey::~PrivateKey() = default;
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;

absl::StatusOr<PrivateKey> PrivateKey::Ed25519(absl::string_view seed) {
  if (seed.size() != kSeedBytes) return Bad("an Ed25519 key of another length than 32 bytes");
  auto state = std::make_unique<State>();
  state->key.reset(EVP_PKEY_new_raw_private_key_ex(
      Context(), "ED25519", nullptr, reinterpret_cast<const unsigned char*>(seed.data()),
      seed.size()));
  if (state->key == nullptr) return Bad("not an Ed25519 key");
  return PrivateKey(std::move(state));
}

absl::StatusOr<PrivateKey> PrivateKey::Rsa(const RsaNumbers& numbers) {
  if (numbers.modulus.size() > kMaxRsaBits / 8 + 1) {
    return Bad(absl::StrCat("an RSA key of more than ", kMaxRsaBits, " bits (kMaxRsaBits)"));
  }
  const Number n = NumberOf(numbers.modulus);
  const Number e = NumberOf(numbers.public_exponent);
  const Number d = NumberOf(numbers.private_exponent);
  if (n == nullptr || e == nullptr || d == nullptr) return Bad("no memory for its numbers");
  if (BN_num_bits(n.get()) < kMinRsaBits) {
    return Bad(absl::StrCat("an RSA key of ", BN_num_bits(n.get()), " bits; at least ", kMinRsaBits,
                            " are needed (kMinRsaBits)"));
  }
  if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_zero(d.get()) ||
      BN_cmp(d.get(), n.get()) >= 0) {
    return Bad("its numbers are no RSA key");
  }
  const std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_D, d.get()) != 1) {
    return Bad("no memory for its numbers");
  }
  const std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>> params(
      OSSL_PARAM_BLD_to_param(builder.get()));
  const std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>> making(
      EVP_PKEY_CTX_new_from_name(Context(), "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  if (params == nullptr || making == nullptr || EVP_PKEY_fromdata_init(making.get()) != 1 ||
      EVP_PKEY_fromdata(making.get(), &made, EVP_PKEY_KEYPAIR, params.get()) != 1) {
    return Bad("its numbers are no RSA key");
  }
  auto state = std::make_unique<State>();
  state->key.reset(made);
  state->is_rsa = true;
  return PrivateKey(std::move(state));
}

absl::StatusOr<PrivateKey> PrivateKey::RsaPem(absl::string_view pem) {
  EVP_PKEY* made = nullptr;
  const std::unique_ptr<OSSL_DECODER_CTX, Free<OSSL_DECODER_CTX_free>> decoder(
      OSSL_DECODER_CTX_new_for_pkey(&made, "PEM", nullptr, "RSA", EVP_PKEY_KEYPAIR, Context(),
                                    nullptr));
  const auto* data = reinterpret_cast<const unsigned char*>(pem.data());
  size_t size = pem.size();
  if (decoder == nullptr || OSSL_DECODER_from_data(decoder.get(), &data, &size) != 1) {
    return Bad("not an RSA key in PEM without a passphrase");
  }
  auto state = std::make_unique<State>();
  state->key.reset(made);
  state->is_rsa = true;
  const int bits = EVP_PKEY_get_bits(made);
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return Bad(absl::StrCat("an RSA key of ", bits, " bits; ", kMinRsaBits, " to ", kMaxRsaBits,
                            " are taken (kMinRsaBits, kMaxRsaBits)"));
  }
  return PrivateKey(std::move(state));
}

absl::StatusOr<std::string> PrivateKey::Sign(absl::string_view message, const char* hash) const {
  const std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  size_t size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(message.data());
  if (context == nullptr ||
      EVP_DigestSignInit_ex(context.get(), nullptr, state_->is_rsa ? hash : nullptr, Context(),
                            nullptr, state_->key.get(), nullptr) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, data, message.size()) != 1) {
    return absl::InternalError("signing key: libcrypto does not sign with it");
  }
  std::string out(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, data,
                     message.size()) != 1) {
    return absl::InternalError("signing key: libcrypto does not sign with it");
  }
  out.resize(size);
  return out;
}

}  // namespace purser::base
