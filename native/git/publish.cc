#include "git/publish.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/message.h"
#include "git/pack_reader.h"
#include "git/pack_writer.h"
#include "git/protocol.h"
#include "git/tree_builder.h"

namespace purser::git {
namespace {

constexpr int kMaxStuckAttempts = 4;
constexpr size_t kMaxWholePushBytes = 1 << 20;  // as git's http.postBuffer
// Contents kept between naming and sending; files beyond are read twice.
constexpr int64_t kMaxKeptBytes = 16 << 20;

// A source of which some was read ahead.
class Prefetched final : public http::BodySource {
 public:
  explicit Prefetched(http::BodySource& source) : source_(source) {}
  // True when all of the source is less than `limit` and was read.
  absl::StatusOr<bool> Read(size_t limit) {
    while (taken_.size() < limit) {
      PURSER_ASSIGN_OR_RETURN(const std::string piece, source_.Next());
      if (piece.empty()) return true;
      taken_ += piece;
    }
    return false;
  }
  std::string Taken() && { return std::move(taken_); }
  absl::StatusOr<std::string> Next() override {
    return taken_.empty() ? source_.Next() : std::exchange(taken_, {});
  }

 private:
  http::BodySource& source_;
  std::string taken_;
};

// One branch of one remote during one call.
class Session {
 public:
  Session(Remote& remote, absl::string_view branch, const Call& call)
      : remote_(remote), branch_(branch), call_(call) {
    options_.timeout = call.timeout;
    options_.stop = call.stop;
  }

  const std::string& branch() const { return branch_; }

  absl::StatusOr<Advertisement> Advertise(Service service) {
    PURSER_ASSIGN_OR_RETURN(const std::string bytes, remote_.Advertise(service, options_));
    absl::StatusOr<Advertisement> advertisement = ParseAdvertisement(bytes, service);
    return advertisement.ok() ? std::move(advertisement) : Where(advertisement.status());
  }

  // The commits and trees of `want`, `depth` generations deep. Asks for as little as the server is
  // ready to leave out: a server may offer filters and still refuse this one.
  absl::StatusOr<ObjectMap> Fetch(const Advertisement& advertisement, const ObjectId& want,
                                  int depth, std::vector<std::string> filters) {
    if (!advertisement.Has("filter")) filters.clear();
    filters.emplace_back();
    for (size_t i = 0;; ++i) {
      FetchRequest request;
      request.want = want;
      request.depth = depth;
      request.filter = filters[i];
      absl::StatusOr<std::string> answer =
          remote_.Exchange(Service::kUploadPack, EncodeFetch(request, advertisement), options_);
      absl::StatusOr<std::string> pack =
          answer.ok() ? ParseFetchAnswer(*answer, advertisement, call_.progress) : answer.status();
      if (pack.ok()) {
        answer = std::string();  // the pack is a copy; both would double what a large fetch holds
        PackReaderOptions reading;
        reading.skip_blobs = true;
        absl::StatusOr<ObjectMap> objects = ReadPack(*pack, reading);
        return objects.ok() ? std::move(objects) : Where(objects.status());
      }
      const bool filter_refused = pack.status().code() == absl::StatusCode::kFailedPrecondition &&
                                  absl::StrContains(pack.status().message(), "filter");
      if (!filter_refused || i + 1 == filters.size()) return Where(pack.status());
    }
  }

  absl::Status Push(const Advertisement& advertisement, const ObjectId& old_id,
                    const ObjectId& new_id, PackWriter&& writer, PublishResult& result) {
    RefUpdate update;
    update.ref = absl::StrCat("refs/heads/", branch_);
    update.old_id = old_id;
    update.new_id = new_id;
    result.objects = writer.objects();
    const std::unique_ptr<PackStream> pack =
        std::move(writer).Stream(PushHead(update, advertisement), call_.stop);
    absl::StatusOr<std::string> answer = SendPack(*pack);
    result.pack_bytes = pack->bytes();
    if (!answer.ok()) return Where(answer.status());
    return Where(ParsePushAnswer(*answer, update, advertisement, call_.progress));
  }

  // A small push goes as one body of known length, as git does it: not every proxy likes chunks.
  absl::StatusOr<std::string> SendPack(PackStream& pack) {
    Prefetched request(pack);
    PURSER_ASSIGN_OR_RETURN(const bool whole, request.Read(kMaxWholePushBytes));
    if (!whole) return remote_.Push(request, options_);
    return remote_.Exchange(Service::kReceivePack, std::move(request).Taken(), options_);
  }

  // Adds repository and branch to an error that does not name the repository yet.
  absl::Status Where(const absl::Status& status) const {
    if (status.ok() || absl::StrContains(status.message(), remote_.url())) return status;
    return base::Annotate(status, absl::StrCat("repository ", remote_.url(), ", branch ", branch_));
  }

 private:
  Remote& remote_;
  const std::string branch_;
  const Call& call_;
  ExchangeOptions options_;
};

std::optional<ObjectId> FindEffectIn(const ObjectMap& objects, absl::string_view effect_key) {
  for (const auto& [id, object] : objects) {
    if (object.type != ObjectType::kCommit) continue;
    const absl::StatusOr<CommitSummary> commit = ParseCommit(object.content);
    if (commit.ok() && EffectOf(commit->message) == effect_key) return id;
  }
  return std::nullopt;
}

absl::StatusOr<CommitSummary> CommitOf(const ObjectMap& objects, const ObjectId& id) {
  const auto found = objects.find(id);
  if (found == objects.end() || found->second.type != ObjectType::kCommit) {
    return absl::DataLossError(
        absl::StrCat("the git server did not send commit ", id.ToHex(), " that was asked for"));
  }
  return ParseCommit(found->second.content);
}

absl::StatusOr<std::string> TreeContentOf(const ObjectMap& objects, const ObjectId& id) {
  const auto found = objects.find(id);
  if (found == objects.end() || found->second.type != ObjectType::kTree) {
    return absl::DataLossError(
        absl::StrCat("the git server did not send tree ", id.ToHex(), " that was asked for"));
  }
  return found->second.content;
}

// Everything the fetched trees name is on the server and need not be sent again.
void MarkKnown(const ObjectMap& objects, PackWriter& writer) {
  for (const auto& [id, object] : objects) {
    writer.MarkKnown(id);
    if (object.type != ObjectType::kTree) continue;
    const absl::StatusOr<std::vector<TreeEntry>> entries = ParseTree(object.content);
    if (!entries.ok()) continue;
    // A folder named by a fetched tree was fetched too; only then is all below it known.
    for (const TreeEntry& entry : *entries) {
      if (entry.mode != kModeTree && entry.mode != kModeSubmodule) writer.MarkKnown(entry.id);
    }
  }
}

absl::StatusOr<ObjectId> WriteTree(TreeBuilder& tree, PackWriter& writer) {
  return tree.Write(
      [&writer](absl::string_view content) { return writer.Add(ObjectType::kTree, content); });
}

// Reads a file again when its turn comes; errors name it.
std::function<absl::StatusOr<std::string>()> LoaderOf(const FileSource& files,
                                                      absl::string_view path, uint32_t mode) {
  return [&files, path = std::string(path), mode] { return files.Read(path, mode); };
}

absl::StatusOr<ObjectId> WriteFiles(const FileSource& files, PackWriter& writer, int64_t& count) {
  TreeBuilder tree;
  PURSER_RETURN_IF_ERROR(files.ForEach([&](absl::string_view path, uint32_t mode,
                                           absl::string_view content) -> absl::Status {
    const bool keep = writer.kept_bytes() + static_cast<int64_t>(content.size()) <= kMaxKeptBytes;
    absl::StatusOr<ObjectId> id =
        keep ? writer.Add(ObjectType::kBlob, content)
             : writer.AddLater(ObjectType::kBlob, content,
                               absl::StrCat("file \"", base::EscapeForDisplay(path), "\""),
                               LoaderOf(files, path, mode));
    if (!id.ok()) {
      return base::Annotate(id.status(),
                            absl::StrCat("file \"", base::EscapeForDisplay(path), "\""));
    }
    ++count;
    return tree.Put(path, mode, *id);
  }));
  return WriteTree(tree, writer);
}

absl::StatusOr<ObjectId> WriteCommit(const CommitInfo& info, const std::string& message,
                                     const ObjectId& tree, const std::optional<ObjectId>& parent,
                                     absl::Time time, PackWriter& writer) {
  Commit commit;
  commit.tree = tree;
  if (parent.has_value()) commit.parents.push_back(*parent);
  commit.author = info.author;
  commit.committer = info.author;
  commit.time = time;
  commit.message = message;
  return writer.Add(ObjectType::kCommit, EncodeCommit(commit));
}

struct Tip {
  ObjectId id;
  ObjectId tree;
  ObjectMap objects;
};

// The branch's tip with its trees; nullopt when the branch has gone meanwhile.
absl::StatusOr<std::optional<Tip>> ReadTip(Session& session) {
  PURSER_ASSIGN_OR_RETURN(const Advertisement advertisement,
                          session.Advertise(Service::kUploadPack));
  const std::optional<ObjectId> id = advertisement.Tip(session.branch());
  if (!id.has_value()) return std::nullopt;
  Tip tip;
  tip.id = *id;
  PURSER_ASSIGN_OR_RETURN(tip.objects, session.Fetch(advertisement, *id, 1, {"blob:none"}));
  absl::StatusOr<CommitSummary> commit = CommitOf(tip.objects, *id);
  if (!commit.ok()) return session.Where(commit.status());
  tip.tree = commit->tree;
  return tip;
}

absl::StatusOr<std::optional<ObjectId>> FindEffectOf(Session& session, absl::string_view effect_key,
                                                     int depth) {
  PURSER_ASSIGN_OR_RETURN(const Advertisement advertisement,
                          session.Advertise(Service::kUploadPack));
  const std::optional<ObjectId> tip = advertisement.Tip(session.branch());
  if (!tip.has_value()) return std::nullopt;
  PURSER_ASSIGN_OR_RETURN(const ObjectMap objects,
                          session.Fetch(advertisement, *tip, depth, {"tree:0", "blob:none"}));
  return FindEffectIn(objects, effect_key);
}

// Adds the commit to make on top of `tip` to the writer. OK with result.pushed left false and the
// commit set: there is nothing to push.
using Prepare = std::function<absl::StatusOr<bool>(const std::optional<Tip>& tip,
                                                   PackWriter& writer, PublishResult& result)>;

// Reads the tip, prepares, pushes; again from the start when the branch moved meanwhile.
absl::StatusOr<PublishResult> PushOnTip(Session& session, const Call& call,
                                        absl::string_view look_for_effect, const Prepare& prepare) {
  std::optional<ObjectId> last_tip;
  int stuck = 0;
  for (int attempt = 1;; ++attempt) {
    if (call.stop.stop_requested()) return absl::CancelledError("the push was stopped");
    PURSER_ASSIGN_OR_RETURN(const Advertisement receiver, session.Advertise(Service::kReceivePack));
    std::optional<Tip> tip;
    if (receiver.Tip(session.branch()).has_value()) {
      PURSER_ASSIGN_OR_RETURN(tip, ReadTip(session));
      if (attempt == 1 && tip.has_value() && !look_for_effect.empty()) {
        PURSER_ASSIGN_OR_RETURN(const std::optional<ObjectId> done,
                                FindEffectOf(session, look_for_effect, kEffectDepth));
        if (done.has_value()) {
          PublishResult result;
          result.commit = *done;
          return result;
        }
      }
    }
    PackWriter writer;
    PublishResult result;
    absl::StatusOr<bool> needed = prepare(tip, writer, result);
    if (!needed.ok()) return session.Where(needed.status());
    if (!*needed) return result;
    const ObjectId old_id = tip.has_value() ? tip->id : ObjectId();
    const absl::Status pushed =
        session.Push(receiver, old_id, result.commit, std::move(writer), result);
    if (pushed.ok()) {
      result.pushed = true;
      return result;
    }
    if (pushed.code() != absl::StatusCode::kAborted || attempt >= kMaxPushAttempts) return pushed;
    // "Failed to update ref" is said of a race and of a broken repository; a tip that keeps
    // standing still tells them apart (once or twice, the winner may just hold the lock).
    stuck = last_tip == old_id ? stuck + 1 : 0;
    if (stuck >= kMaxStuckAttempts) {
      return absl::Status(absl::StatusCode::kFailedPrecondition, pushed.message());
    }
    last_tip = old_id;
    if (call.progress) call.progress("the branch moved meanwhile; trying again on its new tip");
  }
}

}  // namespace

absl::StatusOr<PublishResult> BuildTree(const FileSource& files, std::stop_token stop) {
  PackWriter writer;
  PublishResult result;
  PURSER_ASSIGN_OR_RETURN(result.tree, WriteFiles(files, writer, result.files));
  result.objects = writer.objects();
  // What a push would send is known only when it has been made.
  const std::unique_ptr<PackStream> pack = std::move(writer).Stream("", stop);
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const std::string piece, pack->Next());
    if (piece.empty()) break;
  }
  result.pack_bytes = pack->bytes();
  return result;
}

absl::StatusOr<PublishResult> PublishTree(Remote& remote, absl::string_view branch,
                                          const FileSource& files, const CommitInfo& info,
                                          ExistingBranch existing, const Call& call) {
  PURSER_RETURN_IF_ERROR(CheckBranch(branch));
  PURSER_RETURN_IF_ERROR(CheckPerson(info.author, "author"));
  PURSER_ASSIGN_OR_RETURN(const std::string message, ComposeMessage(info.message, info.effect_key));
  const absl::Time time = call.clock.Now();
  Session session(remote, branch, call);
  return PushOnTip(session, call, info.effect_key,
                   [&](const std::optional<Tip>& tip, PackWriter& writer,
                       PublishResult& result) -> absl::StatusOr<bool> {
                     if (tip.has_value()) MarkKnown(tip->objects, writer);
                     PURSER_ASSIGN_OR_RETURN(result.tree, WriteFiles(files, writer, result.files));
                     if (tip.has_value() && tip->tree == result.tree) {
                       result.commit = tip->id;
                       return false;
                     }
                     if (tip.has_value() && existing == ExistingBranch::kFail) {
                       return absl::AlreadyExistsError(absl::StrCat(
                           "it already has commits with other files (tip ", tip->id.ToHex(),
                           "); publish to an empty repository or another branch"));
                     }
                     std::optional<ObjectId> parent;
                     if (tip.has_value()) parent = tip->id;
                     PURSER_ASSIGN_OR_RETURN(result.commit, WriteCommit(info, message, result.tree,
                                                                        parent, time, writer));
                     return true;
                   });
}

absl::StatusOr<PublishResult> CommitFiles(Remote& remote, absl::string_view branch,
                                          const Changes& changes, const CommitInfo& info,
                                          const Call& call) {
  PURSER_RETURN_IF_ERROR(CheckBranch(branch));
  PURSER_RETURN_IF_ERROR(CheckPerson(info.author, "author"));
  PURSER_ASSIGN_OR_RETURN(const std::string message, ComposeMessage(info.message, info.effect_key));
  for (const auto& [path, content] : changes) PURSER_RETURN_IF_ERROR(CheckPath(path));
  const absl::Time time = call.clock.Now();
  Session session(remote, branch, call);
  return PushOnTip(
      session, call, "",
      [&](const std::optional<Tip>& tip, PackWriter& writer,
          PublishResult& result) -> absl::StatusOr<bool> {
        std::optional<TreeBuilder> tree;
        if (tip.has_value()) {
          MarkKnown(tip->objects, writer);
          tree.emplace(tip->tree,
                       [&tip](const ObjectId& id) { return TreeContentOf(tip->objects, id); });
        } else {
          tree.emplace();
        }
        for (const auto& [path, content] : changes) {
          if (!content.has_value()) {
            PURSER_RETURN_IF_ERROR(tree->Remove(path));
            continue;
          }
          PURSER_ASSIGN_OR_RETURN(const ObjectId blob, writer.Add(ObjectType::kBlob, *content));
          PURSER_ASSIGN_OR_RETURN(uint32_t mode, tree->ModeOf(path));
          if (mode != kModeExecutable) mode = kModeFile;
          PURSER_RETURN_IF_ERROR(tree->Put(path, mode, blob));
        }
        PURSER_ASSIGN_OR_RETURN(result.tree, WriteTree(*tree, writer));
        if (tip.has_value() && tip->tree == result.tree) {
          result.commit = tip->id;
          return false;
        }
        result.files = static_cast<int64_t>(changes.size());
        std::optional<ObjectId> parent;
        if (tip.has_value()) parent = tip->id;
        PURSER_ASSIGN_OR_RETURN(result.commit,
                                WriteCommit(info, message, result.tree, parent, time, writer));
        return true;
      });
}

absl::StatusOr<std::optional<ObjectId>> FindEffect(Remote& remote, absl::string_view branch,
                                                   absl::string_view effect_key, const Call& call,
                                                   int depth) {
  PURSER_RETURN_IF_ERROR(CheckBranch(branch));
  Session session(remote, branch, call);
  return FindEffectOf(session, effect_key, depth);
}

}  // namespace purser::git
