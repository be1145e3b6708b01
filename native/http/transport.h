// The network as a dependency: one request, one answer.
//
// Sidecar code gets an HttpTransport (Boost.Beast) wrapped by decorators (SSRF guard, retry, auth,
// log); in the portal the addon gives a transport that goes through the portal's own fetch, so that
// proxy and certificate settings hold; tests give a fake. Callers never know which.
#ifndef PURSER_HTTP_TRANSPORT_H_
#define PURSER_HTTP_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace purser::http {

// In the order sent; names compare without case.
using Headers = std::vector<std::pair<std::string, std::string>>;

// The first value of `name`, or "" when there is none.
absl::string_view FindHeader(const Headers& headers, absl::string_view name);

struct Request {
  std::string method = "GET";
  std::string url;       // absolute, http or https, no userinfo, no fragment
  Headers headers = {};  // Host, Content-Length and Connection are set by the transport
  std::string body = {};
};

// A body that is made while it is sent, so that it never stands in memory as a whole.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // The next bytes, "" at the end. May block; called by one thread at a time, and not again after
  // the end or an error.
  virtual absl::StatusOr<std::string> Next() = 0;
  // All of its bytes, when they are known before; stores that take no chunked body want them. A
  // body that then gives more or fewer is INTERNAL, and the request is broken off.
  virtual std::optional<int64_t> size() const { return std::nullopt; }
};

// What a transport that cannot send while it reads gathers of a BodySource at most.
inline constexpr int64_t kMaxGatheredBody = int64_t{1} << 30;

struct Response {
  int status = 0;
  Headers headers = {};
  std::string body = {};
};

// Whom to trust and who we are, where the process's defaults do not do (a cluster with its own
// authority). Texts in PEM.
struct TlsOptions {
  std::string ca_pem;           // trusted authorities; "" = the system's
  std::string certificate_pem;  // our own, with its chain; "" = none
  std::string key_pem;
  std::string server_name;  // name the certificate must have; "" = the URL's host
};

struct CallOptions {
  absl::Duration timeout = absl::Seconds(30);  // for the whole exchange
  int64_t max_response_bytes = 16 << 20;       // a larger body is RESOURCE_EXHAUSTED
  std::stop_token stop;                        // requested: the call ends with CANCELLED
  // The peer recognises a repeat (an idempotency key), or a repeat does no harm: a retrying
  // transport may then send a POST or PATCH again.
  bool repeatable = false;
  // Share one object between calls: connections are reused by its identity. A transport that cannot
  // (the portal's fetch) answers UNIMPLEMENTED.
  std::shared_ptr<const TlsOptions> tls;
};

// Thread-safe. An HTTP status of any class is an answer, not an error. Errors: UNAVAILABLE (no
// connection, nothing was sent), UNAVAILABLE with outcome unknown (broken after sending),
// DEADLINE_EXCEEDED (with outcome unknown when something was sent), CANCELLED (likewise),
// INVALID_ARGUMENT (bad URL or header), PERMISSION_DENIED (refused by the SSRF guard),
// FAILED_PRECONDITION (the peer's certificate is not trusted), RESOURCE_EXHAUSTED (answer too
// large). Redirects are answers; nobody follows them blindly.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual absl::StatusOr<Response> Send(const Request& request, const CallOptions& options) = 0;

  // As Send, but hands the body over in pieces as they arrive (watches, large downloads);
  // `max_response_bytes` does not apply. A status other than OK from `on_data` ends the call with
  // it. The returned response has an empty body. The default reads it whole through Send.
  virtual absl::StatusOr<Response> Stream(
      const Request& request, const CallOptions& options,
      const std::function<absl::Status(const Response& head, absl::string_view piece)>& on_data);

  // As Send, but the body comes from `body` (request.body is not looked at) and is read once: what
  // was begun is never sent again. An error of the body breaks the request off, so that the peer
  // does not take it for whole, and is returned. `body` is read by the calling thread only, and no
  // further once the peer has answered (a refusal may come before the end). The default gathers the
  // body (kMaxGatheredBody) and calls Send.
  virtual absl::StatusOr<Response> Upload(const Request& request, BodySource& body,
                                          const CallOptions& options);
};

}  // namespace purser::http

#endif  // PURSER_HTTP_TRANSPORT_H_
