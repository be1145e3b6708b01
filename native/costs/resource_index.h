// What costs need to know of provisioned resources: to which entity an id in a bill belongs.
#ifndef PURSER_COSTS_RESOURCE_INDEX_H_
#define PURSER_COSTS_RESOURCE_INDEX_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inventory/inventory.h"

namespace purser::costs {

// Thread-safe.
class ResourceIndex {
 public:
  virtual ~ResourceIndex() = default;
  // The entity ref of the resource billed as `resource_id`; nothing when it is not ours. Deleted
  // resources count: their bills arrive later.
  virtual absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view resource_id) = 0;
};

// The resources that provisioning recorded. `inventory` must outlive it.
class InventoryResourceIndex final : public ResourceIndex {
 public:
  explicit InventoryResourceIndex(inventory::Inventory& inventory) : inventory_(inventory) {}
  absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view resource_id) override;

 private:
  inventory::Inventory& inventory_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_RESOURCE_INDEX_H_
