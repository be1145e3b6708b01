// purser:request:await — waits for a request that was made before. Runs in the sidecar; a repeat of
// the step just waits again.
#ifndef PURSER_SCAFFOLDER_ACTIONS_REQUEST_AWAIT_REQUEST_AWAIT_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_REQUEST_AWAIT_REQUEST_AWAIT_ACTION_H_

#include "action/action.h"
#include "provisioning/service.h"

namespace purser::actions {

class RequestAwaitAction final : public action::Action {
 public:
  // `service` must outlive it; nullptr is allowed where only the description is wanted.
  explicit RequestAwaitAction(provisioning::Service* service);
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  provisioning::Service* const service_;
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_REQUEST_AWAIT_REQUEST_AWAIT_ACTION_H_
