#include "base/file_resolve.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::base {
namespace {

constexpr int kMaxRaces = 32;  // repeats of a resolution that a rename disturbed
constexpr int kMaxNameTries = 16;

absl::Status Escapes(absl::string_view dir_path, absl::string_view relative) {
  return absl::PermissionDeniedError(
      absl::StrCat(Shown(dir_path, relative), ": the path leads out of its folder"));
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

absl::Status CheckRelative(absl::string_view relative) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("path \"", EscapeForDisplay(relative), "\" ", why));
  };
  if (relative.empty()) return refuse("is empty");
  if (relative.size() >= kMaxPathBytes) {
    return refuse(absl::StrCat("is longer than ", kMaxPathBytes, " bytes"));
  }
  if (relative.find('\0') != absl::string_view::npos) return refuse("has a NUL byte");
  if (relative[0] == '/') return refuse("must be relative");
  for (const absl::string_view part : absl::StrSplit(relative, '/')) {
    if (part.empty() || part == "." || part == "..") {
      return refuse("must not have empty, \".\" or \"..\" components");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenByWalking(int dir, absl::string_view dir_path,
                                       absl::string_view relative, int flags) {
  UniqueFd current;
  for (absl::string_view rest = relative;;) {
    const size_t slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    const bool last = slash == absl::string_view::npos;
    const int from = current.get() >= 0 ? current.get() : dir;
    const int how = last ? flags : O_PATH | O_DIRECTORY;
    UniqueFd next(openat(from, part.c_str(), how | O_NOFOLLOW | O_CLOEXEC));
    if (next.get() < 0) {
      // A link is refused wherever it leads: O_NOFOLLOW says ELOOP, with O_DIRECTORY ENOTDIR.
      const int error = errno;
      char target[2];
      if (error == ELOOP ||
          (error == ENOTDIR && readlinkat(from, part.c_str(), target, sizeof(target)) >= 0)) {
        return Escapes(dir_path, relative);
      }
      return ErrnoStatus(error, Shown(dir_path, relative));
    }
    if (last) return next;
    current = std::move(next);
    rest.remove_prefix(slash + 1);
  }
}

absl::StatusOr<UniqueFd> OpenBeneath(int dir, absl::string_view dir_path,
                                     absl::string_view relative, int flags) {
  static std::atomic<bool> no_openat2{false};
  if (!no_openat2.load(std::memory_order_relaxed)) {
    const std::string path(relative);
    open_how how{};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    for (int i = 0; i < kMaxRaces; ++i) {
      const long fd = syscall(SYS_openat2, dir, path.c_str(), &how, sizeof(how));
      if (fd >= 0) return UniqueFd(static_cast<int>(fd));
      // EAGAIN: something was renamed during the walk and the kernel will not vouch for it.
      if (errno != EAGAIN && errno != EINTR) break;
    }
    if (errno == EXDEV || errno == EAGAIN) return Escapes(dir_path, relative);
    // ENOSYS: an old kernel; EPERM: a sandbox that does not know the call.
    if (errno != ENOSYS && errno != EPERM) return ErrnoStatus(errno, Shown(dir_path, relative));
    no_openat2.store(true, std::memory_order_relaxed);
  }
  return OpenByWalking(dir, dir_path, relative, flags);
}

absl::StatusOr<Leaf> OpenParent(int dir, absl::string_view dir_path, absl::string_view relative) {
  PURSER_RETURN_IF_ERROR(CheckRelative(relative));
  const size_t slash = relative.rfind('/');
  if (slash == absl::string_view::npos) {
    UniqueFd copy(fcntl(dir, F_DUPFD_CLOEXEC, 0));
    if (copy.get() < 0) return ErrnoStatus(errno, std::string(dir_path));
    return Leaf{std::move(copy), std::string(relative)};
  }
  PURSER_ASSIGN_OR_RETURN(UniqueFd parent, OpenBeneath(dir, dir_path, relative.substr(0, slash),
                                                       O_RDONLY | O_DIRECTORY));
  return Leaf{std::move(parent), std::string(relative.substr(slash + 1))};
}

std::string Shown(absl::string_view dir_path, absl::string_view relative) {
  return EscapeForDisplay(
      relative.empty() ? std::string(dir_path) : absl::StrCat(dir_path, "/", relative), 400);
}

absl::StatusOr<std::string> MakeTemporary(const std::string& shown,
                                          const std::function<bool(const char* name)>& make) {
  for (int i = 0; i < kMaxNameTries; ++i) {
    const std::string name = absl::StrFormat(".purser-%016x.tmp", Rng::System().Next());
    if (make(name.c_str())) return name;
    if (errno != EEXIST) break;
  }
  return ErrnoStatus(errno, absl::StrCat("writing ", shown));
}

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& shown) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, absl::StrCat("writing ", shown));
    }
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status PutInPlace(int parent, const std::string& temporary, const std::string& name,
                        const std::string& shown) {
  if (renameat(parent, temporary.c_str(), parent, name.c_str()) == 0) return absl::OkStatus();
  const int error = errno;
  unlinkat(parent, temporary.c_str(), 0);
  return ErrnoStatus(error, absl::StrCat("writing ", shown));
}

}  // namespace purser::base
