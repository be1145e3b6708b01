#include "template/tree_plan.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "template/glob.h"

namespace purser::tmpl {
namespace {

constexpr int kMaxTreeDepth = 200;

// As Node's path.extname: from the last dot of the last component, none for a leading dot.
absl::string_view Extension(absl::string_view path) {
  absl::string_view name = path;
  while (absl::EndsWith(name, "/")) name.remove_suffix(1);
  name = name.substr(name.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  return dot == absl::string_view::npos || dot == 0 ? absl::string_view() : name.substr(dot);
}

// Whether a link leads out of the tree it stands in, by its text.
bool LeadsOut(absl::string_view link, absl::string_view target) {
  if (absl::StartsWith(target, "/")) return true;
  const size_t slash = link.rfind('/');
  const absl::string_view folder =
      slash == absl::string_view::npos ? absl::string_view() : link.substr(0, slash + 1);
  return !NormalizeBelow(absl::StrCat(folder, target)).ok();
}

class Names {
 public:
  Names(const Context& context, const TreeOptions& options, std::stop_token stop)
      : context_(context), options_(options), stop_(std::move(stop)) {}

  absl::StatusOr<std::string> Render(absl::string_view path) {
    Options options;
    options.name = absl::StrCat("the name ", base::EscapeForDisplay(path));
    options.cookiecutter_compat = options_.cookiecutter_compat;
    options.trim_blocks = options_.trim_blocks;
    options.lstrip_blocks = options_.lstrip_blocks;
    options.scm_hosts = options_.scm_hosts;
    PURSER_ASSIGN_OR_RETURN(const Template compiled,
                            Template::Compile(path, options, options_.file_limits));
    if (compiled.IsPlain()) return std::string(path);
    return compiled.Render(context_, options_.file_limits, stop_);
  }

 private:
  const Context& context_;
  const TreeOptions& options_;
  const std::stop_token stop_;
};

class Planner {
 public:
  Planner(const base::Directory& source, const base::Directory& workspace, absl::string_view target,
          const TreeOptions& options)
      : source_(source), workspace_(workspace), target_(target), options_(options) {}

  absl::StatusOr<TreePlan> Plan(const Context& context, std::stop_token stop);

 private:
  absl::Status AddFile(const base::DirectoryEntry& entry, std::string to, bool render);
  absl::Status AddFolder(const std::string& to);
  // What is at `to`, now or by an earlier part of the plan.
  absl::StatusOr<std::optional<base::DirectoryEntry>> Existing(const std::string& to);

  const base::Directory& source_;
  const base::Directory& workspace_;
  const std::string target_;
  const TreeOptions& options_;
  TreePlan plan_;
  absl::flat_hash_map<std::string, size_t> planned_files_;
  absl::flat_hash_set<std::string> planned_folders_;
};

absl::StatusOr<std::optional<base::DirectoryEntry>> Planner::Existing(const std::string& to) {
  const absl::StatusOr<base::DirectoryEntry> entry = workspace_.Stat(to);
  if (absl::IsNotFound(entry.status())) return std::nullopt;
  PURSER_RETURN_IF_ERROR(entry.status());
  if (entry->kind != base::FileKind::kSymlink) return std::make_optional(*entry);
  // A link counts as what it leads to, and must not lead out; reading 0 bytes tells.
  const absl::Status through = workspace_.ReadFile(to, 0).status();
  if (absl::IsNotFound(through)) return std::nullopt;
  if (absl::IsPermissionDenied(through)) return through;
  return std::make_optional(*entry);
}

absl::Status Planner::AddFolder(const std::string& to) {
  // Parents first; those that are there need nothing.
  for (size_t at = 0; at != std::string::npos;) {
    at = to.find('/', at + 1);
    const std::string part = to.substr(0, at);
    if (planned_files_.contains(part)) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(part), " is a file and a folder at once"));
    }
    if (!planned_folders_.insert(part).second) continue;
    PURSER_ASSIGN_OR_RETURN(const auto existing, Existing(part));
    if (!existing.has_value()) plan_.folders.push_back(part);
  }
  return absl::OkStatus();
}

absl::Status Planner::AddFile(const base::DirectoryEntry& entry, std::string to, bool render) {
  PlannedFile file;
  file.from = entry.path;
  file.to = to;
  file.mode = entry.mode;
  file.link = entry.kind == base::FileKind::kSymlink;
  file.render = render && !file.link;
  if (planned_folders_.contains(to)) {
    if (!options_.replace) {
      ++plan_.skipped;
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(
        absl::StrCat(base::EscapeForDisplay(to), " is a file and a folder at once"));
  }
  const auto planned = planned_files_.find(to);
  if (planned != planned_files_.end()) {
    // Two names became one: the first stays, or the last replaces it.
    ++plan_.skipped;
    if (options_.replace) {
      PlannedFile& earlier = plan_.files[planned->second];
      file.replaced_mode = earlier.replaced_mode.value_or(earlier.mode);
      earlier = std::move(file);
    }
    return absl::OkStatus();
  }
  const size_t slash = to.rfind('/');
  if (slash != std::string::npos) PURSER_RETURN_IF_ERROR(AddFolder(to.substr(0, slash)));
  PURSER_ASSIGN_OR_RETURN(const auto existing, Existing(to));
  if (existing.has_value()) {
    if (!options_.replace) {
      ++plan_.skipped;
      return absl::OkStatus();
    }
    if (existing->kind == base::FileKind::kDirectory) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(to), " is a folder; a file cannot replace it"));
    }
    if (existing->kind == base::FileKind::kFile) file.replaced_mode = existing->mode;
  }
  planned_files_.emplace(to, plan_.files.size());
  plan_.files.push_back(std::move(file));
  return absl::OkStatus();
}

absl::StatusOr<TreePlan> Planner::Plan(const Context& context, std::stop_token stop) {
  base::ListLimits list_limits;
  list_limits.max_entries = options_.limits.max_entries;
  list_limits.max_depth = kMaxTreeDepth;
  PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries,
                          source_.List(list_limits));
  PURSER_ASSIGN_OR_RETURN(GlobSet verbatim, GlobSet::Compile(options_.copy_without_templating));
  const std::string& extension = options_.template_file_extension;
  Names names(context, options_, stop);
  if (!target_.empty()) PURSER_RETURN_IF_ERROR(AddFolder(target_));
  for (const base::DirectoryEntry& entry : entries) {
    if (stop.stop_requested()) return absl::CancelledError("rendering a tree was cancelled");
    if (entry.kind == base::FileKind::kOther) {
      ++plan_.skipped;
      continue;
    }
    if (entry.kind == base::FileKind::kSymlink) {
      PURSER_ASSIGN_OR_RETURN(const std::string link, source_.ReadSymlink(entry.path));
      if (LeadsOut(entry.path, link)) {
        ++plan_.skipped;
        continue;
      }
    }
    const bool folder = entry.kind == base::FileKind::kDirectory;
    std::string name = folder ? absl::StrCat(entry.path, "/") : entry.path;
    bool render = true;
    if (!extension.empty()) {
      render = Extension(name) == extension;
      if (render) name.resize(name.size() - extension.size());
    } else if (!verbatim.empty()) {
      PURSER_ASSIGN_OR_RETURN(const bool matches, verbatim.Matches(entry.path));
      render = !matches;
    }
    PURSER_ASSIGN_OR_RETURN(const std::string rendered, names.Render(name));
    if (rendered.empty() || rendered[0] == '/' || absl::StrContains(rendered, "//")) {
      ++plan_.skipped;
      continue;
    }
    absl::StatusOr<std::string> below = NormalizeBelow(rendered);
    if (!below.ok()) {
      return base::Annotate(below.status(),
                            absl::StrCat("the name ", base::EscapeForDisplay(entry.path)));
    }
    std::string to = target_.empty()  ? *std::move(below)
                     : below->empty() ? target_
                                      : absl::StrCat(target_, "/", *below);
    if (to.empty() || (folder && planned_folders_.contains(to))) {
      if (!folder) ++plan_.skipped;  // it became the target itself
      continue;
    }
    if (folder) {
      PURSER_RETURN_IF_ERROR(AddFolder(to));
    } else {
      PURSER_RETURN_IF_ERROR(AddFile(entry, std::move(to), render));
    }
  }
  return std::move(plan_);
}

}  // namespace

absl::StatusOr<std::string> NormalizeBelow(absl::string_view path) {
  std::vector<absl::string_view> parts;
  if (path.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError("a path must not have a NUL byte");
  }
  const auto refuse = [&] {
    return absl::PermissionDeniedError(
        absl::StrCat("the path \"", base::EscapeForDisplay(path), "\" leads out of its folder"));
  };
  if (absl::StartsWith(path, "/")) return refuse();
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return refuse();
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  return absl::StrJoin(parts, "/");
}

absl::StatusOr<TreePlan> PlanTree(const base::Directory& source, const base::Directory& workspace,
                                  absl::string_view target, const Context& context,
                                  const TreeOptions& options, std::stop_token stop) {
  return Planner(source, workspace, target, options).Plan(context, std::move(stop));
}

}  // namespace purser::tmpl
