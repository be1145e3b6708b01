// For tests that start other people's servers, which cannot tell on which port they listen.
#ifndef PURSER_BASE_TESTING_FREE_PORTS_H_
#define PURSER_BASE_TESTING_FREE_PORTS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"

namespace purser::base {

// Ports of loopback that were free just now, all of them at the same time. One may be taken until
// it is used: who starts a server on it must be ready to begin anew.
inline absl::StatusOr<std::vector<uint16_t>> FreePorts(size_t count) {
  std::vector<int> sockets;
  std::vector<uint16_t> ports;
  for (size_t i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) sockets.push_back(fd);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      break;
    }
    ports.push_back(ntohs(address.sin_port));
  }
  const int error = errno;
  for (const int fd : sockets) close(fd);
  if (ports.size() < count) return ErrnoStatus(error, "a free port");
  return ports;
}

}  // namespace purser::base

#endif  // PURSER_BASE_TESTING_FREE_PORTS_H_
