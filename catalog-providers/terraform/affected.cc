#include "catalog-providers/terraform/affected.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace purser::catalog_providers::terraform {
namespace {

absl::string_view ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? absl::string_view() : path.substr(0, slash);
}

bool IsProse(absl::string_view path) {
  return absl::EndsWith(path, ".md") || absl::EndsWith(path, ".MD");
}

class Search {
 public:
  Search(const Tree& tree, const Layout& layout) : tree_(tree), layout_(layout) {
    for (const auto& [path, module] : tree.modules()) {
      folders_.insert(path);
      for (const std::string& called : tree.CallsOf(path)) folders_.insert(called);
      for (const std::string& file : module.files_read) readers_[file].insert(path);
    }
    for (const auto& [path, fault] : tree.faults()) folders_.insert(path);
    for (const auto& [path, root] : tree.roots()) {
      users_[path].insert(path);
      for (const std::string& module : root.modules) users_[module].insert(path);
    }
  }

  std::vector<AffectedRoot> Run(const std::vector<std::string>& changed,
                                const AffectedOptions& options) {
    for (const std::string& path : changed) Change(path);
    if (!changed.empty()) AddUnreadable();
    if (options.readers) AddReaders();
    std::vector<AffectedRoot> result;
    for (const Root* root : tree_.InOrder()) {
      const auto found = because_.find(root->path);
      if (found != because_.end()) {
        result.push_back({root->path, root->place, false, found->second});
      }
    }
    std::vector<AffectedRoot> gone;
    for (auto& [path, root] : removed_) gone.push_back(std::move(root));
    std::stable_sort(gone.begin(), gone.end(), [](const AffectedRoot& a, const AffectedRoot& b) {
      return a.place.level > b.place.level;
    });
    result.insert(result.end(), gone.begin(), gone.end());
    return result;
  }

 private:
  void Change(const std::string& path) {
    // By file(), also a folder that fileset() walks.
    for (absl::string_view at = path;; at = ParentOf(at)) {
      if (const auto readers = readers_.find(std::string(at)); readers != readers_.end()) {
        for (const std::string& reader : readers->second) Reach(reader, path);
      }
      if (at.empty()) break;
    }
    if (IsProse(path)) return;
    // The nearest folder that is a module: what lies below belongs to it.
    absl::string_view folder = ParentOf(path);
    while (!folder.empty() && !folders_.contains(std::string(folder))) folder = ParentOf(folder);
    if (folders_.contains(std::string(folder))) Reach(std::string(folder), path);
    // A folder of Terraform that was a root and has no files any more.
    const std::string own(ParentOf(path));
    if (!BelongsToTree(path) || tree_.roots().contains(own)) return;
    const std::optional<RootPlace> place = layout_.Match(own);
    if (!place.has_value() || folders_.contains(own) || IsInsideRoot(own)) return;
    AffectedRoot& root = removed_[own];
    root.path = own;
    root.place = *place;
    root.removed = true;
    if (root.because.size() < kMaxReasons) root.because.push_back(path);
  }

  bool IsInsideRoot(absl::string_view path) const {
    for (path = ParentOf(path); !path.empty(); path = ParentOf(path)) {
      if (tree_.roots().contains(std::string(path))) return true;
    }
    return false;
  }

  void Reach(const std::string& folder, const std::string& file) {
    const auto users = users_.find(folder);
    if (users == users_.end()) return;
    for (const std::string& root : users->second) {
      Add(root, root == folder ? file : absl::StrCat(file, " (module ", folder, ")"));
    }
  }

  void Add(const std::string& root, std::string why) {
    std::vector<std::string>& reasons = because_[root];
    if (reasons.size() < kMaxReasons) reasons.push_back(std::move(why));
  }

  void AddUnreadable() {
    for (const auto& [path, fault] : tree_.faults()) {
      const auto users = users_.find(path);
      if (users == users_.end()) continue;
      for (const std::string& root : users->second) {
        Add(root, absl::StrCat("cannot be told: ", fault.message()));
      }
    }
  }

  void AddReaders() {
    for (bool grew = true; grew;) {
      grew = false;
      for (const auto& [path, root] : tree_.roots()) {
        if (because_.contains(path)) continue;
        for (const std::string& read : root.reads) {
          if (!because_.contains(read)) continue;
          Add(path, absl::StrCat("reads the state of ", read));
          grew = true;
          break;
        }
      }
    }
  }

  const Tree& tree_;
  const Layout& layout_;
  std::set<std::string> folders_;                         // modules, there or only named
  std::map<std::string, std::set<std::string>> readers_;  // file → modules
  std::map<std::string, std::set<std::string>> users_;    // module → roots
  std::map<std::string, std::vector<std::string>> because_;
  std::map<std::string, AffectedRoot> removed_;
};

}  // namespace

std::vector<AffectedRoot> Affected(const Tree& tree, const Layout& layout,
                                   const std::vector<std::string>& changed,
                                   const AffectedOptions& options) {
  return Search(tree, layout).Run(changed, options);
}

}  // namespace purser::catalog_providers::terraform
