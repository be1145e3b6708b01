// One branch of one remote during one call: the loop of reading its tip, making objects on top of
// it and pushing them, which publish.h and commit.h share.
#ifndef PURSER_GIT_SESSION_H_
#define PURSER_GIT_SESSION_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/files.h"
#include "git/pack_reader.h"
#include "git/pack_writer.h"
#include "git/protocol.h"
#include "git/publish.h"
#include "git/remote.h"
#include "git/tree_builder.h"

namespace purser::git {

// Says how far we are, but not more than once a second.
class Reporter {
 public:
  explicit Reporter(const Call& call) : call_(call), last_(call.clock.Monotonic()) {}
  // `words` is asked for only when it is time.
  template <typename Words>
  void operator()(const Words& words) {
    if (!call_.report) return;
    const absl::Duration now = call_.clock.Monotonic();
    if (now - last_ < absl::Seconds(1)) return;
    last_ = now;
    call_.report(words());
  }

 private:
  const Call& call_;
  absl::Duration last_;
};

// Where the new commit goes on top.
struct Tip {
  ObjectId id;
  ObjectId tree;
  ObjectMap objects;      // commits and trees the server sent
  bool on_branch = true;  // false: the tip of another branch, from which ours begins
};

// How the tip is read.
struct TipRequest {
  // What the server is asked to leave out, the most wanted first.
  std::vector<std::string> filters = {"blob:none"};
  // Where a branch that does not exist begins; "" = the repository's default branch. Not looked at
  // unless `begin_branch`.
  bool begin_branch = false;
  std::string base_branch;
};

class Session {
 public:
  Session(Remote& remote, absl::string_view branch, const Call& call);

  const std::string& branch() const { return branch_; }
  const Call& call() const { return call_; }

  // The tip of the branch, or of the one it begins from; nullopt when there is neither.
  // `look_for_effect`: when it is not empty, history enough to find it is read as well.
  absl::StatusOr<std::optional<Tip>> ReadTip(const TipRequest& request,
                                             absl::string_view look_for_effect);
  // Among the last `depth` generations of the branch.
  absl::StatusOr<std::optional<ObjectId>> FindEffect(absl::string_view effect_key, int depth);

  // `at_most` may shorten the call's timeout.
  absl::StatusOr<Advertisement> Advertise(Service service,
                                          absl::Duration at_most = absl::InfiniteDuration());
  absl::Status Push(const Advertisement& advertisement, const ObjectId& old_id,
                    const ObjectId& new_id, PackWriter&& writer, PublishResult& result);

  // Adds repository and branch to an error that does not name the repository yet.
  absl::Status Where(const absl::Status& status) const;

 private:
  absl::StatusOr<ObjectMap> Fetch(const Advertisement& advertisement, const ObjectId& want,
                                  int depth, std::vector<std::string> filters);
  absl::StatusOr<std::string> SendPack(PackStream& pack, int64_t objects);

  Remote& remote_;
  const std::string branch_;
  const Call& call_;
  ExchangeOptions options_;
};

// Adds the objects to push on top of `tip` to the writer and names the commit in the result. False:
// there is nothing to push, and the result tells which commit holds it already.
using Prepare = std::function<absl::StatusOr<bool>(const std::optional<Tip>& tip,
                                                   PackWriter& writer, PublishResult& result)>;

// Reads the tip, prepares, pushes; again from the start when the branch moved meanwhile. A commit
// with the effect key that is on the branch already is the result.
absl::StatusOr<PublishResult> PushOnTip(Session& session, const TipRequest& request,
                                        absl::string_view look_for_effect, const Prepare& prepare);

// The content of a tree among the fetched objects; DATA_LOSS when the server did not send it.
absl::StatusOr<std::string> TreeContentOf(const ObjectMap& objects, const ObjectId& id);

// Everything the fetched trees name is on the server and need not be sent again.
void MarkKnown(const ObjectMap& objects, PackWriter& writer);

// A file whose content has a name.
struct NamedFile {
  std::string path;
  uint32_t mode = kModeFile;
  ObjectId id;
  int64_t size = 0;
  std::optional<std::string> content;  // of the first few (kMaxKeptBytes)
};

// Contents of small files (below kStreamedBytes) that are kept between naming and sending; others
// are read again when they are sent.
inline constexpr int64_t kMaxKeptBytes = 8 << 20;

// Reads all files once, before anything is asked of the server.
absl::StatusOr<std::vector<NamedFile>> NameFiles(const FileSource& files, const Call& call);
// Puts a file into the pack, unless the receiver knows it. `files` must outlive the push.
absl::Status WriteFile(const FileSource& files, const NamedFile& file, PackWriter& writer);
absl::StatusOr<ObjectId> WriteTree(TreeBuilder& tree, PackWriter& writer, const Call& call);
// `message` as ComposeMessage made it.
absl::StatusOr<ObjectId> WriteCommit(const CommitInfo& info, const std::string& message,
                                     const ObjectId& tree, const std::optional<ObjectId>& parent,
                                     absl::Time time, PackWriter& writer);

}  // namespace purser::git

#endif  // PURSER_GIT_SESSION_H_
