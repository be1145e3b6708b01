#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/file_resolve.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::base {
namespace {

constexpr int kMaxRemoveDepth = 512;
constexpr size_t kReadChunk = 64 * 1024;

FileKind KindOf(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::kFile;
  if (S_ISDIR(mode)) return FileKind::kDirectory;
  return S_ISLNK(mode) ? FileKind::kSymlink : FileKind::kOther;
}

DirectoryEntry EntryOf(std::string path, const struct stat& info) {
  const FileKind kind = KindOf(info.st_mode);
  return {std::move(path),
          kind,
          static_cast<mode_t>(info.st_mode & 07777),
          kind == FileKind::kFile ? static_cast<int64_t>(info.st_size) : 0,
          int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec,
          static_cast<uint64_t>(info.st_ino)};
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& shown, int64_t max_bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, shown);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(shown, ": not a regular file"));
  }
  const auto too_large = [&] {
    return absl::ResourceExhaustedError(
        absl::StrCat(shown, ": larger than the limit of ", max_bytes, " bytes"));
  };
  if (info.st_size > max_bytes) return too_large();
  std::string out;
  out.reserve(static_cast<size_t>(info.st_size) + 1);
  // The file may grow while it is read: the limit holds for what is read, not for what was said.
  while (true) {
    const size_t at = out.size();
    out.resize(at + std::max<size_t>(out.capacity() - at, kReadChunk / 64));
    const ssize_t got = read(fd, out.data() + at, out.size() - at);
    if (got < 0 && errno != EINTR) return ErrnoStatus(errno, shown);
    out.resize(at + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (static_cast<int64_t>(out.size()) > max_bytes) return too_large();
    if (got == 0) return out;
  }
}

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using OpenDir = std::unique_ptr<DIR, CloseDir>;

bool IsDots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

// Names in the open folder `fd`, which is closed.
absl::StatusOr<std::vector<std::string>> NamesIn(UniqueFd fd, const std::string& shown) {
  OpenDir dir(fdopendir(fd.get()));
  if (dir == nullptr) return ErrnoStatus(errno, shown);
  fd.Release();
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    if (!IsDots(entry->d_name)) names.emplace_back(entry->d_name);
  }
  if (errno != 0) return ErrnoStatus(errno, shown);
  return names;
}

absl::StatusOr<UniqueFd> OpenFolder(int parent, const std::string& name, const std::string& shown) {
  UniqueFd fd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) return ErrnoStatus(errno, shown);
  return fd;
}

absl::Status RemoveTree(int parent, const std::string& name, const std::string& shown, int depth) {
  if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM)
    return ErrnoStatus(errno, absl::StrCat("removing ", shown));
  if (depth > kMaxRemoveDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat(shown, ": deeper than ", kMaxRemoveDepth, " folders"));
  }
  PURSER_ASSIGN_OR_RETURN(const UniqueFd folder, OpenFolder(parent, name, shown));
  PURSER_ASSIGN_OR_RETURN(UniqueFd reading, OpenFolder(folder.get(), ".", shown));
  PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(std::move(reading), shown));
  for (const std::string& child : names) {
    PURSER_RETURN_IF_ERROR(
        RemoveTree(folder.get(), child, absl::StrCat(shown, "/", child), depth + 1));
  }
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, absl::StrCat("removing ", shown));
}

absl::Status ListInto(int folder, const std::string& shown, const std::string& prefix, int depth,
                      const ListLimits& limits, std::vector<DirectoryEntry>* out) {
  if (depth > limits.max_depth) {
    return absl::ResourceExhaustedError(
        absl::StrCat(shown, ": more than ", limits.max_depth, " folders inside each other"));
  }
  PURSER_ASSIGN_OR_RETURN(UniqueFd reading, OpenFolder(folder, ".", shown));
  PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(std::move(reading), shown));
  for (const std::string& name : names) {
    if (limits.stop.stop_requested()) return absl::CancelledError("stopped");
    struct stat info;
    if (fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // went away meanwhile
      return ErrnoStatus(errno, absl::StrCat(shown, "/", name));
    }
    if (static_cast<int64_t>(out->size()) >= limits.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat(shown, ": more than ", limits.max_entries, " entries"));
    }
    const std::string path = prefix.empty() ? name : absl::StrCat(prefix, "/", name);
    out->push_back(EntryOf(path, info));
    if (!S_ISDIR(info.st_mode)) continue;
    absl::StatusOr<UniqueFd> child = OpenFolder(folder, name, absl::StrCat(shown, "/", name));
    if (absl::IsNotFound(child.status())) continue;
    PURSER_RETURN_IF_ERROR(child.status());
    PURSER_RETURN_IF_ERROR(
        ListInto(child->get(), absl::StrCat(shown, "/", name), path, depth + 1, limits, out));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Directory> Directory::Open(absl::string_view path) {
  const std::string name(path);
  const int fd = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("opening folder ", Shown(path, "")));
  return Directory(fd, name);
}

absl::StatusOr<Directory> Directory::Create(absl::string_view path, mode_t mode) {
  const std::string name(path);
  for (size_t at = 1; at <= name.size(); ++at) {
    if (at < name.size() && name[at] != '/') continue;
    const std::string part = name.substr(0, at);
    if (mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, absl::StrCat("making folder ", Shown(part, "")));
    }
  }
  return Open(path);
}

Directory::~Directory() {
  if (fd_ >= 0) close(fd_);
}

Directory::Directory(Directory&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

Directory& Directory::operator=(Directory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

absl::StatusOr<mode_t> Directory::Mode() const {
  struct stat info;
  if (fstat(fd_, &info) != 0) return ErrnoStatus(errno, Shown(path_, ""));
  return static_cast<mode_t>(info.st_mode & 07777);
}

absl::StatusOr<Directory> Directory::OpenAt(absl::string_view relative) const {
  PURSER_RETURN_IF_ERROR(CheckRelative(relative));
  PURSER_ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(fd_, path_, relative, O_RDONLY | O_DIRECTORY));
  return Directory(fd.Release(), absl::StrCat(path_, "/", relative));
}

absl::StatusOr<Directory> Directory::MakeAt(absl::string_view relative, mode_t mode) const {
  PURSER_RETURN_IF_ERROR(CheckRelative(relative));
  absl::StatusOr<Directory> whole = OpenAt(relative);
  if (!absl::IsNotFound(whole.status())) return whole;
  for (size_t at = 0; at != absl::string_view::npos;) {
    at = relative.find('/', at + 1);
    const absl::string_view part = relative.substr(0, at);
    PURSER_ASSIGN_OR_RETURN(const Leaf leaf, OpenParent(fd_, path_, part));
    if (mkdirat(leaf.parent.get(), leaf.name.c_str(), mode) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, absl::StrCat("making folder ", Shown(path_, part)));
    }
  }
  return OpenAt(relative);
}

absl::StatusOr<std::string> Directory::ReadFile(absl::string_view relative,
                                                int64_t max_bytes) const {
  PURSER_RETURN_IF_ERROR(CheckRelative(relative));
  // O_NONBLOCK: a pipe that someone put there must not hold us.
  PURSER_ASSIGN_OR_RETURN(const UniqueFd fd,
                          OpenBeneath(fd_, path_, relative, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  return ReadAll(fd.get(), Shown(path_, relative), max_bytes);
}

absl::StatusOr<std::string> Directory::ReadSymlink(absl::string_view relative) const {
  PURSER_ASSIGN_OR_RETURN(const Leaf leaf, OpenParent(fd_, path_, relative));
  char target[kMaxPathBytes + 1];
  const ssize_t length = readlinkat(leaf.parent.get(), leaf.name.c_str(), target, sizeof(target));
  if (length < 0) return ErrnoStatus(errno, Shown(path_, relative));
  return std::string(target, static_cast<size_t>(length));
}

absl::StatusOr<DirectoryEntry> Directory::Stat(absl::string_view relative) const {
  PURSER_ASSIGN_OR_RETURN(const Leaf leaf, OpenParent(fd_, path_, relative));
  struct stat info;
  if (fstatat(leaf.parent.get(), leaf.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, Shown(path_, relative));
  }
  return EntryOf(std::string(relative), info);
}

absl::Status Directory::WriteFile(absl::string_view relative, absl::string_view bytes, mode_t mode,
                                  bool durable) const {
  return Write(relative, bytes, mode, Permissions::kLessUmask, durable);
}

absl::Status Directory::WriteFileExactly(absl::string_view relative, absl::string_view bytes,
                                         mode_t mode) const {
  return Write(relative, bytes, mode, Permissions::kExact, false);
}

absl::Status Directory::SetMode(absl::string_view relative, mode_t mode) const {
  PURSER_ASSIGN_OR_RETURN(const DirectoryEntry entry, Stat(relative));
  if (entry.kind == FileKind::kSymlink) {
    return absl::FailedPreconditionError(
        absl::StrCat(Shown(path_, relative), ": a link has no mode of its own"));
  }
  PURSER_ASSIGN_OR_RETURN(const UniqueFd fd,
                          OpenBeneath(fd_, path_, relative, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  if (fchmod(fd.get(), mode) != 0) return ErrnoStatus(errno, Shown(path_, relative));
  return absl::OkStatus();
}

absl::Status Directory::Write(absl::string_view relative, absl::string_view bytes, mode_t mode,
                              Permissions how, bool durable) const {
  const std::string shown = Shown(path_, relative);
  absl::StatusOr<Leaf> leaf = OpenParent(fd_, path_, relative);
  if (absl::IsNotFound(leaf.status())) {
    PURSER_RETURN_IF_ERROR(MakeAt(relative.substr(0, relative.rfind('/'))).status());
    leaf = OpenParent(fd_, path_, relative);
  }
  PURSER_RETURN_IF_ERROR(leaf.status());
  const int parent = leaf->parent.get();
  UniqueFd file;
  PURSER_ASSIGN_OR_RETURN(
      const std::string temporary, MakeTemporary(shown, [&](const char* name) {
        file = UniqueFd(
            openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
        return file.get() >= 0;
      }));
  absl::Status status = WriteAll(file.get(), bytes, shown);
  if (status.ok() && how == Permissions::kExact && fchmod(file.get(), mode) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("writing ", shown));
  }
  if (status.ok() && durable && fsync(file.get()) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("syncing ", shown));
  }
  // Some file systems (quota, network) report a full disk only here.
  if (close(file.Release()) != 0 && status.ok()) {
    status = ErrnoStatus(errno, absl::StrCat("writing ", shown));
  }
  if (!status.ok()) {
    unlinkat(parent, temporary.c_str(), 0);
    return status;
  }
  PURSER_RETURN_IF_ERROR(PutInPlace(parent, temporary, leaf->name, shown));
  if (durable && fsync(parent) != 0) {
    return ErrnoStatus(errno, absl::StrCat("syncing the folder of ", shown));
  }
  return absl::OkStatus();
}

absl::Status Directory::WriteSymlink(absl::string_view relative, absl::string_view target) const {
  const std::string shown = Shown(path_, relative);
  const std::string to(target);
  if (to.empty() || to.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(shown, ": a link needs a target"));
  }
  absl::StatusOr<Leaf> leaf = OpenParent(fd_, path_, relative);
  if (absl::IsNotFound(leaf.status())) {
    PURSER_RETURN_IF_ERROR(MakeAt(relative.substr(0, relative.rfind('/'))).status());
    leaf = OpenParent(fd_, path_, relative);
  }
  PURSER_RETURN_IF_ERROR(leaf.status());
  const int parent = leaf->parent.get();
  PURSER_ASSIGN_OR_RETURN(const std::string temporary, MakeTemporary(shown, [&](const char* name) {
                            return symlinkat(to.c_str(), parent, name) == 0;
                          }));
  return PutInPlace(parent, temporary, leaf->name, shown);
}

absl::Status Directory::Remove(absl::string_view relative) const {
  const absl::StatusOr<Leaf> leaf = OpenParent(fd_, path_, relative);
  if (absl::IsNotFound(leaf.status())) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(leaf.status());
  return RemoveTree(leaf->parent.get(), leaf->name, Shown(path_, relative), 0);
}

absl::Status Directory::Rename(absl::string_view from, absl::string_view to) const {
  PURSER_ASSIGN_OR_RETURN(const Leaf source, OpenParent(fd_, path_, from));
  PURSER_ASSIGN_OR_RETURN(const Leaf target, OpenParent(fd_, path_, to));
  if (renameat(source.parent.get(), source.name.c_str(), target.parent.get(),
               target.name.c_str()) != 0) {
    return ErrnoStatus(errno,
                       absl::StrCat("renaming ", Shown(path_, from), " to ", Shown(path_, to)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DirectoryEntry>> Directory::List(const ListLimits& limits) const {
  std::vector<DirectoryEntry> entries;
  PURSER_RETURN_IF_ERROR(ListInto(fd_, path_, "", 0, limits, &entries));
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.path < b.path; });
  return entries;
}

absl::StatusOr<std::string> ReadFile(absl::string_view path, int64_t max_bytes) {
  const std::string name(path);
  const UniqueFd fd(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (fd.get() < 0) return ErrnoStatus(errno, absl::StrCat("reading ", Shown(path, "")));
  return ReadAll(fd.get(), Shown(path, ""), max_bytes);
}

}  // namespace purser::base
