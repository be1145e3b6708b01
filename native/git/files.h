// Where the files of a commit come from.
#ifndef PURSER_GIT_FILES_H_
#define PURSER_GIT_FILES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "git/content.h"
#include "git/object.h"

namespace purser::git {

struct File {
  uint32_t mode = kModeFile;
  std::string content;  // of a symlink: its target
};

// All files of a tree. May be walked several times and must give the same each time.
class FileSource {
 public:
  using Visit =
      std::function<absl::Status(absl::string_view path, uint32_t mode, Content& content)>;
  virtual ~FileSource() = default;
  // A status other than OK from `visit` ends the walk with it.
  virtual absl::Status ForEach(const Visit& visit) const = 0;
  // The content of one of the files, as ForEach gave it. From any thread.
  virtual absl::StatusOr<Content> Open(absl::string_view path, uint32_t mode) const = 0;
};

// Files in memory, by path.
class MapSource final : public FileSource {
 public:
  explicit MapSource(std::map<std::string, File> files) : files_(std::move(files)) {}
  absl::Status ForEach(const Visit& visit) const override;
  absl::StatusOr<Content> Open(absl::string_view path, uint32_t mode) const override;

 private:
  std::map<std::string, File> files_;
};

struct DirectorySourceLimits {
  int64_t max_files = 1'000'000;
  int64_t max_file_bytes = 100 << 20;  // the largest file the big hosts take
};

// A folder, read one file at a time. Files are 644, or 755 where the owner may execute them;
// symlinks go in as symlinks; ".git" and all below it is left out at any level, and so is what a
// killed process left (base::IsLeftover); sockets and the like are INVALID_ARGUMENT. .gitignore is
// not applied: a template means the files it renders.
class DirectorySource final : public FileSource {
 public:
  // `directory` must outlive the source. A stop ends a walk with CANCELLED.
  DirectorySource(const base::Directory& directory, std::stop_token stop,
                  const DirectorySourceLimits& limits = {})
      : directory_(directory), stop_(std::move(stop)), limits_(limits) {}
  absl::Status ForEach(const Visit& visit) const override;
  absl::StatusOr<Content> Open(absl::string_view path, uint32_t mode) const override;

 private:
  const base::Directory& directory_;
  std::stop_token stop_;
  DirectorySourceLimits limits_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_FILES_H_
