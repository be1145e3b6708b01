#include "catalog-providers/terraform/tree.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/hcl.h"
#include "json/fields.h"

namespace purser::catalog_providers::terraform {
namespace {

using nlohmann::json;
using purser::json::TextAt;

absl::string_view FolderOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? absl::string_view() : path.substr(0, slash);
}
absl::string_view NameOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

bool IsLocalSource(absl::string_view source) {
  return absl::StartsWith(source, "./") || absl::StartsWith(source, "../") || source == "." ||
         source == "..";
}

// The setting in which states of one backend differ.
absl::string_view KeySetting(absl::string_view backend) {
  static const auto& settings =
      *new std::map<absl::string_view, absl::string_view>{{"azurerm", "key"},
                                                          {"s3", "key"},
                                                          {"cos", "key"},
                                                          {"oci", "key"},
                                                          {"oss", "key"},
                                                          {"gcs", "prefix"},
                                                          {"local", "path"},
                                                          {"http", "address"},
                                                          {"consul", "path"},
                                                          {"pg", "schema_name"},
                                                          {"kubernetes", "secret_suffix"}};
  const auto found = settings.find(backend);
  return found == settings.end() ? absl::string_view() : found->second;
}

// Whether what is known of both is the same; credentials and the like do not tell states apart.
bool SameState(const Module& root, const StateRead& read) {
  const bool remote = read.backend == "remote" || read.backend == "cloud";
  if (remote != (root.backend == "remote" || root.backend == "cloud")) return false;
  if (!remote && root.backend != read.backend) return false;
  const std::string ours = StateKey(root.backend, root.backend_config);
  if (ours.empty() || ours != StateKey(read.backend, read.config)) return false;
  if (read.backend == "local") return true;
  for (const auto& [name, value] : read.config.items()) {
    const auto other = root.backend_config.find(name);
    if (value.is_string() && other != root.backend_config.end() && other->is_string() &&
        *other != value) {
      return false;
    }
  }
  return true;
}

// A key that is a root's path, as the layout action writes it, names that root even when the root's
// own backend is only known at `init`.
bool KeyIsPath(const std::string& key, const std::string& path) {
  absl::string_view rest = key;
  if (!absl::ConsumeSuffix(&rest, "/terraform.tfstate")) absl::ConsumeSuffix(&rest, ".tfstate");
  return rest == path;
}

}  // namespace

std::string StateKey(absl::string_view backend, const json& config) {
  if (backend == "remote" || backend == "cloud") {
    const auto workspaces = config.find("workspaces");
    const std::string name =
        workspaces == config.end() || !workspaces->is_object() ? "" : TextAt(*workspaces, "name");
    return name.empty() ? "" : absl::StrCat(TextAt(config, "organization"), "/", name);
  }
  const absl::string_view setting = KeySetting(backend);
  return setting.empty() ? "" : TextAt(config, setting);
}

bool BelongsToTree(absl::string_view path) {
  if (absl::StartsWith(path, ".") || absl::StrContains(path, "/.")) return false;
  const absl::string_view name = NameOf(path);
  return IsTerraformFile(name) || name == "terraform.tfvars" || name == "terraform.tfvars.json" ||
         absl::EndsWith(name, ".auto.tfvars") || absl::EndsWith(name, ".auto.tfvars.json");
}

absl::Status TreeCollector::Add(absl::string_view path, std::string text) {
  if (++count_ > kMaxTreeFiles) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxTreeFiles, " Terraform files (kMaxTreeFiles)"));
  }
  bytes_ += static_cast<int64_t>(text.size());
  if (bytes_ > kMaxTreeBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("Terraform files of more than ", kMaxTreeBytes, " bytes (kMaxTreeBytes)"));
  }
  files_[std::string(FolderOf(path))][std::string(NameOf(path))] = std::move(text);
  return absl::OkStatus();
}

absl::StatusOr<TreeFiles> ReadTree(const base::Directory& folder) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, folder.List());
  TreeCollector collector;
  for (const base::DirectoryEntry& entry : entries) {
    if (entry.kind != base::FileKind::kFile || !BelongsToTree(entry.path)) continue;
    PURSER_ASSIGN_OR_RETURN(std::string text, folder.ReadFile(entry.path, document::kMaxHclBytes));
    PURSER_RETURN_IF_ERROR(collector.Add(entry.path, std::move(text)));
  }
  return collector.Take();
}

Tree Tree::Build(const TreeFiles& files, const Layout& layout) {
  Tree tree;
  for (const auto& [path, texts] : files) {
    absl::StatusOr<Module> module = ReadModule(path, texts);
    if (module.ok()) {
      tree.modules_.emplace(path, *std::move(module));
    } else {
      tree.faults_.emplace(path, module.status());
    }
  }
  for (const auto& [path, module] : tree.modules_) {
    std::set<std::string>& calls = tree.calls_[path];
    for (const ModuleCall& call : module.calls) {
      if (!IsLocalSource(call.source)) continue;
      const std::optional<std::string> target = ResolvePath(path, call.source);
      if (!target.has_value()) {
        tree.problems_.push_back(absl::StrCat(call.where, ": module ", call.name, ": the source ",
                                              base::EscapeForDisplay(call.source),
                                              " leads out of the repository"));
        continue;
      }
      if (!files.contains(*target)) {
        tree.problems_.push_back(absl::StrCat(call.where, ": module ", call.name, ": there is no ",
                                              base::EscapeForDisplay(*target)));
      }
      calls.insert(*target);
    }
  }
  tree.FindRoots(files, layout);
  for (auto& [path, root] : tree.roots_) tree.FollowModules(root);
  tree.FollowStates();
  tree.Order();
  return tree;
}

void Tree::FindRoots(const TreeFiles& files, const Layout& layout) {
  // Sorted: a folder comes before those below it.
  for (const auto& [path, texts] : files) {
    const bool has_terraform = std::any_of(
        texts.begin(), texts.end(), [](const auto& file) { return IsTerraformFile(file.first); });
    std::optional<RootPlace> place = has_terraform ? layout.Match(path) : std::nullopt;
    if (!place.has_value()) continue;
    // A module that lies inside of a root is that root's own.
    bool inside = false;
    for (absl::string_view above = FolderOf(path); !above.empty() && !inside;
         above = FolderOf(above)) {
      inside = roots_.contains(std::string(above));
    }
    if (!inside) roots_[path] = {path, *std::move(place), {}, {}};
  }
}

void Tree::FollowModules(Root& root) {
  std::vector<std::string> open = {root.path};
  while (!open.empty()) {
    const std::string path = std::move(open.back());
    open.pop_back();
    for (const std::string& called : CallsOf(path)) {
      if (called == root.path) {
        problems_.push_back(absl::StrCat(root.path, ": ", path, " calls it, in a circle"));
      } else if (root.modules.insert(called).second) {
        open.push_back(called);
      }
    }
  }
}

std::set<std::string> Tree::CallsOf(absl::string_view path) const {
  const auto found = calls_.find(std::string(path));
  return found == calls_.end() ? std::set<std::string>() : found->second;
}

void Tree::FollowStates() {
  // State keys first, so that each read is one look-up: most repositories have one root for a key.
  std::multimap<std::string, std::string> by_key;
  for (const auto& [path, root] : roots_) {
    const auto module = modules_.find(path);
    if (module == modules_.end()) continue;
    const std::string key = StateKey(module->second.backend, module->second.backend_config);
    if (!key.empty()) by_key.emplace(key, path);
  }
  for (auto& [path, root] : roots_) {
    // A module of a root may read states for it.
    std::set<std::string> folders = root.modules;
    folders.insert(path);
    for (const std::string& folder : folders) {
      const auto module = modules_.find(folder);
      if (module == modules_.end()) continue;
      for (const StateRead& read : module->second.state_reads) {
        const std::string key = StateKey(read.backend, read.config);
        if (key.empty()) continue;
        bool found = false;
        const auto [first, last] = by_key.equal_range(key);
        for (auto at = first; at != last; ++at) {
          if (at->second == path || !SameState(modules_.at(at->second), read)) continue;
          root.reads.insert(at->second);
          found = true;
        }
        if (found) continue;
        for (const auto& [other, ignored] : roots_) {
          if (other != path && KeyIsPath(key, other)) root.reads.insert(other);
        }
      }
    }
  }
}

void Tree::Order() {
  const auto before = [](const Root* a, const Root* b) {
    return std::pair(a->place.level, a->path) < std::pair(b->place.level, b->path);
  };
  std::map<std::string, size_t> waits;
  std::map<std::string, std::vector<const Root*>> readers;
  std::set<const Root*, decltype(before)> ready(before);
  for (const auto& [path, root] : roots_) {
    waits[path] = root.reads.size();
    for (const std::string& read : root.reads) readers[read].push_back(&root);
    if (root.reads.empty()) ready.insert(&root);
  }
  std::set<const Root*, decltype(before)> left(before);
  for (const auto& [path, root] : roots_) left.insert(&root);
  while (!left.empty()) {
    // Nothing is ready in a circle of states: the first by level goes.
    if (ready.empty()) {
      problems_.push_back(absl::StrCat((*left.begin())->path,
                                       ": reads states in a circle; its place in the order is "
                                       "that of its level"));
      ready.insert(*left.begin());
    }
    const Root* const next = *ready.begin();
    ready.erase(ready.begin());
    if (left.erase(next) == 0) continue;
    order_.push_back(next);
    for (const Root* reader : readers[next->path]) {
      if (--waits[reader->path] == 0) ready.insert(reader);
    }
  }
}

}  // namespace purser::catalog_providers::terraform
