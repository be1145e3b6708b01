// A commit that puts a folder's files onto a branch, beside what is there.
//
//   TreeChange change;
//   change.files = &files;               // the workspace's folder
//   change.target_path = "apps/shop";    // where they go in the repository
//   PURSER_ASSIGN_OR_RETURN(const CommitResult result,
//                           CommitTree(*remote, "main", change, info, call));
//
// Nothing is cloned: the tip's folders are read without the contents of files (where the server
// leaves them out), and only new objects are sent. When the branch moves meanwhile the change is
// made again on its new tip, so that what others did elsewhere stays; of one path the last writer
// wins.
#ifndef PURSER_GIT_COMMIT_H_
#define PURSER_GIT_COMMIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/files.h"
#include "git/publish.h"
#include "git/remote.h"

namespace purser::git {

inline constexpr size_t kMaxDeletePaths = 10'000;

struct TreeChange {
  const FileSource* files = nullptr;  // added, or put in the place of what is there; may be null
  std::string target_path;            // folder of the repository they go to; "" = its root
  std::vector<std::string> delete_paths;  // files or folders of the repository; missing ones are OK
  bool mirror = false;                    // whatever else is below target_path goes away
  std::string base_branch;  // where a branch that does not exist begins; "" = the default branch
};

struct CommitResult : PublishResult {
  int64_t added = 0;
  int64_t changed = 0;
  int64_t deleted = 0;
  bool new_branch = false;  // made by this commit
};

// One commit with `change` on top of the branch; a branch that does not exist begins at its base (a
// root commit in an empty repository). A change that changes nothing makes no commit and no branch:
// the tip is returned with pushed = false. So is a commit with the same effect key. Errors as
// PublishTree; NOT_FOUND when there is no base branch.
absl::StatusOr<CommitResult> CommitTree(Remote& remote, absl::string_view branch,
                                        const TreeChange& change, const CommitInfo& commit,
                                        const Call& call);

// The checks of CommitTree that need no network, for a dry run; how many files it would put.
absl::StatusOr<int64_t> CheckChange(absl::string_view branch, const TreeChange& change,
                                    const CommitInfo& commit, const Call& call);

// The branch that HEAD of the repository names; "main" of an empty one that does not say.
absl::StatusOr<std::string> DefaultBranch(Remote& remote, const Call& call);

}  // namespace purser::git

#endif  // PURSER_GIT_COMMIT_H_
