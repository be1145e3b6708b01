#include "base/temporary_folder.h"

#include <stdlib.h>

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

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace purser::base
