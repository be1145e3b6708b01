#include "costs/resource_index.h"

#include "base/status.h"

namespace purser::costs {

absl::StatusOr<std::optional<std::string>> InventoryResourceIndex::EntityOf(
    absl::string_view resource_id) {
  PURSER_ASSIGN_OR_RETURN(const std::optional<inventory::Resource> resource,
                          inventory_.FindResource(resource_id));
  if (!resource.has_value() || resource->entity_ref.empty()) return std::nullopt;
  return resource->entity_ref;
}

}  // namespace purser::costs
