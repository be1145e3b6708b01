// A repository of Terraform: its modules, its roots, and what is built on what.
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_TREE_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_TREE_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "catalog-providers/terraform/layout.h"
#include "catalog-providers/terraform/module.h"

namespace purser::catalog_providers::terraform {

inline constexpr size_t kMaxTreeFiles = 100'000;
inline constexpr int64_t kMaxTreeBytes = 256 << 20;

// Folder → name → text of the files that Terraform reads there.
using TreeFiles = std::map<std::string, std::map<std::string, std::string>>;

// Whether a path of the repository is one of those: not below ".git", ".terraform" and other
// folders that begin with a dot.
bool BelongsToTree(absl::string_view path);
// Collects files within the limits above; RESOURCE_EXHAUSTED names the limit.
class TreeCollector {
 public:
  absl::Status Add(absl::string_view path, std::string text);
  TreeFiles Take() { return std::move(files_); }

 private:
  TreeFiles files_;
  size_t count_ = 0;
  int64_t bytes_ = 0;
};
// All files below a folder. Symbolic links are not followed.
absl::StatusOr<TreeFiles> ReadTree(const base::Directory& folder);

struct Root {
  std::string path;
  RootPlace place;
  // Folders of the repository it is made of by `source`, directly or not; it is not among them.
  std::set<std::string> modules;
  // Roots whose state it reads, by path; never itself.
  std::set<std::string> reads;
};

// Immutable.
class Tree {
 public:
  // A folder whose files are wrong is kept as a fault; the others are read all the same.
  static Tree Build(const TreeFiles& files, const Layout& layout);

  const std::map<std::string, Module>& modules() const { return modules_; }  // roots too
  const std::map<std::string, absl::Status>& faults() const { return faults_; }
  const std::map<std::string, Root>& roots() const { return roots_; }  // faulty ones too
  // What is odd, for people: circles of modules or of states, sources outside of the repository.
  const std::vector<std::string>& problems() const { return problems_; }

  // Folders a module calls directly, in the repository.
  std::set<std::string> CallsOf(absl::string_view path) const;
  // What is built on comes first: by the states they read, then environments, customers, apps.
  std::vector<const Root*> InOrder() const { return order_; }

 private:
  void FindRoots(const TreeFiles& files, const Layout& layout);
  void FollowModules(Root& root);
  void FollowStates();
  void Order();

  std::map<std::string, Module> modules_;
  std::map<std::string, absl::Status> faults_;
  std::map<std::string, Root> roots_;
  std::map<std::string, std::set<std::string>> calls_;
  std::vector<std::string> problems_;
  std::vector<const Root*> order_;
};

// The part of a backend's settings that tells one state from another: {"key", "a/b.tfstate"};
// "" when the type is not known or the setting is not there.
std::string StateKey(absl::string_view backend, const nlohmann::json& config);

}  // namespace purser::catalog_providers::terraform

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_TREE_H_
