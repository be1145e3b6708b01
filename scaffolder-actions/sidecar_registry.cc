#include <memory>

#include "base/status.h"
#include "scaffolder-actions/registry.h"
#include "scaffolder-actions/request-await/request_await_action.h"
#include "scaffolder-actions/request/request_action.h"

namespace purser::actions {

absl::Status AddSidecarActions(action::Registry& registry, provisioning::Service* service) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<RequestAction>(service)));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<RequestAwaitAction>(service)));
  return absl::OkStatus();
}

}  // namespace purser::actions
