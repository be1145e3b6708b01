#include "git/session.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/deflate.h"
#include "git/message.h"
#include "git/signer.h"

namespace purser::git {
namespace {

constexpr int kMaxStuckAttempts = 4;
constexpr size_t kMaxWholePushBytes = 1 << 20;  // as git's http.postBuffer
// How long the branch is asked whether a push landed whose answer was lost.
constexpr absl::Duration kLandedTimeout = absl::Seconds(30);
// How far back an effect is looked for on a server that sends all contents unasked.
constexpr int kUnfilteredEffectDepth = 20;

// A source of which some was read ahead.
class Prefetched final : public http::BodySource {
 public:
  // `objects` altogether.
  Prefetched(PackStream& source, int64_t objects, const Call& call)
      : source_(source), objects_(objects), report_(call) {}
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
    report_([this] {
      return absl::StrCat("sent ", source_.objects(), " of ", objects_, " objects, ",
                          source_.bytes() >> 20, " MiB");
    });
    return taken_.empty() ? source_.Next() : std::exchange(taken_, {});
  }

 private:
  PackStream& source_;
  const int64_t objects_;
  Reporter report_;
  std::string taken_;
};

std::optional<ObjectId> FindEffectIn(const ObjectMap& objects, absl::string_view effect_key) {
  for (const auto& [id, object] : objects) {
    if (object.type != ObjectType::kCommit) continue;
    const absl::StatusOr<CommitSummary> commit = ParseCommit(object.content);
    if (commit.ok() && EffectOf(commit->message) == effect_key) return id;
  }
  return std::nullopt;
}

// After a push whose answer was lost: whether the branch holds it. False also when that cannot be
// found out; then the lost answer stays the error.
bool Landed(Session& session, const ObjectId& commit) {
  if (session.call().stop.stop_requested()) return false;
  const absl::StatusOr<Advertisement> now =
      session.Advertise(Service::kReceivePack, kLandedTimeout);
  return now.ok() && now->Tip(session.branch()) == commit;
}

std::string FileName(absl::string_view path) {
  return absl::StrCat("file \"", base::EscapeForDisplay(path), "\"");
}

absl::StatusOr<CommitSummary> CommitOf(const ObjectMap& objects, const ObjectId& id) {
  const auto found = objects.find(id);
  if (found == objects.end() || found->second.type != ObjectType::kCommit) {
    return absl::DataLossError(
        absl::StrCat("the git server did not send commit ", id.ToHex(), " that was asked for"));
  }
  return ParseCommit(found->second.content);
}

}  // namespace

Session::Session(Remote& remote, absl::string_view branch, const Call& call)
    : remote_(remote), branch_(branch), call_(call) {
  options_.timeout = call.timeout;
  options_.stop = call.stop;
}

absl::StatusOr<Advertisement> Session::Advertise(Service service, absl::Duration at_most) {
  ExchangeOptions options = options_;
  options.timeout = std::min(options.timeout, at_most);
  PURSER_ASSIGN_OR_RETURN(const std::string bytes, remote_.Advertise(service, options));
  absl::StatusOr<Advertisement> advertisement = ParseAdvertisement(bytes, service);
  return advertisement.ok() ? std::move(advertisement) : Where(advertisement.status());
}

// The commits and trees of `want`, `depth` generations deep. Asks for as little as the server is
// ready to leave out: a server may offer filters and still refuse this one.
absl::StatusOr<ObjectMap> Session::Fetch(const Advertisement& advertisement, const ObjectId& want,
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
      reading.stop = call_.stop;
      absl::StatusOr<ObjectMap> objects = ReadPack(*pack, reading);
      return objects.ok() ? std::move(objects) : Where(objects.status());
    }
    const bool filter_refused = pack.status().code() == absl::StatusCode::kFailedPrecondition &&
                                absl::StrContains(pack.status().message(), "filter");
    if (!filter_refused || i + 1 == filters.size()) return Where(pack.status());
  }
}

absl::StatusOr<std::optional<Tip>> Session::ReadTip(const TipRequest& request,
                                                    absl::string_view look_for_effect) {
  PURSER_ASSIGN_OR_RETURN(const Advertisement advertisement, Advertise(Service::kUploadPack));
  Tip tip;
  std::optional<ObjectId> id = advertisement.Tip(branch_);
  if (!id.has_value() && request.begin_branch) {
    tip.on_branch = false;
    if (!request.base_branch.empty()) {
      id = advertisement.Tip(request.base_branch);
      if (!id.has_value()) {
        return Where(absl::NotFoundError(absl::StrCat("there is no branch \"",
                                                      base::EscapeForDisplay(request.base_branch),
                                                      "\" to begin from")));
      }
    } else if (const auto head = advertisement.refs.find(advertisement.head);
               head != advertisement.refs.end()) {
      id = head->second;
    }
  }
  if (!id.has_value()) return std::nullopt;
  tip.id = *id;
  const bool filters = advertisement.Has("filter");
  const bool look = tip.on_branch && !look_for_effect.empty();
  // One exchange for both where the trees come anyway.
  const int depth = look && !filters ? kUnfilteredEffectDepth : 1;
  PURSER_ASSIGN_OR_RETURN(tip.objects, Fetch(advertisement, *id, depth, request.filters));
  if (look && filters) {
    PURSER_ASSIGN_OR_RETURN(ObjectMap history,
                            Fetch(advertisement, *id, kEffectDepth, {"tree:0", "blob:none"}));
    for (auto& [object_id, object] : history) {
      if (object.type == ObjectType::kCommit) tip.objects.try_emplace(object_id, std::move(object));
    }
  }
  absl::StatusOr<CommitSummary> commit = CommitOf(tip.objects, *id);
  if (!commit.ok()) return Where(commit.status());
  tip.tree = commit->tree;
  return tip;
}

absl::StatusOr<std::optional<ObjectId>> Session::FindEffect(absl::string_view effect_key,
                                                            int depth) {
  PURSER_ASSIGN_OR_RETURN(const Advertisement advertisement, Advertise(Service::kUploadPack));
  const std::optional<ObjectId> tip = advertisement.Tip(branch_);
  if (!tip.has_value()) return std::nullopt;
  PURSER_ASSIGN_OR_RETURN(const ObjectMap objects,
                          Fetch(advertisement, *tip, depth, {"tree:0", "blob:none"}));
  return FindEffectIn(objects, effect_key);
}

absl::Status Session::Push(const Advertisement& advertisement, const ObjectId& old_id,
                           const ObjectId& new_id, PackWriter&& writer, PublishResult& result) {
  if (!advertisement.Has("report-status")) {
    return Where(absl::FailedPreconditionError(
        "the git server does not report what becomes of a push (report-status)"));
  }
  RefUpdate update;
  update.ref = absl::StrCat("refs/heads/", branch_);
  update.old_id = old_id;
  update.new_id = new_id;
  result.objects = writer.objects();
  const std::unique_ptr<PackStream> pack =
      std::move(writer).Stream(PushHead(update, advertisement), call_.stop);
  absl::StatusOr<std::string> answer = SendPack(*pack, result.objects);
  result.pack_bytes = pack->bytes();
  if (!answer.ok()) return Where(answer.status());
  return Where(ParsePushAnswer(*answer, update, advertisement, call_.progress));
}

// A small push goes as one body of known length, as git does it: not every proxy likes chunks.
absl::StatusOr<std::string> Session::SendPack(PackStream& pack, int64_t objects) {
  Prefetched request(pack, objects, call_);
  PURSER_ASSIGN_OR_RETURN(const bool whole, request.Read(kMaxWholePushBytes));
  if (!whole) return remote_.Push(request, options_);
  return remote_.Exchange(Service::kReceivePack, std::move(request).Taken(), options_);
}

absl::Status Session::Where(const absl::Status& status) const {
  if (status.ok() || absl::StrContains(status.message(), remote_.url())) return status;
  return base::Annotate(status, absl::StrCat("repository ", remote_.url(), ", branch ", branch_));
}

absl::StatusOr<PublishResult> PushOnTip(Session& session, const TipRequest& request,
                                        absl::string_view look_for_effect, const Prepare& prepare) {
  const Call& call = session.call();
  std::optional<ObjectId> last_tip;
  int stuck = 0;
  for (int attempt = 1;; ++attempt) {
    if (call.stop.stop_requested()) return absl::CancelledError("the push was stopped");
    PURSER_ASSIGN_OR_RETURN(const Advertisement receiver, session.Advertise(Service::kReceivePack));
    std::optional<Tip> tip;
    // An empty repository spares the second question.
    if (receiver.Tip(session.branch()).has_value() ||
        (request.begin_branch && !receiver.refs.empty())) {
      const absl::string_view effect = attempt == 1 ? look_for_effect : absl::string_view();
      PURSER_ASSIGN_OR_RETURN(tip, session.ReadTip(request, effect));
      if (tip.has_value() && tip->on_branch && !effect.empty()) {
        if (const auto done = FindEffectIn(tip->objects, effect); done.has_value()) {
          PublishResult result;
          result.commit = *done;
          result.found = true;
          return result;
        }
      }
    }
    PackWriter writer;
    PublishResult result;
    absl::StatusOr<bool> needed = prepare(tip, writer, result);
    if (!needed.ok()) return session.Where(needed.status());
    if (!*needed) return result;
    const ObjectId old_id = tip.has_value() && tip->on_branch ? tip->id : ObjectId();
    absl::Status pushed = session.Push(receiver, old_id, result.commit, std::move(writer), result);
    if (base::IsOutcomeUnknown(pushed) && Landed(session, result.commit)) pushed = absl::OkStatus();
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

absl::StatusOr<std::string> TreeContentOf(const ObjectMap& objects, const ObjectId& id) {
  const auto found = objects.find(id);
  if (found == objects.end() || found->second.type != ObjectType::kTree) {
    return absl::DataLossError(
        absl::StrCat("the git server did not send tree ", id.ToHex(), " that was asked for"));
  }
  return found->second.content;
}

void MarkKnown(const ObjectMap& objects, PackWriter& writer) {
  for (const auto& [id, object] : objects) {
    writer.MarkKnown(id);
    if (object.type != ObjectType::kTree) continue;
    const absl::StatusOr<std::vector<TreeEntry>> entries = ParseTree(object.content);
    if (!entries.ok()) continue;
    // What is below a folder is known only when its own tree was fetched.
    for (const TreeEntry& entry : *entries) {
      if (entry.mode != kModeTree && entry.mode != kModeSubmodule) writer.MarkKnown(entry.id);
    }
  }
}

absl::StatusOr<std::vector<NamedFile>> NameFiles(const FileSource& files, const Call& call) {
  std::vector<NamedFile> named;
  Reporter report(call);
  int64_t kept = 0;
  PURSER_RETURN_IF_ERROR(
      files.ForEach([&](absl::string_view path, uint32_t mode, Content& content) -> absl::Status {
        PURSER_RETURN_IF_ERROR(CheckPath(path));
        report([&named] { return absl::StrCat("read ", named.size(), " files"); });
        NamedFile& file = named.emplace_back();
        file.path = std::string(path);
        file.mode = mode;
        file.size = content.size();
        const bool keep = file.size < kStreamedBytes && kept + file.size <= kMaxKeptBytes;
        if (keep) {
          kept += file.size;
          file.content.emplace();
        }
        absl::StatusOr<ObjectId> id = NameBlob(content, call.stop, keep ? &*file.content : nullptr);
        if (!id.ok()) return base::Annotate(id.status(), FileName(path));
        file.id = *id;
        return absl::OkStatus();
      }));
  return named;
}

absl::Status WriteFile(const FileSource& files, const NamedFile& file, PackWriter& writer) {
  PackItem item;
  item.id = file.id;
  item.size = file.size;
  item.name = FileName(file.path);
  if (file.content.has_value()) {
    item.content = *file.content;
  } else {
    item.open = [&files, path = file.path, mode = file.mode] { return files.Open(path, mode); };
  }
  const std::string name = item.name;
  return base::Annotate(writer.AddItem(std::move(item)), name);
}

absl::StatusOr<ObjectId> WriteTree(TreeBuilder& tree, PackWriter& writer, const Call& call) {
  return tree.Write([&](absl::string_view content) -> absl::StatusOr<ObjectId> {
    if (call.stop.stop_requested()) return absl::CancelledError("the push was stopped");
    return writer.Add(ObjectType::kTree, content);
  });
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
  if (info.signer != nullptr) {
    PURSER_ASSIGN_OR_RETURN(commit.signature, info.signer->Sign(EncodeCommit(commit), time));
  }
  return writer.Add(ObjectType::kCommit, EncodeCommit(commit));
}

}  // namespace purser::git
