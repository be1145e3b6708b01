// Non-blocking TCP whose every wait ends by a deadline or a stop token. Used by the client and the
// server of this folder only.
#ifndef PURSER_HTTP_SOCKET_H_
#define PURSER_HTTP_SOCKET_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/address.h"

namespace purser::http {

// The end of one exchange: whichever comes first. Real time, for real sockets. Not thread-safe; the
// stop may come from any thread and wakes the wait through an eventfd (a flag alone would be seen
// only after the wait).
class Deadline {
 public:
  Deadline(absl::Duration timeout, std::stop_token stop);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Waits until `fd` is ready for `events` (POLLIN, POLLOUT): CANCELLED, DEADLINE_EXCEEDED or OK.
  absl::Status Wait(int fd, short events) const;
  // Ends this deadline earlier or later from now on.
  void Reset(absl::Duration timeout);
  absl::Status Check() const;
  absl::Duration Remaining() const;

 private:
  struct Waker {
    int fd;
    void operator()() const;
  };
  std::chrono::steady_clock::time_point end_;
  std::stop_token stop_;
  int wake_fd_ = -1;
  std::optional<std::stop_callback<Waker>> callback_;
};

// A stream of bytes with waits bounded by a Deadline. One thread at a time.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At least one byte, or 0 at the end of the stream.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t size, const Deadline& deadline) = 0;
  // All of it. `*started` becomes true once the first byte may have left.
  virtual absl::Status Write(absl::string_view bytes, const Deadline& deadline, bool* started) = 0;
  // False when the peer closed or sent something unasked for: not fit for another request.
  virtual bool IdleAndOpen() = 0;
};

class TcpStream final : public ByteStream {
 public:
  explicit TcpStream(int fd) : fd_(fd) {}
  ~TcpStream() override;
  static absl::StatusOr<std::unique_ptr<TcpStream>> Connect(const IpAddress& address, uint16_t port,
                                                            const Deadline& deadline);

  absl::StatusOr<size_t> Read(char* buffer, size_t size, const Deadline& deadline) override;
  absl::Status Write(absl::string_view bytes, const Deadline& deadline, bool* started) override;
  bool IdleAndOpen() override;
  // Ends both directions; safe while another thread waits on the stream.
  void Shutdown();
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// Listens on an address; port 0 takes a free one.
class TcpListener {
 public:
  static absl::StatusOr<std::unique_ptr<TcpListener>> Listen(const IpAddress& address,
                                                             uint16_t port);
  ~TcpListener();
  uint16_t port() const { return port_; }
  // The next connection; CANCELLED on stop.
  absl::StatusOr<std::unique_ptr<TcpStream>> Accept(const Deadline& deadline);

 private:
  TcpListener(int fd, uint16_t port) : fd_(fd), port_(port) {}
  const int fd_;
  const uint16_t port_;
};

}  // namespace purser::http

#endif  // PURSER_HTTP_SOCKET_H_
