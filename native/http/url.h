// Absolute http and https URLs, read strictly: what two readers could understand differently is
// refused, since the SSRF guard and the connection must mean the same host.
#ifndef PURSER_HTTP_URL_H_
#define PURSER_HTTP_URL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::http {

inline constexpr size_t kMaxUrlBytes = 8192;

struct Url {
  bool tls = false;
  std::string host;    // lower case; an IPv6 address without brackets
  uint16_t port = 0;   // 80 or 443 when the text had none
  std::string target;  // path and query, at least "/"

  bool ipv6() const { return host.find(':') != std::string::npos; }
  // As the Host header says it: brackets around IPv6, the port only when it is not the default.
  std::string Authority() const;
  // Scheme and authority, e.g. "https://example.org:8443".
  std::string Origin() const;
};

// INVALID_ARGUMENT for anything but http(s)://host[:port][/path][?query]: userinfo, fragment,
// spaces, backslashes, bytes beyond ASCII, broken percent escapes, IPv4 in other than dotted
// decimal.
absl::StatusOr<Url> ParseUrl(absl::string_view text);

// Percent-encodes everything but A-Z a-z 0-9 - . _ ~: for one path segment or query value.
std::string EncodeComponent(absl::string_view text);

}  // namespace purser::http

#endif  // PURSER_HTTP_URL_H_
