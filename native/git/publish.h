// What Purser does with git: publish a tree, commit changes, find out whether it already did.
//
//   PURSER_ASSIGN_OR_RETURN(std::unique_ptr<Remote> remote, OpenRemote(url, transport, options));
//   PURSER_ASSIGN_OR_RETURN(PublishResult result,
//                           PublishTree(*remote, "main", files, commit, {}, call));
//
// Nothing touches a disk: objects are made and pushed as one pack, compressed while it is sent; of
// large trees each new file is read twice, once to name it and once to send it. All functions may
// be called from several threads, also on one remote and branch: losers of a race read the new tip
// and try again.
#ifndef PURSER_GIT_PUBLISH_H_
#define PURSER_GIT_PUBLISH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "git/files.h"
#include "git/object.h"
#include "git/object_id.h"
#include "git/remote.h"

namespace purser::git {

inline constexpr int kMaxPushAttempts = 10;
inline constexpr size_t kMaxMessageBytes = 64 << 10;
inline constexpr size_t kMaxEffectKeyBytes = 512;
// How far back FindEffect looks when not told.
inline constexpr int kEffectDepth = 200;

class Signer;  // git/signer.h

struct CommitInfo {
  Person author;        // also the committer
  std::string message;  // without trailing blank lines; UTF-8
  // Written as the trailer "Purser-Effect: <key>" when not empty, for FindEffect. One line.
  std::string effect_key;
  // Signs the commit; null: it goes unsigned. Must outlive the call.
  const Signer* signer = nullptr;
};

struct Call {
  base::Clock& clock;  // the commit's time
  std::stop_token stop;
  absl::Duration timeout = absl::Minutes(10);  // of each exchange with the server
  ProgressSink progress = {};                  // the server's words; may be empty
  // How far we are, in our own words, about once a second; may be empty.
  ProgressSink report = {};
};

struct PublishResult {
  ObjectId commit;
  ObjectId tree;
  bool pushed = false;  // false: the branch already held exactly this
  bool found = false;  // not pushed because a commit with the effect key is there; no more is known
  int64_t files = 0;   // of the published tree, or changed ones of a commit
  int64_t objects = 0;     // sent
  int64_t pack_bytes = 0;  // sent
};

// What to do when the branch has commits already and another tree.
enum class ExistingBranch {
  kFail,    // ALREADY_EXISTS
  kAppend,  // a commit on top whose tree is exactly the given files
};

// Makes `branch` hold exactly `files`: as the root commit of an empty branch, else as `existing`
// says. A branch whose tip already has this tree is left alone and its commit returned; so is a
// branch where a commit with the same effect key is found. INVALID_ARGUMENT: bad branch, author,
// message or path; other errors as Remote and ParsePushAnswer give them.
absl::StatusOr<PublishResult> PublishTree(Remote& remote, absl::string_view branch,
                                          const FileSource& files, const CommitInfo& commit,
                                          ExistingBranch existing, const Call& call);

// The tree PublishTree would push, without any network. `objects` and `pack_bytes` tell what a
// first push would send besides the commit.
absl::StatusOr<PublishResult> BuildTree(const FileSource& files, const Call& call);

// Path → new content, or nullopt to delete. An existing file keeps its mode.
using Changes = std::map<std::string, std::optional<std::string>>;

// One commit with `changes` on top of the branch (a root commit when it is empty). Changes that
// change nothing make no commit: the tip is returned with pushed = false. Whether a commit with the
// effect key is there already is the caller's question (FindEffect); it is not asked here because
// it costs a second fetch.
absl::StatusOr<PublishResult> CommitFiles(Remote& remote, absl::string_view branch,
                                          const Changes& changes, const CommitInfo& commit,
                                          const Call& call);

// The names of the contents of files at the tip of the branch, by path; nullopt where there is no
// such file, or no such branch. Their contents are not fetched.
absl::StatusOr<std::map<std::string, std::optional<ObjectId>>> FindFiles(
    Remote& remote, absl::string_view branch, absl::Span<const std::string> paths,
    const Call& call);

// The commit with the trailer "Purser-Effect: <key>" among the last `depth` generations of the
// branch; nullopt when there is none or no such branch.
absl::StatusOr<std::optional<ObjectId>> FindEffect(Remote& remote, absl::string_view branch,
                                                   absl::string_view effect_key, const Call& call,
                                                   int depth = kEffectDepth);

}  // namespace purser::git

#endif  // PURSER_GIT_PUBLISH_H_
