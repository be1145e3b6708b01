// The inventory: what provisioning made and keeps, and the catalog entities that show it.
//
// The place where the domains meet: provisioning writes resources and entities in its own
// transactions, costs look resource ids up, the catalog provider streams entity changes.
#ifndef PURSER_INVENTORY_INVENTORY_H_
#define PURSER_INVENTORY_INVENTORY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "nlohmann/json.hpp"
#include "provider/source_log.h"
#include "store/store.h"

namespace purser::inventory {

inline constexpr char kActiveState[] = "active";
inline constexpr char kDeletedState[] = "deleted";

struct Resource {
  std::string id;  // the outside system's id, as billing names it
  std::string connector;
  std::string type;
  std::string name;
  std::string entity_ref;
  std::string owner;
  std::string request_id;
  std::string step_id;
  std::string state;  // kActiveState, kDeletedState, or what else provisioning says of it
  nlohmann::json attributes;
  std::vector<std::string> needs;  // steps of the same request whose resources it depends on
  absl::Time created_at;
};

// The inventory's log among those of all sources.
inline constexpr char kLogName[] = "purser-inventory/inventory";

// A page of entity changes, see provider::SourceLog.
struct EntityChanges {
  std::vector<std::string> upserts;  // canonical JSON texts
  std::vector<std::string> removed;  // entity refs; none from an empty position
  std::string position;
  bool more = false;
};

// Thread-safe.
class Inventory {
 public:
  // Brings the tables up to date. `database` and `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<Inventory>> Open(store::Database& database,
                                                         base::Clock& clock);
  virtual ~Inventory() = default;

  // For use inside another domain's transaction. A resource whose entity_ref is in the inventory is
  // in the catalog as well, as an entity of its own (see derived.h), until it is deleted or that
  // entity goes; it follows that entity's owner, system, environment and expiry.
  virtual absl::Status PutResource(store::Connection& connection, const Resource& resource) = 0;
  virtual absl::Status MarkDeleted(store::Connection& connection,
                                   absl::string_view resource_id) = 0;
  // Unchanged content (by hash) is no change. Validates; INVALID_ARGUMENT lists all problems. An
  // entity with the annotation or label purser.dev/environment brings the environment's entity
  // along, which goes when nothing is in it any more.
  virtual absl::Status PutEntity(store::Connection& connection, const nlohmann::json& entity) = 0;
  virtual absl::Status RemoveEntity(store::Connection& connection, absl::string_view ref) = 0;
  // What another domain (`source`, e.g. "costs") adds to an entity: {"annotations": {…}, "links":
  // […]}, or {} to take it away. Kept apart, so that later PutEntity calls keep it; an overlay may
  // come before its entity. Annotations of an overlay win, its links stand behind the entity's own.
  virtual absl::Status PutOverlay(store::Connection& connection, absl::string_view ref,
                                  absl::string_view source, const nlohmann::json& overlay) = 0;
  // The change logs of all sources of this store; entities of the inventory are in kLogName.
  virtual provider::SourceLog& log() = 0;
  // Call after the transaction committed: wakes followers.
  virtual void Committed() = 0;

  virtual absl::StatusOr<std::optional<Resource>> FindResource(absl::string_view id) = 0;
  virtual absl::StatusOr<std::vector<Resource>> ResourcesOf(absl::string_view entity_ref) = 0;
  // At most `max_entities` (1..1000) changes behind `position` ("" = from the beginning).
  virtual absl::StatusOr<EntityChanges> Changes(absl::string_view position, int max_entities) = 0;
  // Returns when there may be changes behind `position`, after `timeout`, or on stop.
  virtual void WaitForChanges(absl::string_view position, absl::Duration timeout,
                              std::stop_token stop) = 0;
};

}  // namespace purser::inventory

#endif  // PURSER_INVENTORY_INVENTORY_H_
