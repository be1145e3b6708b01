#include "git/tree_builder.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::git {

// Recursion over nodes is bounded by kMaxPathDepth: deeper paths are refused, and deeper folders of
// an existing tree are never loaded because no path leads into them.
struct TreeBuilder::Node {
  uint32_t mode = kModeTree;
  ObjectId id;
  bool loaded = true;   // children are known (folders)
  bool changed = true;  // id is not valid
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
};

namespace {

// The first component of `path`; `path` keeps the rest.
absl::string_view TakeComponent(absl::string_view& path) {
  const size_t slash = path.find('/');
  const absl::string_view component = path.substr(0, slash);
  path.remove_prefix(slash == absl::string_view::npos ? path.size() : slash + 1);
  return component;
}

}  // namespace

TreeBuilder::TreeBuilder() : root_(std::make_unique<Node>()) {}

TreeBuilder::TreeBuilder(const ObjectId& root, LoadTree load)
    : load_(std::move(load)), root_(std::make_unique<Node>()) {
  root_->id = root;
  root_->loaded = false;
  root_->changed = false;
}

TreeBuilder::~TreeBuilder() = default;

absl::Status TreeBuilder::Load(Node& node, absl::string_view path) {
  if (node.loaded) return absl::OkStatus();
  absl::StatusOr<std::string> content = load_(node.id);
  if (!content.ok()) {
    return base::Annotate(content.status(),
                          absl::StrCat("folder \"", base::EscapeForDisplay(path), "\""));
  }
  PURSER_ASSIGN_OR_RETURN(std::vector<TreeEntry> entries, ParseTree(*content));
  for (TreeEntry& entry : entries) {
    auto child = std::make_unique<Node>();
    child->mode = entry.mode;
    child->id = entry.id;
    child->loaded = entry.mode != kModeTree;
    child->changed = false;
    node.children.emplace(std::move(entry.name), std::move(child));
  }
  node.loaded = true;
  return absl::OkStatus();
}

// The folder that holds the last component of `path`; nullptr when it is not there and `make` is
// false. `trail` gets every folder on the way, the root first.
absl::StatusOr<TreeBuilder::Node*> TreeBuilder::Walk(absl::string_view path, bool make,
                                                     std::vector<Node*>* trail) {
  PURSER_RETURN_IF_ERROR(CheckPath(path));
  const absl::string_view whole = path;
  Node* node = root_.get();
  PURSER_RETURN_IF_ERROR(Load(*node, ""));
  if (trail != nullptr) trail->push_back(node);
  while (path.find('/') != absl::string_view::npos) {
    const absl::string_view component = TakeComponent(path);
    auto child = node->children.find(base::ToStd(component));
    if (child == node->children.end()) {
      if (!make) return nullptr;
      child = node->children.emplace(std::string(component), std::make_unique<Node>()).first;
    }
    node = child->second.get();
    const absl::string_view here = whole.substr(0, whole.size() - path.size() - 1);
    if (node->mode != kModeTree) {
      if (!make) return nullptr;
      return absl::FailedPreconditionError(absl::StrCat("path \"", base::EscapeForDisplay(whole),
                                                        "\": \"", base::EscapeForDisplay(here),
                                                        "\" is a file, not a folder"));
    }
    PURSER_RETURN_IF_ERROR(Load(*node, here));
    if (trail != nullptr) trail->push_back(node);
  }
  return node;
}

absl::Status TreeBuilder::Put(absl::string_view path, uint32_t mode, const ObjectId& blob) {
  std::vector<Node*> trail;
  PURSER_ASSIGN_OR_RETURN(Node * parent, Walk(path, true, &trail));
  const absl::string_view name = path.substr(path.rfind('/') + 1);
  std::unique_ptr<Node>& slot = parent->children[std::string(name)];
  if (slot != nullptr && slot->mode == kModeTree) {
    return absl::FailedPreconditionError(absl::StrCat(
        "path \"", base::EscapeForDisplay(path), "\" is a folder; delete what it holds first"));
  }
  if (slot != nullptr && slot->mode == mode && slot->id == blob) return absl::OkStatus();
  slot = std::make_unique<Node>();
  slot->mode = mode;
  slot->id = blob;
  slot->changed = false;
  for (Node* folder : trail) folder->changed = true;
  return absl::OkStatus();
}

absl::Status TreeBuilder::Remove(absl::string_view path) {
  std::vector<Node*> trail;
  PURSER_ASSIGN_OR_RETURN(Node * parent, Walk(path, false, &trail));
  if (parent == nullptr) return absl::OkStatus();
  absl::string_view name = path.substr(path.rfind('/') + 1);
  const auto found = parent->children.find(base::ToStd(name));
  if (found == parent->children.end()) return absl::OkStatus();
  if (found->second->mode == kModeTree) {
    return absl::FailedPreconditionError(absl::StrCat("path \"", base::EscapeForDisplay(path),
                                                      "\" is a folder; delete its files by name"));
  }
  parent->children.erase(found);
  for (Node* folder : trail) folder->changed = true;
  // Git has no empty folders: take away those that just became so, but never the root.
  for (size_t i = trail.size() - 1; i > 0 && trail[i]->children.empty(); --i) {
    path = path.substr(0, path.rfind('/'));
    name = path.substr(path.rfind('/') + 1);
    trail[i - 1]->children.erase(std::string(name));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TreeEntry>> TreeBuilder::Find(absl::string_view path) {
  PURSER_ASSIGN_OR_RETURN(Node * parent, Walk(path, false, nullptr));
  if (parent == nullptr) return std::nullopt;
  const auto found = parent->children.find(base::ToStd(path.substr(path.rfind('/') + 1)));
  if (found == parent->children.end() || found->second->mode == kModeTree) return std::nullopt;
  return TreeEntry{found->second->mode, "", found->second->id};
}

absl::StatusOr<TreeBuilder::Node*> TreeBuilder::FolderAt(absl::string_view path) {
  if (path.empty()) {
    PURSER_RETURN_IF_ERROR(Load(*root_, ""));
    return root_.get();
  }
  PURSER_ASSIGN_OR_RETURN(Node * parent, Walk(path, false, nullptr));
  if (parent == nullptr) return nullptr;
  const auto found = parent->children.find(base::ToStd(path.substr(path.rfind('/') + 1)));
  if (found == parent->children.end() || found->second->mode != kModeTree) return nullptr;
  PURSER_RETURN_IF_ERROR(Load(*found->second, path));
  return found->second.get();
}

absl::Status TreeBuilder::ListNode(Node& node, const std::string& path, int depth,
                                   std::vector<std::string>& out) {
  if (depth > kMaxPathDepth) {
    return absl::ResourceExhaustedError(absl::StrCat("folder \"", base::EscapeForDisplay(path),
                                                     "\" is deeper than ", kMaxPathDepth,
                                                     " folders (kMaxPathDepth)"));
  }
  PURSER_RETURN_IF_ERROR(Load(node, path));
  for (const auto& [name, child] : node.children) {
    const std::string below = path.empty() ? name : absl::StrCat(path, "/", name);
    if (child->mode == kModeTree) {
      PURSER_RETURN_IF_ERROR(ListNode(*child, below, depth + 1, out));
    } else {
      out.push_back(below);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> TreeBuilder::FilesBelow(absl::string_view folder) {
  std::vector<std::string> out;
  PURSER_ASSIGN_OR_RETURN(Node * node, FolderAt(folder));
  if (node != nullptr) PURSER_RETURN_IF_ERROR(ListNode(*node, "", 0, out));
  return out;
}

absl::StatusOr<int64_t> TreeBuilder::RemoveAll(absl::string_view path) {
  PURSER_ASSIGN_OR_RETURN(const std::optional<TreeEntry> file, Find(path));
  if (file.has_value()) {
    PURSER_RETURN_IF_ERROR(Remove(path));
    return 1;
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesBelow(path));
  // The last one takes the folders with it.
  for (const std::string& below : files) {
    PURSER_RETURN_IF_ERROR(Remove(absl::StrCat(path, "/", below)));
  }
  return static_cast<int64_t>(files.size());
}

absl::StatusOr<ObjectId> TreeBuilder::WriteNode(Node& node, const SaveTree& save) {
  if (!node.changed) return node.id;
  std::vector<TreeEntry> entries;
  entries.reserve(node.children.size());
  for (const auto& [name, child] : node.children) {
    PURSER_ASSIGN_OR_RETURN(const ObjectId id, WriteNode(*child, save));
    entries.push_back({child->mode, name, id});
  }
  PURSER_ASSIGN_OR_RETURN(node.id, save(EncodeTree(std::move(entries))));
  node.changed = false;
  return node.id;
}

absl::StatusOr<ObjectId> TreeBuilder::Write(const SaveTree& save) {
  return WriteNode(*root_, save);
}

}  // namespace purser::git
