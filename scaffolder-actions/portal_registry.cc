#include <memory>

#include "base/status.h"
#include "scaffolder-actions/git-publish/git_publish_action.h"
#include "scaffolder-actions/registry.h"

namespace purser::actions {

absl::Status AddPortalActions(action::Registry& registry) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<GitPublishAction>()));
  return absl::OkStatus();
}

}  // namespace purser::actions
