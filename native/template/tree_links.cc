#include "template/tree_links.h"

#include <stdlib.h>

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::tmpl {
namespace {

std::string RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  return real == nullptr ? path : std::string(real.get());
}

absl::string_view FolderOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? absl::string_view() : path.substr(0, slash);
}

// `path` without `root` in front; nullopt when it is not below.
std::optional<std::string> Below(absl::string_view root, absl::string_view path) {
  if (!absl::ConsumePrefix(&path, root)) return std::nullopt;
  if (!path.empty() && path[0] != '/') return std::nullopt;
  return std::string(absl::StripPrefix(path, "/"));
}

// Steps still to go, the next one last.
void PushReversed(absl::string_view path, std::vector<std::string>& todo) {
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  todo.insert(todo.end(), parts.rbegin(), parts.rend());
}

}  // namespace

absl::StatusOr<LinkMap> LinkMap::Read(const base::Directory& folder,
                                      const std::vector<base::DirectoryEntry>& entries) {
  LinkMap map;
  for (const base::DirectoryEntry& entry : entries) {
    if (entry.kind != base::FileKind::kSymlink) continue;
    PURSER_ASSIGN_OR_RETURN(map.targets_[entry.path], folder.ReadSymlink(entry.path));
  }
  if (!map.targets_.empty()) map.root_ = RealPath(folder.path());
  return map;
}

const std::string& LinkMap::TargetOf(absl::string_view link) const { return targets_.at(link); }

absl::StatusOr<LinkEnd> LinkMap::EndOf(absl::string_view link) const {
  std::vector<std::string> todo;
  PushReversed(link, todo);
  std::vector<std::string> at = absl::StrSplit(root_, '/');  // "" first: absolute
  const size_t root_size = at.size();
  bool left = false;
  int followed = 0;
  while (!todo.empty()) {
    const std::string part = std::move(todo.back());
    todo.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (at.size() > 1) at.pop_back();
      left |= at.size() < root_size;
      continue;
    }
    at.push_back(part);
    const std::optional<std::string> below = Below(root_, absl::StrJoin(at, "/"));
    if (!below.has_value()) continue;
    const auto found = targets_.find(*below);
    if (found == targets_.end()) continue;
    if (++followed > kMaxLinksFollowed) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(link), ": the link leads in a circle"));
    }
    at.pop_back();
    if (absl::StartsWith(found->second, "/")) {
      at.resize(1);
      left = true;
    }
    PushReversed(found->second, todo);
  }
  const std::optional<std::string> below = Below(root_, absl::StrJoin(at, "/"));
  // Backstage compares texts: a name with two dots in front counts as outside.
  if (!below.has_value() || absl::StartsWith(*below, "..")) return LinkEnd::kOutside;
  return left ? LinkEnd::kReturns : LinkEnd::kInside;
}

absl::StatusOr<Place> FindPlace(const base::Directory& folder, absl::string_view path) {
  Place place;
  place.path = std::string(path);
  for (int followed = 0;; ++followed) {
    absl::StatusOr<base::DirectoryEntry> entry = folder.Stat(place.path);
    if (absl::IsNotFound(entry.status())) return place;
    PURSER_RETURN_IF_ERROR(entry.status());
    if (entry->kind != base::FileKind::kSymlink) {
      place.entry = *std::move(entry);
      return place;
    }
    if (followed == kMaxLinksFollowed) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(path), ": the link leads in a circle"));
    }
    PURSER_ASSIGN_OR_RETURN(const std::string target, folder.ReadSymlink(place.path));
    absl::StatusOr<std::string> next;
    if (absl::StartsWith(target, "/")) {
      const std::optional<std::string> below = Below(RealPath(folder.path()), target);
      next = below.has_value() ? NormalizeBelow(*below) : NormalizeBelow(target);
    } else {
      const absl::string_view parent = FolderOf(place.path);
      next = NormalizeBelow(parent.empty() ? target : absl::StrCat(parent, "/", target));
    }
    if (!next.ok()) {
      return absl::PermissionDeniedError(absl::StrCat(
          base::EscapeForDisplay(path), ": the link that is there leads out of its folder"));
    }
    place.through_link = true;
    place.path = *std::move(next);
    if (place.path.empty()) {
      place.entry = base::DirectoryEntry{"", base::FileKind::kDirectory, 0, 0};
      return place;
    }
  }
}

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

}  // namespace purser::tmpl
