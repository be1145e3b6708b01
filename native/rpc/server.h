// The gRPC server: a unix socket with a check of the peer's uid before HTTP/2, or TCP with mutual
// TLS.
//
// gRPC's own unix listener does not look at who connects, and a folder's mode can be wrong; so we
// accept ourselves, ask the kernel for the peer's uid (SO_PEERCRED), and hand only admitted
// connections to gRPC.
#ifndef PURSER_RPC_SERVER_H_
#define PURSER_RPC_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/metrics.h"

namespace purser::rpc {

inline constexpr int kMaxMessageBytes = 4 << 20;
inline constexpr int kMaxConcurrentStreamsPerConnection = 256;

struct UnixListener {
  std::string path;                    // at most 107 bytes (sockaddr_un)
  std::vector<uint32_t> allowed_uids;  // besides our own
};

struct TcpListener {
  std::string address;  // host:port
  std::string certificate_pem;
  std::string key_pem;
  std::string client_ca_pem;  // clients must show a certificate signed by it
};

struct ServerOptions {
  std::optional<UnixListener> unix_socket;
  std::optional<TcpListener> tcp;
};

// Start once; Shutdown waits for calls up to its grace, then ends them.
class Server {
 public:
  // Takes the services to serve; they must outlive the server. The socket's folder is made with
  // mode 0700 when absent; FAILED_PRECONDITION when it is open to others, belongs to somebody else,
  // or when something that is not our own dead socket is in the way.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services,
                                                       base::Metrics& metrics);
  ~Server();

  // What the health service says for "" and for each service name.
  void SetServing(bool serving);
  void Shutdown(absl::Duration grace);
  int tcp_port() const { return tcp_port_; }  // the one bound; 0 without TCP

 private:
  Server() = default;
  absl::Status OpenUnixSocket(const UnixListener& listener);
  void AcceptLoop(std::stop_token stop);

  base::Metrics* metrics_ = nullptr;
  std::unique_ptr<grpc::Server> server_;
  int tcp_port_ = 0;
  int listen_fd_ = -1;
  int wake_fd_ = -1;  // an eventfd that ends the accept loop
  UnixListener unix_;
  std::jthread acceptor_;
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_SERVER_H_
