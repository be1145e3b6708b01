// purser:fetch:plain and purser:fetch:plain:file: copy a folder or a file into the workspace, as
// the actions of Backstage do whose names they have.
#ifndef PURSER_SCAFFOLDER_ACTIONS_FETCH_PLAIN_FETCH_PLAIN_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_FETCH_PLAIN_FETCH_PLAIN_ACTION_H_

#include "action/action.h"

namespace purser::actions {

// render_support.h tells what the portal's wrapper does before.
class FetchPlainAction final : public action::Action {
 public:
  FetchPlainAction();

  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

// As above, for one file.
class FetchPlainFileAction final : public action::Action {
 public:
  FetchPlainFileAction();

  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_FETCH_PLAIN_FETCH_PLAIN_ACTION_H_
