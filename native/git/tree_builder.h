// A tree of files being built or changed in memory, of which only what changed is written.
#ifndef PURSER_GIT_TREE_BUILDER_H_
#define PURSER_GIT_TREE_BUILDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/object.h"
#include "git/object_id.h"

namespace purser::git {

// Not thread-safe.
class TreeBuilder {
 public:
  // Gives the content of a tree object by name.
  using LoadTree = std::function<absl::StatusOr<std::string>(const ObjectId&)>;
  // Takes a new tree object and names it.
  using SaveTree = std::function<absl::StatusOr<ObjectId>(absl::string_view content)>;

  // Starts empty.
  TreeBuilder();
  // Starts from an existing tree; folders are read through `load` when a path leads into them.
  TreeBuilder(const ObjectId& root, LoadTree load);
  ~TreeBuilder();

  // Puts a file in place, making folders. INVALID_ARGUMENT for a bad path (CheckPath);
  // FAILED_PRECONDITION when a file stands where a folder is needed or the reverse.
  absl::Status Put(absl::string_view path, uint32_t mode, const ObjectId& blob);
  // Takes a file away, and folders that become empty. A missing file is OK.
  absl::Status Remove(absl::string_view path);
  // Takes away the file or folder at `path`, with all below it; the files that went. 0 when there
  // is nothing.
  absl::StatusOr<int64_t> RemoveAll(absl::string_view path);
  // The file (or link, or submodule) at `path`; nullopt when there is none, or a folder. Its name
  // is not filled in.
  absl::StatusOr<std::optional<TreeEntry>> Find(absl::string_view path);
  // The paths of all files below `folder` ("" = the root), relative to it. None when it is not
  // there or a file. RESOURCE_EXHAUSTED beyond kMaxPathDepth folders.
  absl::StatusOr<std::vector<std::string>> FilesBelow(absl::string_view folder);

  // Writes the changed folders, deepest first, and returns the root's name.
  absl::StatusOr<ObjectId> Write(const SaveTree& save);

 private:
  struct Node;
  absl::Status Load(Node& node, absl::string_view path);
  absl::StatusOr<Node*> Walk(absl::string_view path, bool make, std::vector<Node*>* trail);
  absl::Status ListNode(Node& node, const std::string& path, int depth,
                        std::vector<std::string>& out);
  // The folder at `path` itself; nullptr when there is none.
  absl::StatusOr<Node*> FolderAt(absl::string_view path);
  static absl::StatusOr<ObjectId> WriteNode(Node& node, const SaveTree& save);

  LoadTree load_;
  std::unique_ptr<Node> root_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_TREE_BUILDER_H_
