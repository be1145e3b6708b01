#include "inventory/tables.h"

namespace purser::inventory {

const std::vector<store::Migration>& Migrations() {
  // Never destroyed; used at start only.
  static const auto& steps = *new std::vector<store::Migration>{
      {1, "resources, and entities by position of their last change",
       "CREATE TABLE inventory_resource ("
       "  id TEXT PRIMARY KEY, connector TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL,"
       "  entity_ref TEXT NOT NULL, owner TEXT NOT NULL, request_id TEXT NOT NULL,"
       "  step_id TEXT NOT NULL, state TEXT NOT NULL, attributes TEXT NOT NULL,"
       "  created_at BIGINT NOT NULL);"
       "CREATE INDEX inventory_resource_entity ON inventory_resource (entity_ref, created_at, id);"
       // own: as PutEntity gave it; body: with the overlays, as followers see it. NULL: a
       // tombstone.
       "CREATE TABLE inventory_entity ("
       "  ref TEXT PRIMARY KEY, position BIGINT NOT NULL, hash TEXT NOT NULL, own TEXT, body TEXT);"
       "CREATE TABLE inventory_overlay ("
       "  ref TEXT NOT NULL, source TEXT NOT NULL, overlay TEXT NOT NULL, "
       "  PRIMARY KEY (ref, source));"
       "CREATE UNIQUE INDEX inventory_entity_position ON inventory_entity (position);"
       // One row. `epoch` tells this store from another, whose positions mean nothing here.
       "CREATE TABLE inventory_head ("
       "  id BIGINT PRIMARY KEY, epoch TEXT NOT NULL, position BIGINT NOT NULL)"},
      {2, "entities move into the change logs of all sources; here stays what overlays change",
       "INSERT INTO catalog_source (id, name, epoch, position, floor, complete, paused, resync, "
       "  fresh_at, failed_at, error, lease_owner, lease_until) "
       "SELECT (SELECT COALESCE(MAX(id), 0) FROM catalog_source) + 1, "
       "  'purser-inventory/inventory', epoch, position, 0, 1, 0, 0, 0, 0, '', '', 0 "
       "FROM inventory_head;"
       "INSERT INTO catalog_entity (source, ref, position, hash, part, state, body) "
       "SELECT (SELECT id FROM catalog_source WHERE name = 'purser-inventory/inventory'), "
       "  ref, position, hash, '', 0, body FROM inventory_entity;"
       "CREATE TABLE inventory_own (ref TEXT PRIMARY KEY, own TEXT NOT NULL);"
       "INSERT INTO inventory_own (ref, own) SELECT ref, own FROM inventory_entity "
       "  WHERE own IS NOT NULL;"
       "DROP TABLE inventory_entity;"
       "DROP TABLE inventory_head"},
      {3, "entities of resources and environments, which follow from the entities of requests",
       // needs: JSON array of steps of the same request.
       "ALTER TABLE inventory_resource ADD COLUMN needs TEXT NOT NULL DEFAULT '[]';"
       "CREATE TABLE inventory_shown ("
       "  ref TEXT PRIMARY KEY, resource TEXT NOT NULL, parent TEXT NOT NULL, step TEXT NOT NULL);"
       "CREATE UNIQUE INDEX inventory_shown_of ON inventory_shown (resource);"
       "CREATE INDEX inventory_shown_parent "
       "  ON inventory_shown (parent, step, ref);"
       "CREATE TABLE inventory_environment ("
       "  ref TEXT PRIMARY KEY, environment TEXT NOT NULL);"
       "CREATE INDEX inventory_environment_name ON inventory_environment (environment, ref)"},
  };
  return steps;
}

}  // namespace purser::inventory
