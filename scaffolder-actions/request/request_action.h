// purser:request — asks purserd for a product and, if wanted, waits until it is there.
//
// Runs in the sidecar. The idempotency key of the step makes a repeat of the task attach to the
// request it made before instead of making another.
#ifndef PURSER_SCAFFOLDER_ACTIONS_REQUEST_REQUEST_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_REQUEST_REQUEST_ACTION_H_

#include "action/action.h"
#include "provisioning/service.h"

namespace purser::actions {

class RequestAction final : public action::Action {
 public:
  // `service` must outlive it; nullptr is allowed where only the description is wanted.
  explicit RequestAction(provisioning::Service* service);
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  provisioning::Service* const service_;
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_REQUEST_REQUEST_ACTION_H_
