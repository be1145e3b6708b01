// Which actions each host holds: one line each. Two functions in two libraries, so that the addon
// (portal actions) never links the domains behind the sidecar's.
#ifndef PURSER_SCAFFOLDER_ACTIONS_REGISTRY_H_
#define PURSER_SCAFFOLDER_ACTIONS_REGISTRY_H_

#include "absl/status/status.h"
#include "action/action.h"
#include "connectors/connector.h"

namespace purser::provisioning {
class Service;
}  // namespace purser::provisioning

namespace purser::actions {

// Library purser_portal_actions.
absl::Status AddPortalActions(action::Registry& registry);
// Library purser_sidecar_actions. `service` and `connectors` must outlive the registry; nullptr
// where only the descriptions are wanted.
absl::Status AddSidecarActions(action::Registry& registry, provisioning::Service* service,
                               const connectors::Connectors* connectors);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_REGISTRY_H_
