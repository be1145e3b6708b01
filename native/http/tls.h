// TLS on a byte stream (OpenSSL, memory buffers in between, so that no write can raise SIGPIPE).
#ifndef PURSER_HTTP_TLS_H_
#define PURSER_HTTP_TLS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "http/socket.h"
#include "http/transport.h"

namespace purser::http {

// Keys, certificates and trust: made once, used by many connections. Immutable, thread-safe.
class TlsContext {
 public:
  // TLS 1.2 or newer; the peer's certificate and name are always checked. INVALID_ARGUMENT when a
  // PEM text cannot be read or key and certificate differ.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Client(const TlsOptions& options);
  // With a CA, clients must show a certificate of it.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Server(const TlsOptions& options);
  ~TlsContext();

  // `host` is the name (or address) the certificate must have. FAILED_PRECONDITION when the
  // certificate is not trusted, UNAVAILABLE when the handshake breaks otherwise.
  absl::StatusOr<std::unique_ptr<ByteStream>> Connect(std::unique_ptr<TcpStream> tcp,
                                                      absl::string_view host,
                                                      const Deadline& deadline) const;
  absl::StatusOr<std::unique_ptr<ByteStream>> Accept(TcpStream* tcp,
                                                     const Deadline& deadline) const;

 private:
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace purser::http

#endif  // PURSER_HTTP_TLS_H_
