#include "provisioning/yaml_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace purser::provisioning {
namespace {

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& folder,
                                                 absl::string_view what) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::string extension = at->path().extension().string();
    if (extension == ".yaml" || extension == ".yml") files.push_back(at->path().string());
  }
  if (error) {
    return base::ErrnoStatus(error.value(), absl::StrCat(what, " folder ", folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

void ForEachYaml(
    const std::vector<std::string>& folders, absl::string_view what, int64_t max_bytes,
    std::vector<std::string>* faults,
    const std::function<void(const std::string& file, const std::string& text)>& on_file) {
  for (const std::string& folder : folders) {
    const absl::StatusOr<std::vector<std::string>> files = FilesOf(folder, what);
    if (!files.ok()) {
      faults->emplace_back(files.status().message());
      continue;
    }
    for (const std::string& file : *files) {
      const absl::StatusOr<std::string> text = base::ReadFile(file, max_bytes);
      if (text.ok()) {
        on_file(file, *text);
      } else {
        faults->emplace_back(text.status().message());
      }
    }
  }
}

}  // namespace purser::provisioning
