// purser:terraform:layout: makes the roots of a new environment, customer or app.
#ifndef PURSER_SCAFFOLDER_ACTIONS_TERRAFORM_LAYOUT_TERRAFORM_LAYOUT_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_TERRAFORM_LAYOUT_TERRAFORM_LAYOUT_ACTION_H_

#include "action/action.h"

namespace purser::actions {

inline constexpr size_t kMaxLayoutApps = 50;

class TerraformLayoutAction final : public action::Action {
 public:
  TerraformLayoutAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_TERRAFORM_LAYOUT_TERRAFORM_LAYOUT_ACTION_H_
