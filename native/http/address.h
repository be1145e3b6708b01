// IP addresses, and which of them a request may reach.
//
// URLs come from templates and blueprints; without a guard they could name the cloud's metadata
// service or a database beside us. The guard judges the address that is connected to, not the name:
// a name may mean another address by the time of the connection.
#ifndef PURSER_HTTP_ADDRESS_H_
#define PURSER_HTTP_ADDRESS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::http {

class IpAddress {
 public:
  // Dotted decimal without leading zeros, or IPv6 as RFC 4291 writes it, without zone.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text);
  static IpAddress V4(const std::array<uint8_t, 4>& bytes);
  static IpAddress V6(const std::array<uint8_t, 16>& bytes);

  bool v6() const { return v6_; }
  // 4 or 16 bytes in network order.
  absl::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), v6_ ? 16u : 4u};
  }
  std::string ToString() const;
  // The IPv4 address inside a mapped, NAT64 or 6to4 address; itself otherwise.
  IpAddress Embedded() const;
  bool InPrefix(const IpAddress& network, int prefix_bits) const;
  // Reachable from anywhere: not loopback, link-local, private, shared (CGNAT), unique-local,
  // multicast, documentation or reserved; embedded IPv4 addresses are judged as such.
  bool IsPublic() const;
  // A cloud's metadata service.
  bool IsMetadata() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  bool v6_ = false;
  std::array<uint8_t, 16> bytes_ = {};
};

// What the SSRF guard lets pass: every public address, and what the operator listed. Immutable,
// thread-safe.
class AddressPolicy {
 public:
  // Only public addresses.
  AddressPolicy() = default;
  // Entries: "10.0.0.0/8", "fd00::/8", "10.1.2.3", "10.1.2.3:8080", "[::1]:8080", "host",
  // "host:8080"; a name stands for whatever address it has. INVALID_ARGUMENT names a wrong entry.
  static absl::StatusOr<AddressPolicy> Create(const std::vector<std::string>& allowed);
  // Everything passes: for transports that only an operator's own configuration feeds, and tests.
  static AddressPolicy AllowAll();

  // OK, or PERMISSION_DENIED saying what to allow. A metadata service passes only by an entry that
  // is this very address, not by a network or a name around it.
  absl::Status Check(absl::string_view host, const IpAddress& address, uint16_t port) const;

 private:
  struct Entry {
    std::string name;  // "" for addresses
    IpAddress network;
    int prefix_bits = 0;
    bool single = false;  // one address, written without "/"
    uint16_t port = 0;    // 0 = any
  };
  std::vector<Entry> entries_;
  bool allow_all_ = false;
};

}  // namespace purser::http

#endif  // PURSER_HTTP_ADDRESS_H_
