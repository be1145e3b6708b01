// purser:files:hcl:edit: changes Terraform files of the workspace and leaves every byte that it
// does not speak of.
#ifndef PURSER_SCAFFOLDER_ACTIONS_HCL_EDIT_HCL_EDIT_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_HCL_EDIT_HCL_EDIT_ACTION_H_

#include "action/action.h"

namespace purser::actions {

class HclEditAction final : public action::Action {
 public:
  HclEditAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_HCL_EDIT_HCL_EDIT_ACTION_H_
