#include <memory>

#include "base/status.h"
#include "scaffolder-actions/archive/archive_action.h"
#include "scaffolder-actions/fetch-plain/fetch_plain_action.h"
#include "scaffolder-actions/git-commit/git_commit_action.h"
#include "scaffolder-actions/git-publish/git_publish_action.h"
#include "scaffolder-actions/hcl-edit/hcl_edit_action.h"
#include "scaffolder-actions/json-edit/json_edit_action.h"
#include "scaffolder-actions/kustomization/kustomization_action.h"
#include "scaffolder-actions/manifest/manifest_action.h"
#include "scaffolder-actions/registry.h"
#include "scaffolder-actions/template-render-file/template_render_file_action.h"
#include "scaffolder-actions/template-render/template_render_action.h"
#include "scaffolder-actions/terraform-layout/terraform_layout_action.h"
#include "scaffolder-actions/yaml-edit/yaml_edit_action.h"

namespace purser::actions {

absl::Status AddPortalActions(action::Registry& registry) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<FetchPlainAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<FetchPlainFileAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<GitCommitAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<GitPublishAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<TemplateRenderAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<TemplateRenderFileAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<PackAction>(ArchiveForm::kTar)));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<PackAction>(ArchiveForm::kZip)));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<UnpackAction>(ArchiveForm::kTar)));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<UnpackAction>(ArchiveForm::kZip)));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<HclEditAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<JsonEditAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<JsonMergeAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<KustomizationAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<ManifestAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<TerraformLayoutAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<YamlEditAction>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<YamlMergeAction>()));
  return absl::OkStatus();
}

}  // namespace purser::actions
