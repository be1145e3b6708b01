// Files below a folder, safely: no path, symlink or race leads outside it.
//
// Every access is relative to an open folder and resolved by openat2(RESOLVE_BENEATH |
// RESOLVE_NO_MAGICLINKS), so that a symlink planted between check and use is refused by the kernel;
// where the kernel has no openat2, a component-wise O_NOFOLLOW walk does the same.
#ifndef PURSER_BASE_FILE_H_
#define PURSER_BASE_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::base {

inline constexpr size_t kMaxPathBytes = 4096;

enum class FileKind { kFile, kDirectory, kSymlink, kOther };

struct DirectoryEntry {
  std::string path;  // relative to the folder, '/' between components, no leading "./"
  FileKind kind;
  mode_t mode;    // permission bits
  int64_t bytes;  // size of a file, 0 otherwise
  // Time of the last change of content in nanoseconds since 1970, and the file's number in its file
  // system: with the size, what tells a changed file from one that was read before.
  int64_t modified_nanos = 0;
  uint64_t inode = 0;
};

struct ListLimits {
  int64_t max_entries = 1'000'000;
  int max_depth = 256;
  std::stop_token stop = {};  // requested: CANCELLED
};

// A folder held open. Methods are const and may be called from several threads. Paths are relative,
// UTF-8 or not, without "", ".", ".." components or NUL; others are INVALID_ARGUMENT. A path that
// would leave the folder (through a symlink) is PERMISSION_DENIED.
class Directory {
 public:
  static absl::StatusOr<Directory> Open(absl::string_view path);
  // Creates the folder and its parents first (mode 0777 less the umask, or `mode`).
  static absl::StatusOr<Directory> Create(absl::string_view path, mode_t mode = 0777);
  ~Directory();
  Directory(Directory&&) noexcept;
  Directory& operator=(Directory&&) noexcept;

  const std::string& path() const { return path_; }

  // Permission bits of the folder itself.
  absl::StatusOr<mode_t> Mode() const;

  // A folder below. OpenAt fails with NOT_FOUND; MakeAt creates the missing ones.
  absl::StatusOr<Directory> OpenAt(absl::string_view relative) const;
  absl::StatusOr<Directory> MakeAt(absl::string_view relative, mode_t mode = 0777) const;

  // At most `max_bytes`; a larger file is RESOURCE_EXHAUSTED. Only regular files.
  absl::StatusOr<std::string> ReadFile(absl::string_view relative, int64_t max_bytes) const;
  absl::StatusOr<std::string> ReadSymlink(absl::string_view relative) const;
  absl::StatusOr<DirectoryEntry> Stat(absl::string_view relative) const;  // does not follow

  // Writes through a temporary name and renames: readers see the old or the new file, whole.
  // Missing parents are created. `durable` also syncs file and folder before it returns.
  absl::Status WriteFile(absl::string_view relative, absl::string_view bytes, mode_t mode = 0666,
                         bool durable = false) const;
  // The same, but the file gets exactly the permission bits `mode`, whatever the umask.
  absl::Status WriteFileExactly(absl::string_view relative, absl::string_view bytes,
                                mode_t mode) const;
  // Of a file or folder; a symlink is FAILED_PRECONDITION.
  absl::Status SetMode(absl::string_view relative, mode_t mode) const;
  absl::Status WriteSymlink(absl::string_view relative, absl::string_view target) const;
  // A missing file is OK. Directories are removed with all below them.
  absl::Status Remove(absl::string_view relative) const;
  absl::Status Rename(absl::string_view from, absl::string_view to) const;

  // All entries below, sorted by path bytes, parents before children; symlinks are not followed.
  absl::StatusOr<std::vector<DirectoryEntry>> List(const ListLimits& limits = {}) const;

 private:
  enum class Permissions { kLessUmask, kExact };
  friend class FileReader;
  friend class FileWriter;
  Directory(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  absl::Status Write(absl::string_view relative, absl::string_view bytes, mode_t mode,
                     Permissions how, bool durable) const;
  int fd_;
  std::string path_;
};

// Reads a file named by an operator (config, command line), not by a user's input; follows
// symlinks.
absl::StatusOr<std::string> ReadFile(absl::string_view path, int64_t max_bytes);

}  // namespace purser::base

#endif  // PURSER_BASE_FILE_H_
