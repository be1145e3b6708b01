#include "http/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"

namespace purser::http {
namespace {

constexpr absl::Duration kForever = absl::Hours(24 * 365);
constexpr int kListenBacklog = 128;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t Fill(const IpAddress& address, uint16_t port, SocketAddress* out) {
  std::memset(out, 0, sizeof(*out));
  if (address.v6()) {
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    std::memcpy(&out->v6.sin6_addr, address.bytes().data(), 16);
    return sizeof(out->v6);
  }
  out->v4.sin_family = AF_INET;
  out->v4.sin_port = htons(port);
  std::memcpy(&out->v4.sin_addr, address.bytes().data(), 4);
  return sizeof(out->v4);
}

absl::Status Unavailable(int error_number, absl::string_view what) {
  return absl::UnavailableError(base::ErrnoStatus(error_number, what).message());
}

}  // namespace

Deadline::Deadline(absl::Duration timeout, std::stop_token stop) : stop_(std::move(stop)) {
  Reset(timeout);
  if (!stop_.stop_possible()) return;
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ >= 0) callback_.emplace(stop_, Waker{wake_fd_});
}

Deadline::~Deadline() {
  callback_.reset();  // waits for a callback that is running
  if (wake_fd_ >= 0) close(wake_fd_);
}

void Deadline::Waker::operator()() const {
  const uint64_t one = 1;
  // The only possible failure is a full counter, and then the reader is awake already.
  [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof(one));
}

void Deadline::Reset(absl::Duration timeout) {
  timeout = std::clamp(timeout, absl::ZeroDuration(), kForever);
  end_ = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
}

absl::Status Deadline::Check() const {
  if (stop_.stop_requested()) return absl::CancelledError("stopped");
  if (std::chrono::steady_clock::now() >= end_) {
    return absl::DeadlineExceededError("no answer in time");
  }
  return absl::OkStatus();
}

absl::Duration Deadline::Remaining() const {
  return std::max(absl::ZeroDuration(), absl::FromChrono(end_ - std::chrono::steady_clock::now()));
}

absl::Status Deadline::Wait(int fd, short events) const {
  for (;;) {
    PURSER_RETURN_IF_ERROR(Check());
    pollfd fds[] = {{fd, events, 0}, {wake_fd_, POLLIN, 0}};
    // Rounded up, or the last fraction of a millisecond would spin.
    const int64_t wait = std::min<int64_t>(absl::ToInt64Milliseconds(Remaining()) + 1, 60'000);
    const int ready = poll(fds, wake_fd_ >= 0 ? 2 : 1, static_cast<int>(wait));
    if (ready < 0 && errno != EINTR) return Unavailable(errno, "poll");
    if (ready > 0 && fds[0].revents != 0) return absl::OkStatus();
  }
}

TcpStream::~TcpStream() { close(fd_); }

absl::StatusOr<std::unique_ptr<TcpStream>> TcpStream::Connect(const IpAddress& address,
                                                              uint16_t port,
                                                              const Deadline& deadline) {
  const std::string what = absl::StrCat("connect to ", address.ToString(), " port ", port);
  SocketAddress target;
  const socklen_t length = Fill(address, port, &target);
  const int fd = socket(target.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Unavailable(errno, what);
  auto stream = std::make_unique<TcpStream>(fd);
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (connect(fd, &target.any, length) != 0) {
    if (errno != EINPROGRESS) return Unavailable(errno, what);
    PURSER_RETURN_IF_ERROR(base::Annotate(deadline.Wait(fd, POLLOUT), what));
    int error_number = 0;
    socklen_t size = sizeof(error_number);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size);
    if (error_number != 0) return Unavailable(error_number, what);
  }
  return stream;
}

absl::StatusOr<size_t> TcpStream::Read(char* buffer, size_t size, const Deadline& deadline) {
  for (;;) {
    const ssize_t got = recv(fd_, buffer, size, 0);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Unavailable(errno, "read");
    PURSER_RETURN_IF_ERROR(deadline.Wait(fd_, POLLIN));
  }
}

absl::Status TcpStream::Write(absl::string_view bytes, const Deadline& deadline, bool* started) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      *started = true;
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Unavailable(errno, "write");
    PURSER_RETURN_IF_ERROR(deadline.Wait(fd_, POLLOUT));
  }
  return absl::OkStatus();
}

bool TcpStream::IdleAndOpen() {
  char byte = 0;
  return recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

void TcpStream::Shutdown() { shutdown(fd_, SHUT_RDWR); }

absl::StatusOr<std::unique_ptr<TcpListener>> TcpListener::Listen(const IpAddress& address,
                                                                 uint16_t port) {
  const std::string what = absl::StrCat("listen on ", address.ToString(), " port ", port);
  SocketAddress local;
  socklen_t length = Fill(address, port, &local);
  const int fd = socket(local.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return base::ErrnoStatus(errno, what);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd, &local.any, length) != 0 || listen(fd, kListenBacklog) != 0 ||
      getsockname(fd, &local.any, &length) != 0) {
    const absl::Status status = base::ErrnoStatus(errno, what);
    close(fd);
    return status;
  }
  return std::unique_ptr<TcpListener>(
      new TcpListener(fd, ntohs(address.v6() ? local.v6.sin6_port : local.v4.sin_port)));
}

TcpListener::~TcpListener() { close(fd_); }

absl::StatusOr<std::unique_ptr<TcpStream>> TcpListener::Accept(const Deadline& deadline) {
  for (;;) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      const int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      return std::make_unique<TcpStream>(fd);
    }
    // Out of descriptors: the connection waits in the queue; accepting again at once would spin.
    if (errno == EMFILE || errno == ENFILE) absl::SleepFor(absl::Milliseconds(50));
    PURSER_RETURN_IF_ERROR(deadline.Wait(fd_, POLLIN));
  }
}

}  // namespace purser::http
