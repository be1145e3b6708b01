#include "git/commit.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/message.h"
#include "git/session.h"
#include "git/tree_builder.h"

namespace purser::git {
namespace {

constexpr absl::string_view kHeads = "refs/heads/";

struct Plan {
  std::string message;
  std::vector<NamedFile> files;    // paths as in the source
  std::vector<std::string> paths;  // as in the repository, of the same files
};

absl::StatusOr<Plan> Prepared(absl::string_view branch, const TreeChange& change,
                              const CommitInfo& info, const Call& call) {
  PURSER_RETURN_IF_ERROR(CheckBranch(branch));
  if (!change.base_branch.empty()) PURSER_RETURN_IF_ERROR(CheckBranch(change.base_branch));
  PURSER_RETURN_IF_ERROR(CheckPerson(info.author, "author"));
  if (!change.target_path.empty()) PURSER_RETURN_IF_ERROR(CheckPath(change.target_path));
  if (change.delete_paths.size() > kMaxDeletePaths) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than ", kMaxDeletePaths, " paths to delete (kMaxDeletePaths)"));
  }
  for (const std::string& path : change.delete_paths) PURSER_RETURN_IF_ERROR(CheckPath(path));
  Plan plan;
  PURSER_ASSIGN_OR_RETURN(plan.message, ComposeMessage(info.message, info.effect_key));
  if (change.files == nullptr) return plan;
  PURSER_ASSIGN_OR_RETURN(plan.files, NameFiles(*change.files, call));
  plan.paths.reserve(plan.files.size());
  for (const NamedFile& file : plan.files) {
    plan.paths.push_back(
        change.target_path.empty() ? file.path : absl::StrCat(change.target_path, "/", file.path));
    PURSER_RETURN_IF_ERROR(CheckPath(plan.paths.back()));
  }
  return plan;
}

// What the server may leave out. A change that only puts files needs the folders on their way, and
// of a large repository these are few.
std::vector<std::string> FiltersFor(const TreeChange& change, const Plan& plan) {
  std::vector<std::string> filters = {"blob:none"};
  if (change.mirror || !change.delete_paths.empty()) return filters;
  int64_t depth = 1;
  for (const std::string& path : plan.paths) {
    depth = std::max<int64_t>(depth, 1 + std::count(path.begin(), path.end(), '/'));
  }
  filters.insert(filters.begin(), absl::StrCat("combine:blob:none+tree:", depth));
  return filters;
}

// The files of the tip that go away.
absl::StatusOr<std::set<std::string>> Gone(const TreeChange& change, const Plan& plan,
                                           TreeBuilder& tree) {
  std::set<std::string> gone;
  const auto all_below = [&](const std::string& folder) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(std::vector<std::string> files, tree.FilesBelow(folder));
    for (std::string& file : files) {
      gone.insert(folder.empty() ? std::move(file) : absl::StrCat(folder, "/", file));
    }
    return absl::OkStatus();
  };
  for (const std::string& path : change.delete_paths) {
    PURSER_ASSIGN_OR_RETURN(const std::optional<TreeEntry> file, tree.Find(path));
    if (file.has_value()) {
      gone.insert(path);
    } else {
      PURSER_RETURN_IF_ERROR(all_below(path));
    }
  }
  if (change.mirror) PURSER_RETURN_IF_ERROR(all_below(change.target_path));
  for (const std::string& path : plan.paths) gone.erase(path);
  return gone;
}

absl::Status Apply(const TreeChange& change, const Plan& plan, TreeBuilder& tree,
                   PackWriter& writer, const Call& call, CommitResult& result) {
  // First, so that a file may come where a folder was.
  PURSER_ASSIGN_OR_RETURN(const std::set<std::string> gone, Gone(change, plan, tree));
  for (const std::string& path : gone) PURSER_RETURN_IF_ERROR(tree.Remove(path));
  result.deleted = static_cast<int64_t>(gone.size());
  for (size_t i = 0; i < plan.files.size(); ++i) {
    if (call.stop.stop_requested()) return absl::CancelledError("the commit was stopped");
    const NamedFile& file = plan.files[i];
    PURSER_ASSIGN_OR_RETURN(const std::optional<TreeEntry> now, tree.Find(plan.paths[i]));
    if (now.has_value() && now->mode == file.mode && now->id == file.id) continue;
    ++(now.has_value() ? result.changed : result.added);
    PURSER_RETURN_IF_ERROR(tree.Put(plan.paths[i], file.mode, file.id));
    PURSER_RETURN_IF_ERROR(WriteFile(*change.files, file, writer));
  }
  result.files = result.added + result.changed + result.deleted;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommitResult> CommitTree(Remote& remote, absl::string_view branch,
                                        const TreeChange& change, const CommitInfo& info,
                                        const Call& call) {
  PURSER_ASSIGN_OR_RETURN(const Plan plan, Prepared(branch, change, info, call));
  const absl::Time time = call.clock.Now();
  Session session(remote, branch, call);
  TipRequest request;
  request.filters = FiltersFor(change, plan);
  request.begin_branch = true;
  request.base_branch = change.base_branch;
  CommitResult counted;  // of the last attempt
  PURSER_ASSIGN_OR_RETURN(
      const PublishResult done,
      PushOnTip(session, request, info.effect_key,
                [&](const std::optional<Tip>& tip, PackWriter& writer,
                    PublishResult& result) -> absl::StatusOr<bool> {
                  counted = CommitResult();
                  counted.new_branch = !tip.has_value() || !tip->on_branch;
                  std::optional<TreeBuilder> tree;
                  std::optional<ObjectId> parent;
                  if (tip.has_value()) {
                    MarkKnown(tip->objects, writer);
                    parent = tip->id;
                    tree.emplace(tip->tree, [&tip](const ObjectId& id) {
                      return TreeContentOf(tip->objects, id);
                    });
                  } else {
                    tree.emplace();
                  }
                  PURSER_RETURN_IF_ERROR(Apply(change, plan, *tree, writer, call, counted));
                  result.files = counted.files;
                  PURSER_ASSIGN_OR_RETURN(result.tree, WriteTree(*tree, writer, call));
                  if (counted.files == 0) {
                    if (parent.has_value()) result.commit = *parent;
                    counted.new_branch = false;
                    return false;
                  }
                  PURSER_ASSIGN_OR_RETURN(
                      result.commit,
                      WriteCommit(info, plan.message, result.tree, parent, time, writer));
                  return true;
                }));
  if (done.found) counted = CommitResult();
  static_cast<PublishResult&>(counted) = done;
  return counted;
}

absl::StatusOr<int64_t> CheckChange(absl::string_view branch, const TreeChange& change,
                                    const CommitInfo& info, const Call& call) {
  PURSER_ASSIGN_OR_RETURN(const Plan plan, Prepared(branch, change, info, call));
  return static_cast<int64_t>(plan.files.size());
}

absl::StatusOr<std::string> DefaultBranch(Remote& remote, const Call& call) {
  Session session(remote, "HEAD", call);
  PURSER_ASSIGN_OR_RETURN(const Advertisement advertisement,
                          session.Advertise(Service::kUploadPack));
  absl::string_view head = advertisement.head;
  if (absl::ConsumePrefix(&head, kHeads) && CheckBranch(head).ok()) return std::string(head);
  if (advertisement.refs.empty()) return std::string("main");
  return absl::FailedPreconditionError(absl::StrCat(
      "repository ", remote.url(), " does not say which branch is its default; name one"));
}

}  // namespace purser::git
