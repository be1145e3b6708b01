#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::store {
namespace {

// The process id in a lock file, or "unknown" while its owner is writing it.
std::string Owner(int fd) {
  char buffer[32];
  const ssize_t size = pread(fd, buffer, sizeof buffer, 0);
  const std::string text(
      absl::StripAsciiWhitespace({buffer, static_cast<size_t>(size < 0 ? 0 : size)}));
  return text.empty() ? "unknown" : base::EscapeForDisplay(text);
}

}  // namespace

absl::StatusOr<FileLock> FileLock::Take(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, absl::StrCat("open lock file ", path));
  FileLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::ErrnoStatus(errno, absl::StrCat("lock ", path));
    return absl::FailedPreconditionError(absl::StrCat("the database is in use by process ",
                                                      Owner(fd), " (lock file ", path,
                                                      "): stop it first, or use another folder"));
  }
  const std::string text = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text.data(), text.size(), 0) < 0) {
    return base::ErrnoStatus(errno, absl::StrCat("write lock file ", path));
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace purser::store
