#include "scaffolder-actions/archive/entries.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::actions {
namespace {

constexpr size_t kMaxArchivePath = 4'096;
constexpr size_t kMaxPartBytes = 255;

absl::Status Refused(absl::string_view path, absl::string_view why) {
  return absl::PermissionDeniedError(
      absl::StrCat("entry \"", base::EscapeForDisplay(path), "\": ", why));
}

absl::StatusOr<std::string> PlainPath(absl::string_view path) {
  if (path.empty() || path.size() > kMaxArchivePath) return Refused(path, "no name, or too long");
  if (path[0] == '/') return Refused(path, "an absolute path");
  if (path.find('\\') != absl::string_view::npos) return Refused(path, "a backslash in a name");
  if (path.find('\0') != absl::string_view::npos) return Refused(path, "NUL in a name");
  if (!base::IsValidUtf8(path)) return Refused(path, "a name that is not UTF-8");
  std::vector<absl::string_view> parts;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return Refused(path, "leads out of the archive");
    if (part == ".git") return Refused(path, "a .git folder is not unpacked");
    if (part.size() > kMaxPartBytes) return Refused(path, "a part is longer than 255 bytes");
    parts.push_back(part);
  }
  return absl::StrJoin(parts, "/");
}

// True when a link at `path` with this target stays within the archive's root.
bool StaysWithin(absl::string_view path, absl::string_view target) {
  if (target.empty() || target[0] == '/' || target.find('\0') != absl::string_view::npos ||
      target.size() > kMaxLinkBytes) {
    return false;
  }
  int depth = 0;
  for (const char c : path) depth += c == '/' ? 1 : 0;
  bool down = false;
  for (const absl::string_view part : absl::StrSplit(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      // "..", once down, could lead elsewhere when what is above is a link.
      if (down || --depth < 0) return false;
    } else if (part == ".git") {
      return false;
    } else {
      down = true;
    }
  }
  return true;
}

}  // namespace

absl::Status EntryGuard::Admit(Entry& entry) {
  if (++entries_ > kMaxArchiveEntries) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxArchiveEntries, " entries (kMaxArchiveEntries)"));
  }
  PURSER_ASSIGN_OR_RETURN(std::string path, PlainPath(entry.path));
  if (path.empty()) {
    if (entry.kind != EntryKind::kFolder) return Refused(entry.path, "the root is a folder");
    entry.path.clear();
    return absl::OkStatus();
  }
  // What stands above is a folder, and stays one.
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const auto [above, added] = seen_.try_emplace(path.substr(0, slash), EntryKind::kFolder);
    if (!added && above->second != EntryKind::kFolder) {
      return Refused(path, "stands below an entry that is no folder");
    }
  }
  const auto [place, added] = seen_.try_emplace(path, entry.kind);
  if (!added && (entry.kind != EntryKind::kFolder || place->second != EntryKind::kFolder)) {
    return Refused(path, "is there twice");
  }
  if (entry.kind == EntryKind::kLink && !StaysWithin(path, entry.target)) {
    return Refused(path, absl::StrCat("a link that leads out, to \"",
                                      base::EscapeForDisplay(entry.target), "\""));
  }
  entry.path = std::move(path);
  return absl::OkStatus();
}

absl::Status EntryGuard::Count(absl::string_view path, int64_t bytes) {
  const std::string shown = base::EscapeForDisplay(path);
  if (bytes > kMaxEntryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("entry \"", shown, "\": more than ",
                                                     kMaxEntryBytes, " bytes (kMaxEntryBytes)"));
  }
  bytes_ += bytes;
  if (bytes_ > kMaxUnpackedBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxUnpackedBytes, " bytes altogether (kMaxUnpackedBytes)"));
  }
  if (bytes_ > kUnpackedBytesForFree && bytes_ / kMaxUnpackedRatio > archive_bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("entry \"", shown, "\": the archive unpacks to more than ", kMaxUnpackedRatio,
                     " times its size (kMaxUnpackedRatio)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> TextBytes::ReadAt(int64_t offset, char* buffer, size_t size) const {
  const absl::string_view rest =
      absl::string_view(text_).substr(std::min(static_cast<size_t>(offset), text_.size()), size);
  std::copy(rest.begin(), rest.end(), buffer);
  return rest.size();
}

absl::Status TextBytes::Append(absl::string_view bytes) {
  absl::StrAppend(&text_, bytes);
  return absl::OkStatus();
}

absl::Status TextBytes::WriteAt(int64_t offset, absl::string_view bytes) {
  text_.replace(static_cast<size_t>(offset), bytes.size(), bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status ReadPiece(const Entry& entry, const ByteSource& content, int64_t offset,
                       std::string* piece, size_t limit) {
  const auto wanted =
      static_cast<size_t>(std::min<int64_t>(entry.bytes - offset, static_cast<int64_t>(limit)));
  piece->resize(wanted);
  PURSER_ASSIGN_OR_RETURN(const size_t got, content.ReadAt(offset, piece->data(), wanted));
  char more = 0;
  const int64_t end = offset + static_cast<int64_t>(got);
  const absl::StatusOr<size_t> behind =
      end == entry.bytes ? content.ReadAt(end, &more, 1) : absl::StatusOr<size_t>(0);
  if (got == wanted && behind.ok() && *behind == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      base::EscapeForDisplay(entry.path), ": was changed while it was packed; try again"));
}

absl::Status CheckArchive(int64_t bytes, int64_t entries) {
  if (bytes <= kMaxArchiveBytes && entries <= kMaxArchiveEntries) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the archive would be larger than ", kMaxArchiveBytes, " bytes or ",
                   kMaxArchiveEntries, " entries (kMaxArchiveBytes, kMaxArchiveEntries)"));
}

}  // namespace purser::actions
