#include "store/sqlite_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

namespace purser::store {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;
// Of a disk with less room than this many times the log, none of it is taken in advance.
constexpr int64_t kRoomFactor = 8;

bool HasRoom(int fd, int64_t bytes) {
  struct statvfs disk{};
  if (fstatvfs(fd, &disk) != 0) return false;
  return static_cast<int64_t>(disk.f_bavail) >
         kRoomFactor * bytes / static_cast<int64_t>(disk.f_frsize);
}

bool Lengthen(int fd, int64_t from, int64_t to) {
  const std::string zeros(static_cast<size_t>(std::min(kChunkBytes, to - from)), '\0');
  while (from < to) {
    const int64_t size = std::min(static_cast<int64_t>(zeros.size()), to - from);
    const ssize_t written = pwrite(fd, zeros.data(), static_cast<size_t>(size), from);
    if (written <= 0) return false;
    from += written;
  }
  return fdatasync(fd) == 0;
}

}  // namespace

void LayOutLog(const std::string& path, int64_t bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  struct stat file{};
  if (fstat(fd, &file) == 0 && file.st_size < bytes && HasRoom(fd, bytes) &&
      !Lengthen(fd, file.st_size, bytes)) {
    // Half of it helps nobody, and the room may be wanted.
    if (ftruncate(fd, file.st_size) != 0) {
      // It stays longer than it need be.
    }
  }
  close(fd);
}

}  // namespace purser::store
