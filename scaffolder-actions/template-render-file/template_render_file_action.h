// purser:template:render:file: renders one file into the workspace, as fetch:template:file does.
#ifndef PURSER_SCAFFOLDER_ACTIONS_TEMPLATE_RENDER_FILE_TEMPLATE_RENDER_FILE_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_TEMPLATE_RENDER_FILE_TEMPLATE_RENDER_FILE_ACTION_H_

#include "action/action.h"

namespace purser::actions {

// render_support.h tells what the portal's wrapper does before.
class TemplateRenderFileAction final : public action::Action {
 public:
  TemplateRenderFileAction();

  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_TEMPLATE_RENDER_FILE_TEMPLATE_RENDER_FILE_ACTION_H_
