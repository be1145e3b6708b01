// A folder of its own among the system's temporary files.
#ifndef PURSER_BASE_TEMPORARY_FOLDER_H_
#define PURSER_BASE_TEMPORARY_FOLDER_H_

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

  // Below what TMPDIR names, or the system's own folder for such things; no slash at its end.
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

}  // namespace purser::base

#endif  // PURSER_BASE_TEMPORARY_FOLDER_H_
