// A folder or a file of its own among the system's temporary files: below what TMPDIR names, or
// where the system has such things (std::tmpfile does not look at TMPDIR).
#ifndef PURSER_BASE_TEMPORARY_FOLDER_H_
#define PURSER_BASE_TEMPORARY_FOLDER_H_

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::base {

// Readable by its owner only; removed with all in it when destroyed. What cannot be removed stays,
// silently.
class TemporaryFolder {
 public:
  // `purpose` is named in the error, e.g. "a database".
  static absl::StatusOr<std::unique_ptr<TemporaryFolder>> Create(absl::string_view purpose);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  // No slash at its end.
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using TemporaryFile = std::unique_ptr<std::FILE, CloseFile>;

// To write and read again, without a name; gone when it is closed. `purpose` is named in the error.
absl::StatusOr<TemporaryFile> OpenTemporaryFile(absl::string_view purpose);

}  // namespace purser::base

#endif  // PURSER_BASE_TEMPORARY_FOLDER_H_
