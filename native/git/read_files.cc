#include "git/read_files.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/object.h"
#include "git/pack_reader.h"
#include "git/protocol.h"

namespace purser::git {
namespace {

constexpr absl::string_view kHeads = "refs/heads/";

class Reader {
 public:
  Reader(const ReadFilesRequest& request, const Call& call, ObjectMap objects)
      : request_(request), call_(call), objects_(std::move(objects)) {}

  absl::Status Commit(const ObjectId& id) {
    PURSER_ASSIGN_OR_RETURN(const std::string content, Take(id, ObjectType::kCommit));
    PURSER_ASSIGN_OR_RETURN(const CommitSummary commit, ParseCommit(content));
    return Tree(commit.tree, "", 0);
  }

 private:
  // A copy: several paths may name one object.
  absl::StatusOr<std::string> Take(const ObjectId& id, ObjectType type) const {
    const auto found = objects_.find(id);
    if (found == objects_.end() || found->second.type != type) {
      return absl::DataLossError(absl::StrCat("the git server did not send ", TypeName(type), " ",
                                              id.ToHex(), " that was asked for"));
    }
    return found->second.content;
  }

  absl::Status Tree(const ObjectId& id, const std::string& folder, int depth) {
    if (depth > kMaxPathDepth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("folders deeper than ", kMaxPathDepth, " (kMaxPathDepth)"));
    }
    if (call_.stop.stop_requested()) return absl::CancelledError("stopped");
    PURSER_ASSIGN_OR_RETURN(const std::string content, Take(id, ObjectType::kTree));
    PURSER_ASSIGN_OR_RETURN(const std::vector<TreeEntry> entries, ParseTree(content));
    for (const TreeEntry& entry : entries) {
      // Trees that name one another many times over grow without bound when they are walked.
      if (++visited_ > kMaxVisited) {
        return absl::ResourceExhaustedError(
            absl::StrCat("more than ", kMaxVisited, " files and folders (kMaxVisited)"));
      }
      const std::string path = absl::StrCat(folder, entry.name);
      if (entry.mode == kModeTree) {
        PURSER_RETURN_IF_ERROR(Tree(entry.id, absl::StrCat(path, "/"), depth + 1));
      } else if (entry.mode != kModeSymlink && entry.mode != kModeSubmodule &&
                 request_.wanted(path)) {
        PURSER_RETURN_IF_ERROR(CheckPath(path));
        PURSER_ASSIGN_OR_RETURN(std::string text, Take(entry.id, ObjectType::kBlob));
        PURSER_RETURN_IF_ERROR(request_.file(path, std::move(text)));
      }
    }
    return absl::OkStatus();
  }

  static constexpr int64_t kMaxVisited = 2'000'000;

  const ReadFilesRequest& request_;
  const Call& call_;
  const ObjectMap objects_;
  int64_t visited_ = 0;
};

absl::StatusOr<ReadFilesResult> Read(Remote& remote, const ReadFilesRequest& request,
                                     const Call& call) {
  ExchangeOptions options;
  options.timeout = call.timeout;
  options.stop = call.stop;
  PURSER_ASSIGN_OR_RETURN(const std::string refs, remote.Advertise(Service::kUploadPack, options));
  PURSER_ASSIGN_OR_RETURN(const Advertisement advertisement,
                          ParseAdvertisement(refs, Service::kUploadPack));
  ReadFilesResult result;
  result.branch = request.branch;
  if (result.branch.empty()) {
    absl::string_view head = advertisement.head;
    if (!absl::ConsumePrefix(&head, kHeads)) {
      return absl::FailedPreconditionError(
          "the repository does not say which branch is its default; name one");
    }
    result.branch = std::string(head);
  }
  const std::optional<ObjectId> tip = advertisement.Tip(result.branch);
  if (!tip.has_value()) {
    return absl::NotFoundError(
        absl::StrCat("there is no branch \"", base::EscapeForDisplay(result.branch), "\""));
  }
  result.commit = *tip;
  result.changed = request.known != *tip;
  if (!result.changed) return result;
  FetchRequest fetch;
  fetch.want = *tip;
  PURSER_ASSIGN_OR_RETURN(
      std::string answer,
      remote.Exchange(Service::kUploadPack, EncodeFetch(fetch, advertisement), options));
  PURSER_ASSIGN_OR_RETURN(const std::string pack,
                          ParseFetchAnswer(answer, advertisement, call.progress));
  answer = std::string();  // the pack is a copy
  PURSER_ASSIGN_OR_RETURN(ObjectMap objects, ReadPack(pack));
  PURSER_RETURN_IF_ERROR(Reader(request, call, std::move(objects)).Commit(*tip));
  return result;
}

}  // namespace

absl::StatusOr<ReadFilesResult> ReadFiles(Remote& remote, const ReadFilesRequest& request,
                                          const Call& call) {
  absl::StatusOr<ReadFilesResult> result = Read(remote, request, call);
  if (result.ok()) return result;
  return base::Annotate(result.status(), absl::StrCat("repository ", remote.url()));
}

}  // namespace purser::git
