// The sidecar's HTTP client: HTTP/1.1 over TCP or TLS, messages parsed by Boost.Beast.
//
// Calls block the caller's thread and end at their deadline or stop, whatever the network does.
// Idle connections are kept per origin; only methods that may be repeated use a kept one, since the
// peer may close it in the very moment we send.
#ifndef PURSER_HTTP_BEAST_TRANSPORT_H_
#define PURSER_HTTP_BEAST_TRANSPORT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "http/address.h"
#include "http/resolver.h"
#include "http/transport.h"

namespace purser::http {

inline constexpr size_t kMaxResponseHeaderBytes = 64 << 10;
inline constexpr size_t kMaxIdlePerOrigin = 8;
inline constexpr size_t kMaxIdleConnections = 64;
inline constexpr size_t kMaxTlsIdentities = 64;  // distinct CallOptions::tls kept ready

struct BeastTransportOptions {
  AddressPolicy policy = {};                // the SSRF guard
  std::shared_ptr<Resolver> resolver = {};  // null: the system's
  TlsOptions tls = {};                      // for calls without their own
  std::string user_agent = "purser";
  absl::Duration connect_timeout = absl::Seconds(10);  // per address
  absl::Duration idle_timeout = absl::Seconds(30);
};

// INVALID_ARGUMENT when the TLS texts cannot be used. Needs no proxy settings: purserd connects
// directly.
absl::StatusOr<std::unique_ptr<Transport>> NewBeastTransport(BeastTransportOptions options);

}  // namespace purser::http

#endif  // PURSER_HTTP_BEAST_TRANSPORT_H_
