// purser:git:publish: pushes a folder of the workspace as the content of a branch.
#ifndef PURSER_SCAFFOLDER_ACTIONS_GIT_PUBLISH_GIT_PUBLISH_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_GIT_PUBLISH_GIT_PUBLISH_ACTION_H_

#include "action/action.h"
#include "base/clock.h"

namespace purser::actions {

// Builds objects and pack natively, on the caller's thread; the network goes through the context's
// transport. What the portal's wrapper gives beside the template's inputs: git_support.h.
//
// A repeat of the same step finds its commit by the trailer "Purser-Effect", even below later ones.
class GitPublishAction final : public action::Action {
 public:
  // The clock gives the commit's time; it must outlive the action.
  explicit GitPublishAction(base::Clock& clock = base::Clock::System());

  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  base::Clock& clock_;
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_GIT_PUBLISH_GIT_PUBLISH_ACTION_H_
