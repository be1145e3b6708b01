#include "git/files.h"

#include <memory>

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
    Content content(file.content);
    PURSER_RETURN_IF_ERROR(visit(path, file.mode, content));
  }
  return absl::OkStatus();
}

absl::StatusOr<Content> MapSource::Open(absl::string_view path, uint32_t) const {
  const auto found = files_.find(std::string(path));
  if (found == files_.end()) return absl::NotFoundError("no such file");
  return Content(found->second.content);
}

absl::StatusOr<Content> DirectorySource::Open(absl::string_view path, uint32_t mode) const {
  const auto open = [&]() -> absl::StatusOr<Content> {
    if (mode == kModeSymlink) {
      PURSER_ASSIGN_OR_RETURN(std::string target, directory_.ReadSymlink(path));
      return Content(std::move(target));
    }
    PURSER_ASSIGN_OR_RETURN(base::FileReader opened, base::FileReader::Open(directory_, path));
    const auto file = std::make_shared<const base::FileReader>(std::move(opened));
    if (file->bytes() > limits_.max_file_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          file->bytes(), " bytes, more than ", limits_.max_file_bytes, " (max_file_bytes)"));
    }
    return Content(file->bytes(), [file](int64_t offset, char* buffer, size_t size) {
      return file->ReadAt(offset, buffer, size);
    });
  };
  absl::StatusOr<Content> content = open();
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
    PURSER_ASSIGN_OR_RETURN(Content content, Open(entry.path, mode));
    PURSER_RETURN_IF_ERROR(visit(entry.path, mode, content));
  }
  return absl::OkStatus();
}

}  // namespace purser::git
