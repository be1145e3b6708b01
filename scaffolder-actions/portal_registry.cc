#include <memory>

#include "base/status.h"
#include "scaffolder-actions/git-publish/git_publish_action.h"
#include "scaffolder-actions/registry.h"
#include "scaffolder-actions/template-render/template_render_action.h"

namespace purser::actions {

absl::Status AddPortalActions(action::Registry& registry) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<GitPublishAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<TemplateRenderAction>()));
  return absl::OkStatus();
}

}  // namespace purser::actions
