#include "connectors/github/branch_commit.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/url.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kFileMode[] = "100644";

// The commit at the head of a branch, "" when there is none.
absl::StatusOr<std::string> HeadOf(const RestApi& api, const std::string& path,
                                   const std::string& branch, CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const RestAnswer answer,
                          api.Send({.path = absl::StrCat(path, "/git/ref/heads/", branch),
                                    .accept = {404},
                                    .what = absl::StrCat("read branch ", branch)},
                                   context));
  return answer.status == 404 ? std::string() : RestText(answer.body, {"object", "sha"});
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> BlobsOf(const RestApi& api,
                                                           const std::string& repository_path,
                                                           const std::string& tree,
                                                           CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(
      const Json answer,
      api.Json({.path = absl::StrCat(repository_path, "/git/trees/", http::EncodeComponent(tree),
                                     "?recursive=1"),
                .what = "read the tree"},
               context));
  if (answer.value("truncated", false)) {
    return absl::ResourceExhaustedError(
        "github: the repository's tree is too large to be listed; use the git connector for it");
  }
  std::map<std::string, std::string> blobs;
  for (const Json& entry : answer.value("tree", Json::array())) {
    if (RestText(entry, {"type"}) != "blob") continue;
    blobs[RestText(entry, {"path"})] = RestText(entry, {"sha"});
  }
  return blobs;
}

absl::StatusOr<BranchCommit> CommitToBranch(const RestApi& api, const BranchWish& wish,
                                            CallContext& context) {
  const std::string& path = wish.repository_path;
  for (int attempt = 0; attempt < kMaxBranchAttempts; ++attempt) {
    PURSER_ASSIGN_OR_RETURN(const std::string head, HeadOf(api, path, wish.branch, context));
    std::string parent = head;
    if (parent.empty()) {
      PURSER_ASSIGN_OR_RETURN(parent, HeadOf(api, path, wish.base, context));
      if (parent.empty()) {
        return absl::FailedPreconditionError(
            absl::StrCat("github: there is no branch ", wish.base, " to start from"));
      }
    }
    PURSER_ASSIGN_OR_RETURN(const Json before,
                            api.Json({.path = absl::StrCat(path, "/git/commits/", parent),
                                      .what = "read the head's commit"},
                                     context));
    const std::string old_tree = RestText(before, {"tree", "sha"});
    Json entries = Json::array();
    for (const auto& [file, text] : wish.files.items()) {
      entries.push_back({{"path", file}, {"mode", kFileMode}, {"type", "blob"}, {"content", text}});
    }
    if (!wish.deleted.empty()) {
      // A path of which the tree has nothing cannot be deleted: the whole tree would be refused.
      PURSER_ASSIGN_OR_RETURN(const auto there, BlobsOf(api, path, old_tree, context));
      for (const Json& file : wish.deleted) {
        if (!there.contains(file.get<std::string>()) || wish.files.contains(file)) continue;
        entries.push_back(
            {{"path", file}, {"mode", kFileMode}, {"type", "blob"}, {"sha", nullptr}});
      }
    }
    std::string tree = old_tree;
    if (!entries.empty()) {
      PURSER_ASSIGN_OR_RETURN(
          const Json made,
          api.Json({.method = "POST",
                    .path = path + "/git/trees",
                    .body = {{"base_tree", old_tree}, {"tree", std::move(entries)}},
                    .what = "write the tree"},
                   context));
      tree = RestText(made, {"sha"});
    }
    if (tree == old_tree) return BranchCommit{parent, head.empty()};
    PURSER_ASSIGN_OR_RETURN(
        const Json commit,
        api.Json({.method = "POST",
                  .path = path + "/git/commits",
                  .body = {{"message", absl::StrCat(wish.message,
                                                    "\n\nPurser-Effect: ", context.effect_key())},
                           {"tree", tree},
                           {"parents", Json::array({parent})}},
                  .what = "write the commit"},
                 context));
    const std::string sha = RestText(commit, {"sha"});
    // Nothing can be seen of the above until the branch points to it, so repeats do no harm.
    const RestCall move =
        head.empty()
            ? RestCall{.method = "POST",
                       .path = path + "/git/refs",
                       .body = {{"ref", absl::StrCat("refs/heads/", wish.branch)}, {"sha", sha}},
                       .accept = {422},
                       .what = absl::StrCat("make branch ", wish.branch)}
            : RestCall{.method = "PATCH",
                       .path = absl::StrCat(path, "/git/refs/heads/", wish.branch),
                       .body = {{"sha", sha}, {"force", false}},
                       .accept = {422},
                       .what = absl::StrCat("move branch ", wish.branch)};
    PURSER_ASSIGN_OR_RETURN(const RestAnswer moved, api.Send(move, context));
    if (moved.status != 422) return BranchCommit{sha, false};
    // Somebody was quicker: on top of what is there now.
  }
  return absl::AbortedError(absl::StrCat("github: branch ", wish.branch, " moved on ",
                                         kMaxBranchAttempts, " times meanwhile"));
}

}  // namespace purser::connectors
