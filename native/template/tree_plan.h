// What RenderTree will do, worked out before anything is written.
#ifndef PURSER_TEMPLATE_TREE_PLAN_H_
#define PURSER_TEMPLATE_TREE_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "template/tree.h"

namespace purser::tmpl {

struct PlannedFile {
  std::string from;  // in the source
  std::string to;    // in the workspace
  // Text goes through a link that stands at `to`; other files take its place.
  std::string text_to;
  mode_t mode = 0;
  int64_t bytes = 0;  // when it was planned
  bool render = false;
  std::optional<std::string> link;  // a link with this text
  // Of what stands at `text_to` now and is overwritten: text keeps it.
  std::optional<mode_t> replaced_mode;
};

struct PlannedFolder {
  std::string path;            // in the workspace
  std::optional<mode_t> mode;  // exactly; else 0777 less the umask
};

struct TreePlan {
  std::vector<PlannedFile> files;
  std::vector<PlannedFolder> folders;  // those that are not there, parents first
  int64_t skipped = 0;
};

absl::StatusOr<TreePlan> PlanTree(const base::Directory& source, const base::Directory& workspace,
                                  absl::string_view target, const Context& context,
                                  const TreeOptions& options, std::stop_token stop);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TREE_PLAN_H_
