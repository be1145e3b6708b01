#include "catalog-providers/purser-inventory/inventory_provider.h"

#include "inventory/inventory.h"

namespace purser::catalog_providers {

InventoryProvider::InventoryProvider() {
  description_.id = "purser-inventory";
  description_.description =
      "Entities of everything Purser provisioned, kept true as requests run, end and are undone.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kLog;
  description_.log_name = inventory::kLogName;
  description_.config_schema = {
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"type", "object"},
      {"properties", nlohmann::json::object()},
      {"additionalProperties", true},
  };
}

}  // namespace purser::catalog_providers
