// A commit on a branch by GitHub's git data interface: files with their texts and files to delete,
// in one commit, without a clone.
#ifndef PURSER_CONNECTORS_GITHUB_BRANCH_COMMIT_H_
#define PURSER_CONNECTORS_GITHUB_BRANCH_COMMIT_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "connectors/rest_api.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// How often the branch may move on while the commit is made.
inline constexpr int kMaxBranchAttempts = 5;

struct BranchWish {
  std::string repository_path;  // "/repos/org/name"
  std::string branch;           // made from `base` unless it is there
  std::string base;
  nlohmann::json files;    // path → text
  nlohmann::json deleted;  // paths
  std::string message;
};

struct BranchCommit {
  std::string sha;            // the branch's head
  bool same_as_base = false;  // nothing differs; no branch was made
};

// Content that is there already makes no second commit. The commit bears the effect key in its
// trailer Purser-Effect. ABORTED when others keep pushing to the branch.
absl::StatusOr<BranchCommit> CommitToBranch(const RestApi& api, const BranchWish& wish,
                                            CallContext& context);

// The ids of the files' contents in a tree, or in that of a branch, by path. RESOURCE_EXHAUSTED
// when the interface does not list all of it.
absl::StatusOr<std::map<std::string, std::string>> BlobsOf(const RestApi& api,
                                                           const std::string& repository_path,
                                                           const std::string& tree,
                                                           CallContext& context);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_BRANCH_COMMIT_H_
