#include <memory>

#include "base/status.h"
#include "scaffolder-actions/holding/holding_actions.h"
#include "scaffolder-actions/manifest/manifest_crd_action.h"
#include "scaffolder-actions/registry.h"
#include "scaffolder-actions/request-await/request_await_action.h"
#include "scaffolder-actions/request/request_action.h"

namespace purser::actions {

absl::Status AddSidecarActions(action::Registry& registry, provisioning::Service* service,
                               const connectors::Connectors* connectors) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<ManifestCrdAction>(connectors)));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<RequestAction>(service)));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<RequestAwaitAction>(service)));
  return AddHoldingActions(registry, service);
}

}  // namespace purser::actions
