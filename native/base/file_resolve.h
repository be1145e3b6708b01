// Opening paths that cannot leave a folder, and what writers of files share. Only file.cc and
// file_stream.cc use this.
#ifndef PURSER_BASE_FILE_RESOLVE_H_
#define PURSER_BASE_FILE_RESOLVE_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::base {

// A file descriptor that closes itself.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// INVALID_ARGUMENT unless `relative` is a path of plain components.
absl::Status CheckRelative(absl::string_view relative);

// Opens `relative` (checked) below the folder `dir`, which is named `dir_path` in messages.
// O_CLOEXEC is added. A path that leads out is PERMISSION_DENIED.
absl::StatusOr<UniqueFd> OpenBeneath(int dir, absl::string_view dir_path,
                                     absl::string_view relative, int flags);

// The same by walking component by component without following any link: what OpenBeneath does
// where the kernel cannot. Apart for its tests.
absl::StatusOr<UniqueFd> OpenByWalking(int dir, absl::string_view dir_path,
                                       absl::string_view relative, int flags);

// The folder that holds the last component of `relative`, and that component.
struct Leaf {
  UniqueFd parent;
  std::string name;
};
absl::StatusOr<Leaf> OpenParent(int dir, absl::string_view dir_path, absl::string_view relative);

// The path for messages.
std::string Shown(absl::string_view dir_path, absl::string_view relative);

// Makes something of a name nobody has, by `make`, which sets errno and is tried again under other
// names while the name is taken. Gives that name.
absl::StatusOr<std::string> MakeTemporary(const std::string& shown,
                                          const std::function<bool(const char* name)>& make);
absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& shown);
// Renames `temporary` to `name`; it is removed when that fails.
absl::Status PutInPlace(int parent, const std::string& temporary, const std::string& name,
                        const std::string& shown);

}  // namespace purser::base

#endif  // PURSER_BASE_FILE_RESOLVE_H_
