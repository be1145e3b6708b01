#include "rpc/server.h"

#include <fcntl.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/status.h"

namespace purser::rpc {
namespace {

constexpr int kMaxServerThreads = 256;
constexpr int kListenBacklog = 64;
constexpr int kKeepaliveMillis = 30'000;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The folder keeps others out even on systems that ignore a socket's own mode.
absl::Status CheckFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::ErrnoStatus(errno, absl::StrCat("listen.unix.path: create folder ", folder));
  }
  struct stat info{};
  if (lstat(folder.c_str(), &info) != 0) {
    return base::ErrnoStatus(errno, absl::StrCat("listen.unix.path: folder ", folder));
  }
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(absl::StrCat("listen.unix.path: ", folder,
                                                      " must be a folder owned by uid ", geteuid(),
                                                      ", not a link"));
  }
  if ((info.st_mode & 0077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrFormat("listen.unix.path: folder %s has mode %04o; it must be closed to others: "
                        "chmod 700 %s",
                        folder, info.st_mode & 07777, folder));
  }
  return absl::OkStatus();
}

// A socket left by a process that was killed is removed; anything else stays untouched.
absl::Status RemoveDeadSocket(const std::string& path, const sockaddr_un& address) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : base::ErrnoStatus(errno, absl::StrCat("listen.unix.path: ", path));
  }
  if (!S_ISSOCK(info.st_mode) || info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen.unix.path: ", path,
                     " exists and is not a socket of ours; remove it or choose "
                     "another path"));
  }
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool alive =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(probe);
  if (alive) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen.unix.path: another purserd answers on ", path));
  }
  if (unlink(path.c_str()) != 0) {
    return base::ErrnoStatus(errno, absl::StrCat("listen.unix.path: remove ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services,
                                                      base::Metrics& metrics) {
  std::unique_ptr<Server> server(new Server);
  server->metrics_ = &metrics;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota("purserd");
  quota.SetMaxThreads(kMaxServerThreads);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 << 10);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // One poller is enough for tens of calls a second and keeps the idle process small.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 4);
  if (options.tcp.has_value()) {
    grpc::SslServerCredentialsOptions tls(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = options.tcp->client_ca_pem;
    tls.pem_key_cert_pairs.push_back({options.tcp->key_pem, options.tcp->certificate_pem});
    builder.AddListeningPort(options.tcp->address, grpc::SslServerCredentials(tls),
                             &server->tcp_port_);
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || (options.tcp.has_value() && server->tcp_port_ == 0)) {
    return absl::FailedPreconditionError(
        options.tcp.has_value()
            ? absl::StrCat("listen.tcp: cannot listen on ", options.tcp->address,
                           "; is the address free, and are certificate and key a pair?")
            : "the gRPC server did not start");
  }
  if (options.unix_socket.has_value()) {
    PURSER_RETURN_IF_ERROR(server->OpenUnixSocket(*options.unix_socket));
  }
  return server;
}

absl::Status Server::OpenUnixSocket(const UnixListener& listener) {
  unix_ = listener;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (listener.path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("listen.unix.path: ", listener.path, " has ",
                                                   listener.path.size(), " bytes; the limit is ",
                                                   sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, listener.path.data(), listener.path.size());
  PURSER_RETURN_IF_ERROR(CheckFolder(FolderOf(listener.path)));
  PURSER_RETURN_IF_ERROR(RemoveDeadSocket(listener.path, address));
  listen_fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // fchmod before bind sets the mode the socket file is born with, so there is no open moment.
  if (listen_fd_ < 0 || fchmod(listen_fd_, 0600) != 0 ||
      bind(listen_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      chmod(listener.path.c_str(), 0600) != 0 || listen(listen_fd_, kListenBacklog) != 0) {
    return base::ErrnoStatus(errno, absl::StrCat("listen.unix.path: listen on ", listener.path));
  }
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
  if (wake_fd_ < 0) return base::ErrnoStatus(errno, "eventfd");
  acceptor_ = std::jthread([this](std::stop_token stop) { AcceptLoop(std::move(stop)); });
  return absl::OkStatus();
}

void Server::AcceptLoop(std::stop_token stop) {
  base::Counter& rejected = metrics_->Counter("purser_rpc_peers_rejected_total",
                                              "Connections closed because of the peer's uid.", {});
  while (!stop.stop_requested()) {
    pollfd fds[] = {{listen_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      // Out of file descriptors: accepting again at once would spin.
      if (errno == EMFILE || errno == ENFILE) absl::SleepFor(absl::Milliseconds(100));
      continue;
    }
    ucred peer{};
    socklen_t length = sizeof(peer);
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    const bool admitted = known && (peer.uid == geteuid() ||
                                    std::find(unix_.allowed_uids.begin(), unix_.allowed_uids.end(),
                                              peer.uid) != unix_.allowed_uids.end());
    if (!admitted) {
      rejected.Increment();
      spdlog::warn("peer_rejected: uid {} pid {} may not use {}", peer.uid, peer.pid, unix_.path);
      close(fd);
      continue;
    }
    grpc::AddInsecureChannelFromFd(server_.get(), fd);
  }
}

void Server::SetServing(bool serving) {
  if (auto* health = server_->GetHealthCheckService()) health->SetServingStatus(serving);
}

void Server::Shutdown(absl::Duration grace) {
  if (acceptor_.joinable()) {
    acceptor_.request_stop();
    const uint64_t one = 1;
    if (write(wake_fd_, &one, sizeof(one)) != sizeof(one))
      spdlog::error("cannot wake the acceptor");
    acceptor_.join();
    close(listen_fd_);
    close(wake_fd_);
    unlink(unix_.path.c_str());
  }
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  server_->Wait();
}

Server::~Server() {
  if (server_ != nullptr) Shutdown(absl::ZeroDuration());
}

}  // namespace purser::rpc
