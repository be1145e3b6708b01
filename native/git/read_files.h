// Files of a branch's tip, read without a clone: one advertisement, and one fetch when the branch
// moved.
#ifndef PURSER_GIT_READ_FILES_H_
#define PURSER_GIT_READ_FILES_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/object_id.h"
#include "git/publish.h"
#include "git/remote.h"

namespace purser::git {

struct ReadFilesRequest {
  std::string branch;             // "" = the repository's default branch
  std::optional<ObjectId> known;  // a tip that was read before: it is not read again
  // Which files to read; paths from the repository's root. Symbolic links and submodules are not
  // asked for.
  std::function<bool(absl::string_view path)> wanted;
  // Gets each wanted file, folders in git's order. A status other than OK ends the reading with it.
  std::function<absl::Status(absl::string_view path, std::string content)> file;
};

struct ReadFilesResult {
  ObjectId commit;
  std::string branch;
  bool changed = true;  // false: the tip is `known`, and nothing was read
};

// NOT_FOUND when there is no such branch (or none at all); errors as Remote and ReadPack give them.
// The tip's whole tree travels once: servers send single files only where they were told to.
absl::StatusOr<ReadFilesResult> ReadFiles(Remote& remote, const ReadFilesRequest& request,
                                          const Call& call);

}  // namespace purser::git

#endif  // PURSER_GIT_READ_FILES_H_
