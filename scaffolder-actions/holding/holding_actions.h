// purser:holding:… — what an owner does with something that a request made: other parameters,
// another owner, parking, deleting, a later expiry.
//
// They run in the sidecar. All but the renewal are requests of their own, durable and found again
// by the idempotency key of the step; a renewal is kept under that key, so that a repeat of the
// task does not renew twice.
#ifndef PURSER_SCAFFOLDER_ACTIONS_HOLDING_HOLDING_ACTIONS_H_
#define PURSER_SCAFFOLDER_ACTIONS_HOLDING_HOLDING_ACTIONS_H_

#include "action/action.h"
#include "provisioning/service.h"

namespace purser::actions {

// Adds change, transfer, suspend, resume, repair, delete and renew. `service` must outlive the
// registry; nullptr where only the descriptions are wanted.
absl::Status AddHoldingActions(action::Registry& registry, provisioning::Service* service);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_HOLDING_HOLDING_ACTIONS_H_
