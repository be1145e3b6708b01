// purser:files:yaml:edit and purser:files:yaml:merge: change YAML files of the workspace and leave
// every byte that they do not speak of.
#ifndef PURSER_SCAFFOLDER_ACTIONS_YAML_EDIT_YAML_EDIT_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_YAML_EDIT_YAML_EDIT_ACTION_H_

#include "action/action.h"

namespace purser::actions {

class YamlEditAction final : public action::Action {
 public:
  YamlEditAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

class YamlMergeAction final : public action::Action {
 public:
  YamlMergeAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_YAML_EDIT_YAML_EDIT_ACTION_H_
