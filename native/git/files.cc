#include "git/files.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file_stream.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::git {
namespace {

// Git's own folder, and what a killed process left of its work.
bool IsLeftOut(absl::string_view path) {
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == ".git" || base::IsLeftover(part)) return true;
  }
  return false;
}

}  // namespace

absl::Status MapSource::ForEach(const Visit& visit) const {
  for (const auto& [path, file] : files_) {
    PURSER_RETURN_IF_ERROR(visit(path, file.mode, file.content));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> MapSource::Read(absl::string_view path, uint32_t) const {
  const auto found = files_.find(std::string(path));
  if (found == files_.end()) return absl::NotFoundError("no such file");
  return found->second.content;
}

absl::StatusOr<std::string> DirectorySource::Read(absl::string_view path, uint32_t mode) const {
  absl::StatusOr<std::string> content = mode == kModeSymlink
                                            ? directory_.ReadSymlink(path)
                                            : directory_.ReadFile(path, limits_.max_file_bytes);
  if (content.ok()) return content;
  return base::Annotate(content.status(),
                        absl::StrCat("file \"", base::EscapeForDisplay(path), "\""));
}

absl::Status DirectorySource::ForEach(const Visit& visit) const {
  base::ListLimits limits;
  limits.max_depth = kMaxPathDepth;
  limits.stop = stop_;
  PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, directory_.List(limits));
  int64_t files = 0;
  for (const base::DirectoryEntry& entry : entries) {
    if (stop_.stop_requested()) return absl::CancelledError("reading the files was stopped");
    if (entry.kind == base::FileKind::kDirectory || IsLeftOut(entry.path)) continue;
    if (++files > limits_.max_files) {
      return absl::ResourceExhaustedError(absl::StrCat("folder ", directory_.path(), ": more than ",
                                                       limits_.max_files, " files (max_files)"));
    }
    if (entry.kind == base::FileKind::kOther) {
      return absl::InvalidArgumentError(absl::StrCat("\"", base::EscapeForDisplay(entry.path),
                                                     "\" is neither a file nor a symlink"));
    }
    uint32_t mode = (entry.mode & 0100) != 0 ? kModeExecutable : kModeFile;
    if (entry.kind == base::FileKind::kSymlink) mode = kModeSymlink;
    PURSER_ASSIGN_OR_RETURN(const std::string content, Read(entry.path, mode));
    PURSER_RETURN_IF_ERROR(visit(entry.path, mode, content));
  }
  return absl::OkStatus();
}

}  // namespace purser::git
