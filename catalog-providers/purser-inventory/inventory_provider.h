// The catalog provider "purser-inventory": what provisioning made, as deltas of the inventory's
// log.
#ifndef PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_INVENTORY_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_INVENTORY_PROVIDER_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "inventory/inventory.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// Thread-safe; several followers at once. It needs no config of its own.
class InventoryProvider final : public provider::Provider {
 public:
  // `inventory` must outlive it.
  explicit InventoryProvider(inventory::Inventory& inventory);

  const provider::Description& description() const override { return description_; }
  absl::Status Deltas(
      provider::Context& context, absl::string_view position, bool follow,
      const std::function<absl::Status(const provider::DeltaChunk&)>& on_chunk) override;

 private:
  inventory::Inventory& inventory_;
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_INVENTORY_PROVIDER_H_
