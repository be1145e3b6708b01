// A small HTTP/1.1 server: metrics and health on loopback, and the peer of many tests. One thread
// per connection, few connections, everything limited.
#ifndef PURSER_HTTP_SERVER_H_
#define PURSER_HTTP_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/transport.h"

namespace purser::http {

struct ServerRequest {
  std::string method;
  std::string path;   // up to '?', still percent-encoded
  std::string query;  // behind '?', "" when there is none
  Headers headers;
  std::string body;
  std::stop_token stop;  // the server is closing
};

struct ServerResponse {
  int status = 200;
  Headers headers = {};  // Content-Length, Transfer-Encoding and Connection are set by the server
  std::string body = {};
  // When set, sent chunked instead of `body`: `write` returns false once the peer is gone or the
  // server closes.
  std::function<void(const std::function<bool(absl::string_view piece)>& write)> stream = {};
};

// Called from several threads at once. An exception becomes status 500.
using ServerHandler = std::function<ServerResponse(const ServerRequest&)>;

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;                                   // 0 takes a free one
  size_t max_header_bytes = 16 << 10;                  // more is answered with 431
  size_t max_body_bytes = 1 << 20;                     // more is answered with 413
  size_t max_connections = 64;                         // more are closed at once
  absl::Duration request_timeout = absl::Seconds(30);  // to send a whole request
  absl::Duration idle_timeout = absl::Seconds(60);     // between two requests
  absl::Duration write_timeout = absl::Seconds(30);    // to take an answer (or a piece of a stream)
  std::optional<TlsOptions> tls = {};  // certificate and key; with ca_pem, clients must show one
};

// The handler for the request's path; a pattern that ends in "/*" takes all paths below. 404 else.
ServerHandler Route(std::map<std::string, ServerHandler> handlers);

class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       ServerHandler handler);
  // Stop, then join.
  ~Server();
  uint16_t port() const;
  // Accepts no more; answers under way get two seconds. Blocks until all threads ended.
  void Stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace purser::http

#endif  // PURSER_HTTP_SERVER_H_
