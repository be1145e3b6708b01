// Which URLs the http connector may call, and with which of the operator's headers.
#ifndef PURSER_CONNECTORS_HTTP_ENDPOINTS_H_
#define PURSER_CONNECTORS_HTTP_ENDPOINTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "http/transport.h"
#include "http/url.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

struct SecretHeader {
  std::string reference;
  std::string prefix;  // in front of the value, e.g. "Bearer "
};

struct Endpoint {
  std::string url;  // as configured
  http::Url parsed;
  std::string path;  // without query; ends in '/'
  http::Headers headers;
  std::map<std::string, SecretHeader> secret_headers;
};

// Immutable, thread-safe.
class Endpoints {
 public:
  // From the config's "endpoints", which passed its schema. INVALID_ARGUMENT names the entry.
  static absl::StatusOr<Endpoints> FromConfig(const nlohmann::json& endpoints);

  // The endpoint with the longest URL that `url` lies below; PERMISSION_DENIED naming the
  // configured ones otherwise. A path that climbs ("..", plain or percent-encoded) is
  // INVALID_ARGUMENT: the peer might resolve it to somewhere else.
  absl::StatusOr<const Endpoint*> Match(absl::string_view url) const;

 private:
  std::vector<Endpoint> endpoints_;
};

// `reference` against the URL it came from: absolute URLs stay, "/path" is put behind the origin.
absl::StatusOr<std::string> ResolveReference(absl::string_view base, absl::string_view reference);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_HTTP_ENDPOINTS_H_
