#include "inventory/inventory.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"

namespace purser::inventory {
namespace {

using nlohmann::json;
using store::Connection;
using store::Row;
using store::Rows;

constexpr size_t kMaxResourceIdBytes = 2048;
constexpr int64_t kMaxResourcesOfEntity = 10'000;

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
  };
  return steps;
}

constexpr char kResourceColumns[] =
    "id, connector, type, name, entity_ref, owner, request_id, step_id, state, attributes, "
    "created_at";

Resource ToResource(const Row& row) {
  Resource resource;
  resource.id = row.Text(0);
  resource.connector = row.Text(1);
  resource.type = row.Text(2);
  resource.name = row.Text(3);
  resource.entity_ref = row.Text(4);
  resource.owner = row.Text(5);
  resource.request_id = row.Text(6);
  resource.step_id = row.Text(7);
  resource.state = row.Text(8);
  resource.attributes = json::parse(row.Text(9), nullptr, /*allow_exceptions=*/false);
  resource.created_at = absl::FromUnixMicros(row.Int(10));
  return resource;
}

absl::Status InvalidEntity(const std::vector<catalog::Problem>& problems) {
  std::string text = "entity is not valid:";
  for (const catalog::Problem& problem : problems) {
    absl::StrAppend(&text, " ", problem.pointer.empty() ? "it" : problem.pointer, " ",
                    problem.message, ";");
  }
  text.pop_back();
  return absl::InvalidArgumentError(text);
}

class StoredInventory final : public Inventory {
 public:
  StoredInventory(store::Database& database, base::Clock& clock,
                  std::unique_ptr<provider::SourceLog> log, int64_t source)
      : database_(database), clock_(clock), log_(std::move(log)), source_(source) {}

  provider::SourceLog& log() override { return *log_; }

  absl::Status PutResource(Connection& connection, const Resource& resource) override {
    if (resource.id.empty() || resource.id.size() > kMaxResourceIdBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "resource id must have 1 to ", kMaxResourceIdBytes, " bytes, not ", resource.id.size()));
    }
    const absl::Time created =
        resource.created_at == absl::Time() ? clock_.Now() : resource.created_at;
    return connection
        .Execute(absl::StrCat("INSERT INTO inventory_resource (", kResourceColumns,
                              ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) "
                              "ON CONFLICT (id) DO UPDATE SET connector = excluded.connector, "
                              "type = excluded.type, name = excluded.name, "
                              "entity_ref = excluded.entity_ref, owner = excluded.owner, "
                              "request_id = excluded.request_id, step_id = excluded.step_id, "
                              "state = excluded.state, attributes = excluded.attributes"),
                 {resource.id, resource.connector, resource.type, resource.name,
                  resource.entity_ref, resource.owner, resource.request_id, resource.step_id,
                  resource.state.empty() ? std::string("active") : resource.state,
                  catalog::Canonical(resource.attributes), absl::ToUnixMicros(created)})
        .status();
  }

  absl::Status MarkDeleted(Connection& connection, absl::string_view resource_id) override {
    return connection
        .Execute("UPDATE inventory_resource SET state = 'deleted' WHERE id = $1",
                 {std::string(resource_id)})
        .status();
  }

  absl::Status PutEntity(Connection& connection, const json& entity) override {
    const std::vector<catalog::Problem> problems = catalog::Validate(entity);
    if (!problems.empty()) return InvalidEntity(problems);
    return WriteMerged(connection, catalog::RefOf(entity).ToString(), entity);
  }

  absl::Status PutOverlay(Connection& connection, absl::string_view ref, absl::string_view source,
                          const json& overlay) override {
    if (!overlay.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat("overlay of ", ref, ": must be an object"));
    }
    if (overlay.empty()) {
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("DELETE FROM inventory_overlay WHERE ref = $1 AND source = $2",
                       {std::string(ref), std::string(source)})
              .status());
    } else {
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("INSERT INTO inventory_overlay (ref, source, overlay) VALUES ($1,$2,$3) "
                       "ON CONFLICT (ref, source) DO UPDATE SET overlay = excluded.overlay",
                       {std::string(ref), std::string(source), catalog::Canonical(overlay)})
              .status());
    }
    PURSER_ASSIGN_OR_RETURN(
        const Rows known,
        connection.Query("SELECT own FROM inventory_own WHERE ref = $1", {std::string(ref)}));
    if (known.empty()) return absl::OkStatus();
    const json own = json::parse(known[0].Text(0), nullptr, /*allow_exceptions=*/false);
    return WriteMerged(connection, std::string(ref), own);
  }

  absl::Status RemoveEntity(Connection& connection, absl::string_view ref) override {
    PURSER_RETURN_IF_ERROR(
        connection.Execute("DELETE FROM inventory_own WHERE ref = $1", {std::string(ref)})
            .status());
    PURSER_ASSIGN_OR_RETURN(const std::string known, KnownHash(connection, std::string(ref)));
    if (known.empty()) return absl::OkStatus();
    provider::LogWrite write;
    write.ref = std::string(ref);
    return log_->Append(connection, source_, "", {write});
  }

  void Committed() override { log_->Committed(source_); }

  absl::StatusOr<std::optional<Resource>> FindResource(absl::string_view id) override {
    std::optional<Resource> resource;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(
          const Rows rows, connection.Query(absl::StrCat("SELECT ", kResourceColumns,
                                                         " FROM inventory_resource WHERE id = $1"),
                                            {std::string(id)}));
      if (!rows.empty()) resource = ToResource(rows[0]);
      return absl::OkStatus();
    }));
    return resource;
  }

  absl::StatusOr<std::vector<Resource>> ResourcesOf(absl::string_view entity_ref) override {
    std::vector<Resource> resources;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      resources.clear();
      return connection.ForEach(
          absl::StrCat("SELECT ", kResourceColumns,
                       " FROM inventory_resource WHERE entity_ref = $1 ORDER BY created_at, id "
                       "LIMIT $2"),
          {std::string(entity_ref), kMaxResourcesOfEntity}, [&](const Row& row) {
            resources.push_back(ToResource(row));
            return absl::OkStatus();
          });
    }));
    return resources;
  }

  absl::StatusOr<EntityChanges> Changes(absl::string_view position, int max_entities) override {
    PURSER_ASSIGN_OR_RETURN(provider::LogPage page, log_->Changes(source_, position, max_entities));
    return EntityChanges{std::move(page.upserts), std::move(page.removed), std::move(page.position),
                         page.more};
  }

  void WaitForChanges(absl::string_view position, absl::Duration timeout,
                      std::stop_token stop) override {
    log_->Wait(source_, position, timeout, std::move(stop));
  }

 private:
  // Stores `own` and what followers see of it; content that is the same for them is no change.
  absl::Status WriteMerged(Connection& connection, const std::string& ref, const json& own) {
    json merged = own;
    PURSER_ASSIGN_OR_RETURN(
        const Rows overlays,
        connection.Query("SELECT overlay FROM inventory_overlay WHERE ref = $1 ORDER BY source",
                         {ref}));
    for (const Row& row : overlays) {
      const json overlay = json::parse(row.Text(0), nullptr, /*allow_exceptions=*/false);
      if (overlay.contains("annotations")) {
        merged["metadata"]["annotations"].update(overlay["annotations"]);
      }
      if (overlay.contains("links")) {
        json& links = merged["metadata"]["links"];
        for (const json& link : overlay["links"]) links.push_back(link);
      }
    }
    const std::vector<catalog::Problem> problems = catalog::Validate(merged);
    if (!problems.empty()) return InvalidEntity(problems);
    provider::LogWrite write;
    write.ref = ref;
    write.body = catalog::Canonical(merged);
    write.hash = catalog::ContentHash(*write.body);
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("INSERT INTO inventory_own (ref, own) VALUES ($1,$2) ON CONFLICT (ref) DO "
                     "UPDATE SET own = excluded.own",
                     {ref, catalog::Canonical(own)})
            .status());
    PURSER_ASSIGN_OR_RETURN(const std::string known, KnownHash(connection, ref));
    if (known == write.hash) return absl::OkStatus();
    // What Purser itself made is shown whoever else tells of it.
    write.yields = false;
    return log_->Append(connection, source_, "", {write});
  }

  // Of what followers see; "" when they see nothing.
  absl::StatusOr<std::string> KnownHash(Connection& connection, const std::string& ref) {
    PURSER_ASSIGN_OR_RETURN(
        const Rows known,
        connection.Query("SELECT hash FROM catalog_entity WHERE source = $1 AND ref = $2 AND body "
                         "<> ''",
                         {source_, ref}));
    return known.empty() ? std::string() : known[0].Text(0);
  }

  store::Database& database_;
  base::Clock& clock_;
  const std::unique_ptr<provider::SourceLog> log_;
  const int64_t source_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Inventory>> Inventory::Open(store::Database& database,
                                                           base::Clock& clock) {
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<provider::SourceLog> log,
                          provider::SourceLog::Open(database, clock, base::Rng::System()));
  PURSER_RETURN_IF_ERROR(database.Migrate("inventory", Migrations()));
  PURSER_ASSIGN_OR_RETURN(const provider::SourceRecord record, log->Register(kLogName));
  // It always holds everything there is: whoever reads it may conclude from an absence.
  provider::SourceLog::RoundEnd end;
  end.complete = true;
  PURSER_RETURN_IF_ERROR(log->EndRound(record.id, "", end));
  return std::make_unique<StoredInventory>(database, clock, std::move(log), record.id);
}

}  // namespace purser::inventory
