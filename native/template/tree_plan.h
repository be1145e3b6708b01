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
  mode_t mode = 0;
  bool link = false;
  bool render = false;
  // What stands at `to` now and is overwritten; text keeps its mode.
  std::optional<mode_t> replaced_mode;
};

struct TreePlan {
  std::vector<PlannedFile> files;
  std::vector<std::string> folders;  // in the workspace, parents first
  int64_t skipped = 0;
};

absl::StatusOr<TreePlan> PlanTree(const base::Directory& source, const base::Directory& workspace,
                                  absl::string_view target, const Context& context,
                                  const TreeOptions& options, std::stop_token stop);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TREE_PLAN_H_
