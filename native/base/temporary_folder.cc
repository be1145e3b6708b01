#include "base/temporary_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::base {

absl::StatusOr<std::unique_ptr<TemporaryFolder>> TemporaryFolder::Create(
    absl::string_view purpose) {
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / "purser-XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr) {
    return ErrnoStatus(error ? error.value() : errno,
                       absl::StrCat("make a temporary folder for ", purpose));
  }
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(std::move(name)));
}

absl::StatusOr<TemporaryFile> OpenTemporaryFile(absl::string_view purpose) {
  const auto failed = [&](int error) {
    return ErrnoStatus(error, absl::StrCat("make a temporary file for ", purpose));
  };
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / "purser-XXXXXX").string();
  if (error) return failed(error.value());
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return failed(errno);
  unlink(name.c_str());
  TemporaryFile file(fdopen(fd, "w+b"));
  if (file == nullptr) {
    const int cause = errno;
    close(fd);
    return failed(cause);
  }
  return file;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace purser::base
