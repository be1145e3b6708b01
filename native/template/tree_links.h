// Where symbolic links of a source or a workspace lead.
#ifndef PURSER_TEMPLATE_TREE_LINKS_H_
#define PURSER_TEMPLATE_TREE_LINKS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace purser::tmpl {

inline constexpr int kMaxLinksFollowed = 40;  // as Linux does

enum class LinkEnd {
  kInside,
  kReturns,  // inside, but by the folder's own path: a copy of it would lead elsewhere
  kOutside,
};

// The links of a listed folder. Works on the listing: nothing outside is looked at.
class LinkMap {
 public:
  static absl::StatusOr<LinkMap> Read(const base::Directory& folder,
                                      const std::vector<base::DirectoryEntry>& entries);

  // Text of the link; the entry must be one.
  const std::string& TargetOf(absl::string_view link) const;
  // Where following it ends; FAILED_PRECONDITION for links in a circle.
  absl::StatusOr<LinkEnd> EndOf(absl::string_view link) const;

 private:
  std::string root_;  // real path of the folder
  absl::flat_hash_map<std::string, std::string> targets_;
};

// What is found at a path when a link at its end is followed as long as it stays in the folder.
struct Place {
  std::string path;  // of what was found, or would be made
  bool through_link = false;
  std::optional<base::DirectoryEntry> entry;  // nothing there: nullopt
};

// PERMISSION_DENIED when a link leads out of `folder`.
absl::StatusOr<Place> FindPlace(const base::Directory& folder, absl::string_view path);

// "a/./b/../c" as "a/c"; "" for the folder itself. PERMISSION_DENIED when it leads out.
absl::StatusOr<std::string> NormalizeBelow(absl::string_view path);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TREE_LINKS_H_
