#include "addon/registries.h"

#include "catalog-providers/registry.h"
#include "scaffolder-actions/registry.h"

namespace purser::addon {

absl::Status AddActions(action::Registry& registry) { return actions::AddPortalActions(registry); }

absl::Status AddProviders(provider::Registry& registry) {
  return catalog_providers::AddPortalProviders(registry);
}

}  // namespace purser::addon
