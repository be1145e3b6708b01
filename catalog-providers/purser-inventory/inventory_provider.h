// The catalog provider "purser-inventory": what provisioning made, as the inventory's change log
// tells it.
#ifndef PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_INVENTORY_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_INVENTORY_PROVIDER_H_

#include "provider/provider.h"

namespace purser::catalog_providers {

// Nothing to run: the host follows inventory::kLogName. It needs no config of its own.
class InventoryProvider final : public provider::Provider {
 public:
  InventoryProvider();
  const provider::Description& description() const override { return description_; }

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_INVENTORY_PROVIDER_H_
