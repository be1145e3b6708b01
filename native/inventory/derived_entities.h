// Keeps the entities that follow from others (see derived.h) true to what they follow from.
#ifndef PURSER_INVENTORY_DERIVED_ENTITIES_H_
#define PURSER_INVENTORY_DERIVED_ENTITIES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inventory/inventory.h"
#include "inventory/shown_entities.h"
#include "nlohmann/json.hpp"
#include "store/store.h"

namespace purser::inventory {

// Thread-safe. All methods run inside the caller's transaction.
class DerivedEntities {
 public:
  // `shown` must outlive it.
  explicit DerivedEntities(ShownEntities& shown) : shown_(shown) {}

  // `resource` belongs to `entity`, the one of its request (nullopt: that is not in the catalog).
  absl::Status ShowResource(store::Connection& connection,
                            const std::optional<nlohmann::json>& entity, const Resource& resource);
  absl::Status HideResource(store::Connection& connection, const std::string& resource_id);
  // Of all resources of the request whose entity is `parent`.
  absl::Status HideResourcesOf(store::Connection& connection, const std::string& parent);
  // Makes `ref` free for the entity of a request. Returns ids of the resources whose entities had
  // to go; they are to be shown again, under other names, when `ref` is taken.
  absl::StatusOr<std::vector<std::string>> MakeRoom(store::Connection& connection,
                                                    const std::string& ref);

  // The entity `ref` is in `environment` from now on ("" = in none). An environment is in the
  // catalog as long as something is in it; it belongs to whom its first entity belonged.
  absl::Status Enter(store::Connection& connection, const std::string& ref,
                     const std::string& environment, const std::string& owner);

 private:
  absl::Status Put(store::Connection& connection, const std::string& ref,
                   const nlohmann::json& entity);
  absl::StatusOr<std::vector<std::string>> DependenciesOf(store::Connection& connection,
                                                          const Resource& resource);
  absl::StatusOr<bool> IsTaken(store::Connection& connection, const std::string& ref,
                               const std::string& resource_id);
  absl::StatusOr<bool> IsUsed(store::Connection& connection, const std::string& environment);

  ShownEntities& shown_;
};

}  // namespace purser::inventory

#endif  // PURSER_INVENTORY_DERIVED_ENTITIES_H_
