#include "catalog-providers/purser-inventory/inventory_provider.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "catalog/delta.h"

namespace purser::catalog_providers {
namespace {

// How long a follower sleeps at most before it looks again by itself.
constexpr absl::Duration kLongestSleep = absl::Seconds(30);

}  // namespace

InventoryProvider::InventoryProvider(inventory::Inventory& inventory) : inventory_(inventory) {
  description_.id = "purser-inventory";
  description_.description =
      "Entities of everything Purser provisioned, kept true as requests run, end and are undone.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kLog;
  description_.config_schema = {
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"type", "object"},
      {"properties", nlohmann::json::object()},
      {"additionalProperties", true},
  };
}

absl::Status InventoryProvider::Deltas(
    provider::Context& context, absl::string_view position, bool follow,
    const std::function<absl::Status(const provider::DeltaChunk&)>& on_chunk) {
  std::string at(position);
  while (true) {
    if (context.stop().stop_requested()) return absl::CancelledError("the refresh was stopped");
    PURSER_ASSIGN_OR_RETURN(inventory::EntityChanges changes,
                            inventory_.Changes(at, catalog::kMaxDeltaEntities));
    // The position is handed over even when nothing changed, so that the portal moves to this
    // store's positions at its first look.
    const bool moved = changes.position != at;
    at = changes.position;
    if (moved) {
      provider::DeltaChunk chunk;
      chunk.delta.upserts = std::move(changes.upserts);
      chunk.delta.removed = std::move(changes.removed);
      chunk.position = at;
      PURSER_RETURN_IF_ERROR(on_chunk(chunk));
    }
    if (changes.more) continue;
    if (!follow) return absl::OkStatus();
    inventory_.WaitForChanges(at, kLongestSleep, context.stop());
  }
}

}  // namespace purser::catalog_providers
