// purser:template:render: renders a folder of templates into the workspace, as fetch:template does.
#ifndef PURSER_SCAFFOLDER_ACTIONS_TEMPLATE_RENDER_TEMPLATE_RENDER_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_TEMPLATE_RENDER_TEMPLATE_RENDER_ACTION_H_

#include "action/action.h"

namespace purser::actions {

// Reads, renders and writes natively on several threads; render_support.h tells what the portal's
// wrapper does before.
class TemplateRenderAction final : public action::Action {
 public:
  TemplateRenderAction();

  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_TEMPLATE_RENDER_TEMPLATE_RENDER_ACTION_H_
