// purser:git:commit: commits files of the workspace to a repository, beside what is there.
#ifndef PURSER_SCAFFOLDER_ACTIONS_GIT_COMMIT_GIT_COMMIT_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_GIT_COMMIT_GIT_COMMIT_ACTION_H_

#include "action/action.h"
#include "base/clock.h"

namespace purser::actions {

// Reads the branch's folders, not its contents, and pushes one commit with what is new. What the
// portal's wrapper gives beside the template's inputs: git_support.h.
//
// A repeat of the same step finds its commit by the trailer "Purser-Effect", even below later ones.
class GitCommitAction final : public action::Action {
 public:
  // The clock gives the commit's time; it must outlive the action.
  explicit GitCommitAction(base::Clock& clock = base::Clock::System());

  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  base::Clock& clock_;
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_GIT_COMMIT_GIT_COMMIT_ACTION_H_
