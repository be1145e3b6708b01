#include "git/publish.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "git/message.h"
#include "git/session.h"
#include "git/tree_builder.h"

namespace purser::git {
namespace {

absl::StatusOr<ObjectId> WriteFiles(const FileSource& source, const std::vector<NamedFile>& files,
                                    PackWriter& writer, const Call& call) {
  TreeBuilder tree;
  for (const NamedFile& file : files) {
    if (call.stop.stop_requested()) return absl::CancelledError("the push was stopped");
    PURSER_RETURN_IF_ERROR(tree.Put(file.path, file.mode, file.id));
    PURSER_RETURN_IF_ERROR(WriteFile(source, file, writer));
  }
  return WriteTree(tree, writer, call);
}

// `tip` must outlive it.
TreeBuilder::LoadTree LoaderOf(const Tip& tip) {
  return [&tip](const ObjectId& id) { return TreeContentOf(tip.objects, id); };
}

std::optional<ObjectId> ParentOf(const std::optional<Tip>& tip) {
  if (!tip.has_value()) return std::nullopt;
  return tip->id;
}

}  // namespace

absl::StatusOr<PublishResult> BuildTree(const FileSource& files, const Call& call) {
  PackWriter writer;
  PublishResult result;
  PURSER_ASSIGN_OR_RETURN(const std::vector<NamedFile> named, NameFiles(files, call));
  PURSER_ASSIGN_OR_RETURN(result.tree, WriteFiles(files, named, writer, call));
  result.files = static_cast<int64_t>(named.size());
  result.objects = writer.objects();
  // What a push would send is known only when it has been made.
  const std::unique_ptr<PackStream> pack = std::move(writer).Stream("", call.stop);
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
  PURSER_ASSIGN_OR_RETURN(const std::vector<NamedFile> named, NameFiles(files, call));
  const absl::Time time = call.clock.Now();
  Session session(remote, branch, call);
  return PushOnTip(
      session, {}, info.effect_key,
      [&](const std::optional<Tip>& tip, PackWriter& writer,
          PublishResult& result) -> absl::StatusOr<bool> {
        if (tip.has_value()) MarkKnown(tip->objects, writer);
        PURSER_ASSIGN_OR_RETURN(result.tree, WriteFiles(files, named, writer, call));
        result.files = static_cast<int64_t>(named.size());
        if (tip.has_value() && tip->tree == result.tree) {
          result.commit = tip->id;
          return false;
        }
        if (tip.has_value() && existing == ExistingBranch::kFail) {
          return absl::AlreadyExistsError(
              absl::StrCat("it already has commits with other files (tip ", tip->id.ToHex(),
                           "); publish to an empty repository or another branch"));
        }
        PURSER_ASSIGN_OR_RETURN(
            result.commit, WriteCommit(info, message, result.tree, ParentOf(tip), time, writer));
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
      session, {}, "",
      [&](const std::optional<Tip>& tip, PackWriter& writer,
          PublishResult& result) -> absl::StatusOr<bool> {
        std::optional<TreeBuilder> tree;
        if (tip.has_value()) {
          MarkKnown(tip->objects, writer);
          tree.emplace(tip->tree, LoaderOf(*tip));
        } else {
          tree.emplace();
        }
        for (const auto& [path, content] : changes) {
          if (!content.has_value()) {
            PURSER_RETURN_IF_ERROR(tree->Remove(path));
            continue;
          }
          PURSER_ASSIGN_OR_RETURN(const ObjectId blob, writer.Add(ObjectType::kBlob, *content));
          PURSER_ASSIGN_OR_RETURN(const std::optional<TreeEntry> now, tree->Find(path));
          const bool executable = now.has_value() && now->mode == kModeExecutable;
          PURSER_RETURN_IF_ERROR(tree->Put(path, executable ? kModeExecutable : kModeFile, blob));
        }
        PURSER_ASSIGN_OR_RETURN(result.tree, WriteTree(*tree, writer, call));
        if (tip.has_value() && tip->tree == result.tree) {
          result.commit = tip->id;
          return false;
        }
        result.files = static_cast<int64_t>(changes.size());
        PURSER_ASSIGN_OR_RETURN(
            result.commit, WriteCommit(info, message, result.tree, ParentOf(tip), time, writer));
        return true;
      });
}

absl::StatusOr<std::map<std::string, std::optional<ObjectId>>> FindFiles(
    Remote& remote, absl::string_view branch, absl::Span<const std::string> paths,
    const Call& call) {
  PURSER_RETURN_IF_ERROR(CheckBranch(branch));
  for (const std::string& path : paths) PURSER_RETURN_IF_ERROR(CheckPath(path));
  Session session(remote, branch, call);
  PURSER_ASSIGN_OR_RETURN(const std::optional<Tip> tip, session.ReadTip({}, ""));
  std::map<std::string, std::optional<ObjectId>> found;
  std::optional<TreeBuilder> tree;
  if (tip.has_value()) tree.emplace(tip->tree, LoaderOf(*tip));
  for (const std::string& path : paths) {
    std::optional<ObjectId>& id = found[path];
    if (!tree.has_value()) continue;
    PURSER_ASSIGN_OR_RETURN(const std::optional<TreeEntry> entry, tree->Find(path));
    if (entry.has_value()) id = entry->id;
  }
  return found;
}

absl::StatusOr<std::optional<ObjectId>> FindEffect(Remote& remote, absl::string_view branch,
                                                   absl::string_view effect_key, const Call& call,
                                                   int depth) {
  PURSER_RETURN_IF_ERROR(CheckBranch(branch));
  Session session(remote, branch, call);
  return session.FindEffect(effect_key, depth);
}

}  // namespace purser::git
