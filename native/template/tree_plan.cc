#include "template/tree_plan.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "template/glob.h"
#include "template/tree_links.h"
#include "template/tree_render.h"

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

// Backstage walks a tree by breadth, the names of a folder in order of their bytes; where two names
// become one, the order decides.
bool WalkedBefore(const base::DirectoryEntry& a, const base::DirectoryEntry& b) {
  const auto depth = [](const std::string& path) {
    return std::count(path.begin(), path.end(), '/');
  };
  const auto depth_a = depth(a.path), depth_b = depth(b.path);
  if (depth_a != depth_b) return depth_a < depth_b;
  return std::lexicographical_compare(
      a.path.begin(), a.path.end(), b.path.begin(), b.path.end(), [](char x, char y) {
        const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
        return rank(x) < rank(y);
      });
}

// As "." of a JavaScript expression has it.
bool HasLineEnd(absl::string_view text) {
  return text.find_first_of("\n\r") != absl::string_view::npos ||
         absl::StrContains(text, "\u2028") || absl::StrContains(text, "\u2029");
}

absl::Status FileAndFolder(absl::string_view path) {
  return absl::FailedPreconditionError(
      absl::StrCat(base::EscapeForDisplay(path), " is a file and a folder at once"));
}

class Planner {
 public:
  Planner(const base::Directory& source, const base::Directory& workspace, absl::string_view target,
          const Context& context, const TreeOptions& options, std::stop_token stop)
      : source_(source),
        workspace_(workspace),
        target_(target),
        options_(options),
        stop_(stop),
        names_(context, options, std::move(stop)) {}

  absl::StatusOr<TreePlan> Plan();

 private:
  // Whether Backstage leaves the entry behind: links that lead out, what is neither file, folder
  // nor link, and what its search does not find: a name with two dots in front at the top, and what
  // is in a folder whose name has a line end.
  absl::StatusOr<bool> IsOutside(const base::DirectoryEntry& entry) const;
  // The entry's path in the workspace; nullopt when it is dropped.
  absl::StatusOr<std::optional<std::string>> NameOf(const base::DirectoryEntry& entry,
                                                    bool* render_contents);
  absl::Status AddFile(const base::DirectoryEntry& entry, std::string to, bool render);
  // With its parents. `mode` is for the folder itself when it is new.
  absl::Status AddFolder(const std::string& to, std::optional<mode_t> mode = std::nullopt);
  // Whether anything has the name already, in the workspace or in the plan.
  absl::StatusOr<bool> IsThere(const std::string& to);
  bool overwrites() const { return options_.replace || options_.verbatim; }

  const base::Directory& source_;
  const base::Directory& workspace_;
  const std::string target_;
  const TreeOptions& options_;
  const std::stop_token stop_;
  const TextRenderer names_;
  std::optional<GlobSet> verbatim_;
  LinkMap links_;
  TreePlan plan_;
  absl::flat_hash_map<std::string, size_t> planned_files_;
  absl::flat_hash_set<std::string> planned_folders_;
};

absl::Status Planner::AddFolder(const std::string& to, std::optional<mode_t> mode) {
  for (size_t at = 0; at != std::string::npos;) {
    at = to.find('/', at + 1);
    const std::string part = to.substr(0, at);
    if (planned_files_.contains(part)) return FileAndFolder(part);
    if (!planned_folders_.insert(part).second) continue;
    PURSER_ASSIGN_OR_RETURN(const Place place, FindPlace(workspace_, part));
    if (!place.entry.has_value()) {
      if (place.through_link) {
        return absl::FailedPreconditionError(absl::StrCat(
            base::EscapeForDisplay(part), " is a link to nothing, where a folder is to be"));
      }
      plan_.folders.push_back({part, at == std::string::npos ? mode : std::nullopt});
    } else if (place.entry->kind != base::FileKind::kDirectory) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(part), " is a file, where a folder is to be"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Planner::IsThere(const std::string& to) {
  if (planned_folders_.contains(to) || planned_files_.contains(to)) return true;
  PURSER_ASSIGN_OR_RETURN(const Place place, FindPlace(workspace_, to));
  return place.entry.has_value();
}

absl::Status Planner::AddFile(const base::DirectoryEntry& entry, std::string to, bool render) {
  PlannedFile file;
  file.from = entry.path;
  file.to = to;
  file.text_to = to;
  file.mode = entry.mode;
  file.bytes = entry.bytes;
  if (entry.kind == base::FileKind::kSymlink) {
    file.link = links_.TargetOf(entry.path);
  } else {
    file.render = render;
  }
  if (planned_folders_.contains(to)) {
    if (overwrites()) return FileAndFolder(to);
    ++plan_.skipped;
    return absl::OkStatus();
  }
  const auto planned = planned_files_.find(to);
  if (planned != planned_files_.end()) {
    // Two names became one: the first stays, or the last replaces it.
    ++plan_.skipped;
    if (overwrites()) {
      PlannedFile& earlier = plan_.files[planned->second];
      if (!earlier.link.has_value()) {
        file.replaced_mode = earlier.replaced_mode.value_or(earlier.mode);
      }
      file.text_to = earlier.text_to;
      earlier = std::move(file);
    }
    return absl::OkStatus();
  }
  const size_t slash = to.rfind('/');
  if (slash != std::string::npos) PURSER_RETURN_IF_ERROR(AddFolder(to.substr(0, slash)));
  PURSER_ASSIGN_OR_RETURN(const Place place, FindPlace(workspace_, to));
  if (place.entry.has_value()) {
    if (!overwrites()) {
      ++plan_.skipped;
      return absl::OkStatus();
    }
    if (place.entry->kind == base::FileKind::kDirectory && !place.through_link) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(to), " is a folder; a file cannot replace it"));
    }
    if (file.link.has_value() && !place.through_link) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(to), " is a file; a link cannot replace it"));
    }
    if (place.entry->kind == base::FileKind::kFile) file.replaced_mode = place.entry->mode;
  }
  if (place.through_link && !file.link.has_value() && !options_.verbatim) {
    file.text_to = place.path;
  }
  planned_files_.emplace(std::move(to), plan_.files.size());
  plan_.files.push_back(std::move(file));
  return absl::OkStatus();
}

absl::StatusOr<bool> Planner::IsOutside(const base::DirectoryEntry& entry) const {
  if (entry.kind == base::FileKind::kOther) return true;
  const size_t slash = entry.path.rfind('/');
  const absl::string_view folder = slash == std::string::npos
                                       ? absl::string_view()
                                       : absl::string_view(entry.path).substr(0, slash);
  if (!options_.verbatim && HasLineEnd(folder)) return true;
  const bool dotted = absl::StartsWith(entry.path, "..");
  if (entry.kind != base::FileKind::kSymlink || (dotted && !folder.empty())) return dotted;
  PURSER_ASSIGN_OR_RETURN(const LinkEnd end, links_.EndOf(entry.path));
  if (end == LinkEnd::kReturns && !options_.verbatim) {
    return absl::PermissionDeniedError(
        absl::StrCat(base::EscapeForDisplay(entry.path),
                     ": the link names its own template's folder, so it would lead out of a copy"));
  }
  return end == LinkEnd::kOutside;
}

absl::StatusOr<std::optional<std::string>> Planner::NameOf(const base::DirectoryEntry& entry,
                                                           bool* render_contents) {
  *render_contents = false;
  std::string rendered = entry.path;
  if (!options_.verbatim) {
    std::string name = entry.path;
    if (entry.kind == base::FileKind::kDirectory) name += '/';
    const std::string& extension = options_.template_file_extension;
    if (!extension.empty()) {
      *render_contents = Extension(name) == extension;
      if (*render_contents) name.resize(name.size() - extension.size());
    } else {
      bool verbatim = false;
      if (!verbatim_->empty()) {
        PURSER_ASSIGN_OR_RETURN(verbatim, verbatim_->Matches(entry.path));
      }
      *render_contents = !verbatim;
    }
    const std::string shown = absl::StrCat("the name ", base::EscapeForDisplay(entry.path));
    PURSER_ASSIGN_OR_RETURN(rendered, names_.Render(shown, name));
    if (rendered.empty() || rendered[0] == '/' || absl::StrContains(rendered, "//")) {
      return std::nullopt;
    }
  }
  // Through the target's own name, so that a name may leave the target and come back.
  absl::StatusOr<std::string> to =
      NormalizeBelow(target_.empty() ? rendered : absl::StrCat(target_, "/", rendered));
  const bool below = to.ok() && (target_.empty() || *to == target_ ||
                                 absl::StartsWith(*to, absl::StrCat(target_, "/")));
  // Backstage compares texts: a name with two dots in front counts as outside.
  const absl::string_view first =
      below ? absl::string_view(*to).substr(target_.empty() ? 0 : target_.size()) : "";
  if (!below || (!options_.verbatim && absl::StartsWith(absl::StripPrefix(first, "/"), ".."))) {
    return absl::PermissionDeniedError(absl::StrCat("the name ", base::EscapeForDisplay(entry.path),
                                                    " becomes \"", base::EscapeForDisplay(rendered),
                                                    "\", which leads out of the target"));
  }
  if (*to == options_.stage_name || absl::StartsWith(*to, absl::StrCat(options_.stage_name, "/"))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name ", base::EscapeForDisplay(entry.path), " becomes \"", base::EscapeForDisplay(*to),
        "\", which is kept for files on their way; choose another"));
  }
  return std::make_optional(*std::move(to));
}

absl::StatusOr<TreePlan> Planner::Plan() {
  base::ListLimits list_limits;
  list_limits.max_entries = options_.limits.max_entries;
  list_limits.max_depth = kMaxTreeDepth;
  PURSER_ASSIGN_OR_RETURN(std::vector<base::DirectoryEntry> entries, source_.List(list_limits));
  std::sort(entries.begin(), entries.end(), WalkedBefore);
  PURSER_ASSIGN_OR_RETURN(links_, LinkMap::Read(source_, entries));
  absl::flat_hash_set<absl::string_view> folders = {""};
  for (const base::DirectoryEntry& entry : entries) {
    if (entry.kind == base::FileKind::kDirectory) folders.insert(entry.path);
  }
  PURSER_ASSIGN_OR_RETURN(GlobSet verbatim, GlobSet::Compile(options_.copy_without_templating,
                                                             [&](absl::string_view path) {
                                                               return folders.contains(path);
                                                             }));
  verbatim_.emplace(std::move(verbatim));
  if (options_.verbatim && !target_.empty()) {
    PURSER_ASSIGN_OR_RETURN(const mode_t mode, source_.Mode());
    PURSER_RETURN_IF_ERROR(AddFolder(target_, mode));
  }
  for (const base::DirectoryEntry& entry : entries) {
    if (stop_.stop_requested()) return absl::CancelledError("rendering a tree was cancelled");
    PURSER_ASSIGN_OR_RETURN(const bool outside, IsOutside(entry));
    bool render = false;
    std::optional<std::string> to;
    if (!outside) {
      PURSER_ASSIGN_OR_RETURN(to, NameOf(entry, &render));
    }
    if (!to.has_value()) {
      ++plan_.skipped;
    } else if (entry.kind != base::FileKind::kDirectory) {
      if (*to == target_ && overwrites()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "the name ", base::EscapeForDisplay(entry.path), " becomes the target folder itself"));
      }
      if (to->empty()) {
        ++plan_.skipped;
      } else {
        PURSER_RETURN_IF_ERROR(AddFile(entry, *std::move(to), render));
      }
    } else if (!to->empty()) {
      // Where anything is already, Backstage makes no folder, and fails only for what is to be in
      // it.
      if (!overwrites()) {
        PURSER_ASSIGN_OR_RETURN(const bool there, IsThere(*to));
        if (there) continue;
      }
      PURSER_RETURN_IF_ERROR(
          AddFolder(*to, options_.verbatim ? std::make_optional(entry.mode) : std::nullopt));
    }
  }
  return std::move(plan_);
}

}  // namespace

absl::StatusOr<TreePlan> PlanTree(const base::Directory& source, const base::Directory& workspace,
                                  absl::string_view target, const Context& context,
                                  const TreeOptions& options, std::stop_token stop) {
  return Planner(source, workspace, target, context, options, std::move(stop)).Plan();
}

}  // namespace purser::tmpl
