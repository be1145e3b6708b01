#include <memory>

#include "base/status.h"
#include "scaffolder-actions/fetch-plain/fetch_plain_action.h"
#include "scaffolder-actions/git-publish/git_publish_action.h"
#include "scaffolder-actions/registry.h"
#include "scaffolder-actions/template-render-file/template_render_file_action.h"
#include "scaffolder-actions/template-render/template_render_action.h"

namespace purser::actions {

absl::Status AddPortalActions(action::Registry& registry) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<FetchPlainAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<FetchPlainFileAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<GitPublishAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<TemplateRenderAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<TemplateRenderFileAction>()));
  return absl::OkStatus();
}

}  // namespace purser::actions
