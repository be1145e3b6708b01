#include "git/openpgp_signer.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/private_key.h"
#include "base/status.h"

namespace purser::git {
namespace {

constexpr absl::string_view kEnd = "-----END PGP PRIVATE KEY BLOCK-----";
constexpr int kSecretKey = 5;
constexpr int kSecretSubkey = 7;
constexpr int kSignature = 2;
constexpr int kRsa = 1;
constexpr int kEdDsa = 22;
constexpr int kSha256 = 8;
constexpr int kCreationTime = 2;
constexpr int kIssuer = 16;
constexpr int kKeyFlags = 27;
constexpr int kIssuerFingerprint = 33;
constexpr int kMaySign = 0x02;
constexpr absl::string_view kEd25519Oid("\x2B\x06\x01\x04\x01\xDA\x47\x0F\x01", 9);
constexpr size_t kLineLength = 64;
constexpr size_t kPointBytes = 32;

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("signing key (OpenPGP): ", why));
}

void AppendNumber(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

// Takes bytes and numbers off the front; once one is cut, all are empty.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}
  uint32_t Number(int bytes) {
    const absl::string_view taken = Bytes(static_cast<size_t>(bytes));
    uint32_t value = 0;
    for (const char c : taken) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  absl::string_view Bytes(size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const absl::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  // A multiprecision integer.
  absl::string_view Integer() { return Bytes((Number(2) + 7) / 8); }
  absl::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

struct Packet {
  int tag = 0;
  absl::string_view body;
};

// RFC 4880 section 4.2; partial lengths are for data only, never for keys.
absl::StatusOr<Packet> NextPacket(Reader& reader) {
  Packet packet;
  const uint32_t head = reader.Number(1);
  if ((head & 0x80) == 0) return Bad("it does not hold packets");
  size_t size = 0;
  if ((head & 0x40) != 0) {
    packet.tag = static_cast<int>(head & 0x3F);
    const uint32_t first = reader.Number(1);
    if (first < 192) {
      size = first;
    } else if (first < 224) {
      size = ((first - 192) << 8) + reader.Number(1) + 192;
    } else if (first == 255) {
      size = reader.Number(4);
    } else {
      return Bad("it holds a packet of unknown length");
    }
  } else {
    packet.tag = static_cast<int>(head >> 2 & 0x0F);
    const uint32_t kind = head & 3;
    if (kind == 3) return Bad("it holds a packet of unknown length");
    size = reader.Number(1 << kind);
  }
  packet.body = reader.Bytes(size);
  if (!reader.ok()) return Bad("it is cut");
  return packet;
}

absl::StatusOr<std::string> Dearmour(absl::string_view text) {
  text.remove_prefix(text.find(kOpenPgpKeyBegin) + kOpenPgpKeyBegin.size());
  const size_t end = text.find(kEnd);
  if (end == absl::string_view::npos) return Bad("it does not end");
  text = text.substr(0, end);
  // Headers ("Comment: …") up to an empty line; old exports have them.
  size_t line_end = text.find('\n');
  while (line_end != absl::string_view::npos) {
    text.remove_prefix(line_end + 1);
    line_end = text.find('\n');
    const absl::string_view line = text.substr(0, line_end);
    if (line.find(':') != absl::string_view::npos) continue;
    if (absl::StripSuffix(line, "\r").empty()) text.remove_prefix(line.size());
    break;
  }
  // The checksum: a line of its own that begins with '='.
  const size_t sum = text.rfind("\n=");
  if (sum != absl::string_view::npos) text = text.substr(0, sum);
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) return Bad("it is not base64");
  return bytes;
}

// A key or subkey with its private part.
struct FoundKey {
  int algorithm = 0;
  std::string public_body;  // what the fingerprint is made of
  std::optional<base::PrivateKey> key;
  std::optional<uint32_t> flags;  // what its own signatures allow it; none told: anything

  bool MaySign() const {
    return key.has_value() && (!flags.has_value() || (*flags & kMaySign) != 0);
  }
};

// nullopt for what cannot sign at all: other algorithms, or a private part that is not there.
absl::StatusOr<std::optional<FoundKey>> ReadKey(absl::string_view body) {
  Reader reader(body);
  const uint32_t version = reader.Number(1);
  if (version != 4) return std::nullopt;
  reader.Number(4);  // when it was made
  FoundKey found;
  found.algorithm = static_cast<int>(reader.Number(1));
  base::RsaNumbers rsa;
  if (found.algorithm == kRsa) {
    rsa.modulus = reader.Integer();
    rsa.public_exponent = reader.Integer();
  } else if (found.algorithm == kEdDsa) {
    if (reader.Bytes(reader.Number(1)) != kEd25519Oid) return std::nullopt;
    reader.Integer();
  } else {
    return std::nullopt;
  }
  found.public_body = std::string(body.substr(0, body.size() - reader.rest().size()));
  const uint32_t protection = reader.Number(1);
  if (!reader.ok()) return Bad("it is cut");
  if (protection != 0) {
    // A stub of gpg (its private part is elsewhere) looks protected, too: mode 101 of its own.
    reader.Number(1);
    if (reader.Number(1) == 101) return std::nullopt;
    return absl::FailedPreconditionError(
        "signing key (OpenPGP): it is protected by a passphrase; export one without");
  }
  if (found.algorithm == kRsa) {
    rsa.private_exponent = reader.Integer();
    if (!reader.ok()) return Bad("its private part is cut");
    PURSER_ASSIGN_OR_RETURN(found.key, base::PrivateKey::Rsa(rsa));
  } else {
    const absl::string_view secret = reader.Integer();
    if (!reader.ok() || secret.size() > kPointBytes) return Bad("its private part is cut");
    // Leading zeros are not written.
    const std::string seed = absl::StrCat(std::string(kPointBytes - secret.size(), '\0'), secret);
    PURSER_ASSIGN_OR_RETURN(found.key, base::PrivateKey::Ed25519(seed));
  }
  return found;
}

// The key flags of a signature over a key, or nullopt.
std::optional<uint32_t> FlagsOf(absl::string_view signature) {
  Reader reader(signature);
  if (reader.Number(1) != 4) return std::nullopt;
  const uint32_t type = reader.Number(1);
  reader.Number(2);
  // Certifications of the key's names, and bindings of subkeys.
  if ((type < 0x10 || type > 0x13) && type != 0x18 && type != 0x1F) return std::nullopt;
  Reader hashed(reader.Bytes(reader.Number(2)));
  while (!hashed.rest().empty() && hashed.ok()) {
    uint32_t size = hashed.Number(1);
    if (size == 255) {
      size = hashed.Number(4);
    } else if (size >= 192) {
      size = ((size - 192) << 8) + hashed.Number(1) + 192;
    }
    Reader part(hashed.Bytes(size));
    if ((part.Number(1) & 0x7F) == kKeyFlags && !part.rest().empty()) return part.Number(1);
  }
  return std::nullopt;
}

std::string Fingerprint(absl::string_view public_body) {
  std::string framed = "\x99";
  AppendNumber(framed, public_body.size(), 2);
  framed.append(public_body.data(), public_body.size());
  return base::Sha1(framed);
}

void AppendInteger(std::string& out, absl::string_view bytes) {
  while (!bytes.empty() && bytes.front() == '\0') bytes.remove_prefix(1);
  size_t bits = bytes.size() * 8;
  if (!bytes.empty()) {
    for (int mask = 0x80; (static_cast<unsigned char>(bytes.front()) & mask) == 0; mask >>= 1) {
      --bits;
    }
  }
  AppendNumber(out, bits, 2);
  out.append(bytes.data(), bytes.size());
}

uint32_t Crc24(absl::string_view bytes) {
  uint32_t crc = 0xB704CE;
  for (const char c : bytes) {
    crc ^= static_cast<uint32_t>(static_cast<unsigned char>(c)) << 16;
    for (int i = 0; i < 8; ++i) {
      crc <<= 1;
      if ((crc & 0x1000000) != 0) crc ^= 0x1864CFB;
    }
  }
  return crc & 0xFFFFFF;
}

std::string Armour(absl::string_view bytes) {
  std::string base64;
  absl::Base64Escape(bytes, &base64);
  std::string out = "-----BEGIN PGP SIGNATURE-----\n\n";
  for (size_t at = 0; at < base64.size(); at += kLineLength) {
    absl::StrAppend(&out, absl::string_view(base64).substr(at, kLineLength), "\n");
  }
  std::string sum;
  AppendNumber(sum, Crc24(bytes), 3);
  std::string sum64;
  absl::Base64Escape(sum, &sum64);
  return absl::StrCat(out, "=", sum64, "\n-----END PGP SIGNATURE-----\n");
}

class OpenPgpSigner final : public Signer {
 public:
  explicit OpenPgpSigner(FoundKey key)
      : key_(std::move(*key.key)),
        algorithm_(key.algorithm),
        fingerprint_(Fingerprint(key.public_body)),
        description_(absl::StrCat("OpenPGP key ", base::ToHex(fingerprint_))) {}

  absl::StatusOr<std::string> Sign(absl::string_view payload, absl::Time time) const override {
    std::string hashed;
    AppendNumber(hashed, 2 + fingerprint_.size(), 1);
    AppendNumber(hashed, kIssuerFingerprint, 1);
    AppendNumber(hashed, 4, 1);
    hashed += fingerprint_;
    AppendNumber(hashed, 5, 1);
    AppendNumber(hashed, kCreationTime, 1);
    AppendNumber(hashed, static_cast<uint64_t>(absl::ToUnixSeconds(time)), 4);

    std::string body;
    AppendNumber(body, 4, 1);
    AppendNumber(body, 0, 1);  // of a binary document
    AppendNumber(body, static_cast<uint64_t>(algorithm_), 1);
    AppendNumber(body, kSha256, 1);
    AppendNumber(body, hashed.size(), 2);
    body += hashed;

    std::string signed_data = absl::StrCat(payload, body);
    AppendNumber(signed_data, 0x04FF, 2);
    AppendNumber(signed_data, body.size(), 4);
    const std::string digest = base::Sha256(signed_data);
    // RSA hashes what it gets; EdDSA signs the hash as its message.
    PURSER_ASSIGN_OR_RETURN(const std::string raw,
                            key_.Sign(algorithm_ == kRsa ? signed_data : digest, "SHA256"));

    std::string unhashed;
    AppendNumber(unhashed, 9, 1);
    AppendNumber(unhashed, kIssuer, 1);
    unhashed += fingerprint_.substr(12);
    AppendNumber(body, unhashed.size(), 2);
    body += unhashed;
    body += digest.substr(0, 2);
    if (algorithm_ == kRsa) {
      AppendInteger(body, raw);
    } else {
      AppendInteger(body, absl::string_view(raw).substr(0, kPointBytes));
      AppendInteger(body, absl::string_view(raw).substr(kPointBytes));
    }
    std::string packet = "\x89";  // a signature, two bytes of length
    AppendNumber(packet, body.size(), 2);
    return Armour(absl::StrCat(packet, body));
  }
  const std::string& description() const override { return description_; }

 private:
  const base::PrivateKey key_;
  const int algorithm_;
  const std::string fingerprint_;
  const std::string description_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> ParseOpenPgpKey(absl::string_view text) {
  PURSER_ASSIGN_OR_RETURN(const std::string bytes, Dearmour(text));
  Reader reader(bytes);
  std::optional<FoundKey> best;
  std::optional<FoundKey> current;
  const auto settle = [&best, &current] {
    if (current.has_value() && current->MaySign()) best = std::move(current);
    current.reset();
  };
  while (!reader.rest().empty()) {
    PURSER_ASSIGN_OR_RETURN(const Packet packet, NextPacket(reader));
    if (packet.tag == kSecretKey || packet.tag == kSecretSubkey) {
      settle();
      PURSER_ASSIGN_OR_RETURN(current, ReadKey(packet.body));
    } else if (packet.tag == kSignature && current.has_value()) {
      if (const auto flags = FlagsOf(packet.body); flags.has_value()) current->flags = flags;
    }
  }
  settle();
  if (!best.has_value()) {
    return absl::UnimplementedError(
        "signing key (OpenPGP): it holds no part that may sign with Ed25519 or RSA");
  }
  return std::make_unique<OpenPgpSigner>(*std::move(best));
}

}  // namespace purser::git
