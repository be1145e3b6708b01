// A lock file that says which process uses a database.
#ifndef PURSER_STORE_FILE_LOCK_H_
#define PURSER_STORE_FILE_LOCK_H_

#include <string>

#include "absl/status/statusor.h"

namespace purser::store {

// Holds an exclusive flock until destroyed; the kernel frees it when the process dies, however that
// happens. The file itself stays: removing it would let two processes lock two files of one name.
class FileLock {
 public:
  // Creates `path` (mode 0600) and writes the process id into it. FAILED_PRECONDITION names the
  // process that holds it.
  static absl::StatusOr<FileLock> Take(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace purser::store

#endif  // PURSER_STORE_FILE_LOCK_H_
