#include <memory>

#include "base/status.h"
#include "catalog-providers/purser-inventory/inventory_provider.h"
#include "catalog-providers/registry.h"

namespace purser::catalog_providers {

absl::Status AddSidecarProviders(provider::Registry& registry, inventory::Inventory& inventory) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<InventoryProvider>(inventory)));
  return absl::OkStatus();
}

}  // namespace purser::catalog_providers
