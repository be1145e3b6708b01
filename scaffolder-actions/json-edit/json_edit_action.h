// purser:files:json:edit and purser:files:json:merge: change JSON files of the workspace and leave
// every byte that they do not speak of.
#ifndef PURSER_SCAFFOLDER_ACTIONS_JSON_EDIT_JSON_EDIT_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_JSON_EDIT_JSON_EDIT_ACTION_H_

#include "action/action.h"

namespace purser::actions {

class JsonEditAction final : public action::Action {
 public:
  JsonEditAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

class JsonMergeAction final : public action::Action {
 public:
  JsonMergeAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_JSON_EDIT_JSON_EDIT_ACTION_H_
