#include "http/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/strings.h"

namespace purser::http {
namespace {

struct Prefix {
  const char* network;
  int bits;
};

// IANA's special-purpose registries; everything in them that is not globally reachable, and more.
constexpr Prefix kNotPublicV4[] = {{"0.0.0.0", 8},      {"10.0.0.0", 8},     {"100.64.0.0", 10},
                                   {"127.0.0.0", 8},    {"169.254.0.0", 16}, {"172.16.0.0", 12},
                                   {"192.0.0.0", 24},   {"192.0.2.0", 24},   {"192.88.99.0", 24},
                                   {"192.168.0.0", 16}, {"198.18.0.0", 15},  {"198.51.100.0", 24},
                                   {"203.0.113.0", 24}, {"224.0.0.0", 4},    {"240.0.0.0", 4}};
constexpr Prefix kNotPublicV6[] = {{"::", 96},     {"64:ff9b:1::", 48}, {"100::", 64},
                                   {"2001::", 23}, {"2001:db8::", 32},  {"3fff::", 20},
                                   {"5f00::", 16}, {"fc00::", 7},       {"fe80::", 10},
                                   {"fec0::", 10}, {"ff00::", 8}};
// The last one is Azure's, which lies in public space.
constexpr const char* kMetadata[] = {"169.254.169.254", "169.254.170.2", "169.254.170.23",
                                     "fd00:ec2::254",   "fd00:ec2::23",  "100.100.100.200",
                                     "192.0.0.192",     "168.63.129.16"};

bool InAny(const IpAddress& address, const Prefix* begin, const Prefix* end) {
  return std::any_of(begin, end, [&address](const Prefix& prefix) {
    return address.InPrefix(*IpAddress::Parse(prefix.network), prefix.bits);
  });
}

}  // namespace

absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text) {
  const std::string copy(text);
  std::array<uint8_t, 4> four = {};
  std::array<uint8_t, 16> sixteen = {};
  // inet_pton is strict: four decimal numbers without leading zeros, no zone.
  if (copy.find('\0') == std::string::npos) {
    if (inet_pton(AF_INET, copy.c_str(), four.data()) == 1) return V4(four);
    if (inet_pton(AF_INET6, copy.c_str(), sixteen.data()) == 1) return V6(sixteen);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", base::EscapeForDisplay(text, 60), "\" is no IP address"));
}

IpAddress IpAddress::V4(const std::array<uint8_t, 4>& bytes) {
  IpAddress out;
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
  return out;
}

IpAddress IpAddress::V6(const std::array<uint8_t, 16>& bytes) {
  IpAddress out;
  out.v6_ = true;
  out.bytes_ = bytes;
  return out;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof(text));
  return text;
}

IpAddress IpAddress::Embedded() const {
  if (!v6_) return *this;
  static const auto& mapped = *new IpAddress(*Parse("::ffff:0:0"));
  static const auto& nat64 = *new IpAddress(*Parse("64:ff9b::"));
  static const auto& six_to_four = *new IpAddress(*Parse("2002::"));
  const auto four = [this](size_t at) {
    return V4({bytes_[at], bytes_[at + 1], bytes_[at + 2], bytes_[at + 3]});
  };
  if (InPrefix(mapped, 96) || InPrefix(nat64, 96)) return four(12);
  if (InPrefix(six_to_four, 16)) return four(2);
  return *this;
}

bool IpAddress::InPrefix(const IpAddress& network, int prefix_bits) const {
  if (v6_ != network.v6_) return false;
  const int whole = prefix_bits / 8;
  const int rest = prefix_bits % 8;
  if (!std::equal(bytes_.begin(), bytes_.begin() + whole, network.bytes_.begin())) return false;
  if (rest == 0) return true;
  const int mask = 0xFF << (8 - rest);
  return (bytes_[whole] & mask) == (network.bytes_[whole] & mask);
}

bool IpAddress::IsPublic() const {
  const IpAddress inner = Embedded();
  if (IsMetadata()) return false;
  return inner.v6_ ? !InAny(inner, std::begin(kNotPublicV6), std::end(kNotPublicV6))
                   : !InAny(inner, std::begin(kNotPublicV4), std::end(kNotPublicV4));
}

bool IpAddress::IsMetadata() const {
  const IpAddress inner = Embedded();
  return std::any_of(std::begin(kMetadata), std::end(kMetadata),
                     [&inner](const char* text) { return inner == *Parse(text); });
}

absl::StatusOr<AddressPolicy> AddressPolicy::Create(const std::vector<std::string>& allowed) {
  AddressPolicy policy;
  for (const std::string& text : allowed) {
    const auto wrong = [&text](absl::string_view what) {
      return absl::InvalidArgumentError(
          absl::StrCat("allowed address \"", base::EscapeForDisplay(text, 100), "\": ", what));
    };
    Entry entry;
    absl::string_view rest = text;
    if (const size_t slash = rest.find('/'); slash != absl::string_view::npos) {
      const absl::StatusOr<IpAddress> network = IpAddress::Parse(rest.substr(0, slash));
      if (!network.ok() || !absl::SimpleAtoi(rest.substr(slash + 1), &entry.prefix_bits) ||
          entry.prefix_bits < 0 || entry.prefix_bits > (network->v6() ? 128 : 32)) {
        return wrong("must be a network such as 10.0.0.0/8");
      }
      entry.network = *network;
      policy.entries_.push_back(entry);
      continue;
    }
    absl::string_view host = rest;
    absl::string_view port;
    if (absl::ConsumePrefix(&host, "[")) {
      const size_t close = host.find(']');
      if (close == absl::string_view::npos) return wrong("misses ']'");
      port = host.substr(close + 1);
      host = host.substr(0, close);
      if (!port.empty() && !absl::ConsumePrefix(&port, ":")) return wrong("has text behind ']'");
    } else if (std::count(host.begin(), host.end(), ':') == 1) {
      const size_t colon = host.find(':');
      port = host.substr(colon + 1);
      host = host.substr(0, colon);
      if (port.empty()) return wrong("has no valid port");
    }
    uint32_t number = 0;
    if (!port.empty() && (!absl::SimpleAtoi(port, &number) || number == 0 || number > 65535)) {
      return wrong("has no valid port");
    }
    entry.port = static_cast<uint16_t>(number);
    if (const absl::StatusOr<IpAddress> address = IpAddress::Parse(host); address.ok()) {
      entry.network = *address;
      entry.prefix_bits = address->v6() ? 128 : 32;
      entry.single = true;
    } else {
      entry.name = absl::AsciiStrToLower(host);
      if (entry.name.empty() ||
          entry.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") !=
              std::string::npos) {
        return wrong("must be an address, a network or a host name, with an optional port");
      }
    }
    policy.entries_.push_back(std::move(entry));
  }
  return policy;
}

AddressPolicy AddressPolicy::AllowAll() {
  AddressPolicy policy;
  policy.allow_all_ = true;
  return policy;
}

absl::Status AddressPolicy::Check(absl::string_view host, const IpAddress& address,
                                  uint16_t port) const {
  if (allow_all_ || address.IsPublic()) return absl::OkStatus();
  const IpAddress inner = address.Embedded();
  for (const Entry& entry : entries_) {
    if (entry.port != 0 && entry.port != port) continue;
    if (inner.IsMetadata() && !entry.single) continue;
    if (!entry.name.empty()) {
      if (absl::AsciiStrToLower(host) == entry.name) return absl::OkStatus();
      continue;
    }
    if (address.InPrefix(entry.network, entry.prefix_bits) ||
        inner.InPrefix(entry.network, entry.prefix_bits)) {
      return absl::OkStatus();
    }
  }
  const std::string shown = address.ToString();
  return absl::PermissionDeniedError(
      absl::StrCat("connection to ", host, " refused: its address ", shown,
                   inner.IsMetadata() ? " is a cloud's metadata service" : " is not public",
                   "; if it is meant, allow ", address.v6() ? absl::StrCat("[", shown, "]") : shown,
                   ":", port, " in the sidecar's network.allow"));
}

}  // namespace purser::http
