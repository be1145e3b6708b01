#include "inventory/inventory.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "inventory/derived.h"
#include "inventory/derived_entities.h"
#include "inventory/shown_entities.h"
#include "inventory/tables.h"
#include "json/json.h"

namespace purser::inventory {
namespace {

using nlohmann::json;
using store::Connection;
using store::Row;
using store::Rows;

constexpr size_t kMaxResourceIdBytes = 2048;
constexpr int64_t kMaxResourcesOfEntity = 10'000;
constexpr size_t kMaxNeeds = 100;

constexpr char kResourceColumns[] =
    "id, connector, type, name, entity_ref, owner, request_id, step_id, state, attributes, "
    "created_at, needs";

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
  const json needs = json::parse(row.Text(11), nullptr, /*allow_exceptions=*/false);
  for (const json& step : needs) resource.needs.push_back(step.get<std::string>());
  return resource;
}

class StoredInventory final : public Inventory {
 public:
  StoredInventory(store::Database& database, base::Clock& clock,
                  std::unique_ptr<provider::SourceLog> log, int64_t source)
      : database_(database),
        clock_(clock),
        log_(std::move(log)),
        source_(source),
        shown_(*log_, source),
        derived_(shown_) {}

  provider::SourceLog& log() override { return *log_; }

  absl::Status PutResource(Connection& connection, const Resource& resource) override {
    if (resource.id.empty() || resource.id.size() > kMaxResourceIdBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "resource id must have 1 to ", kMaxResourceIdBytes, " bytes, not ", resource.id.size()));
    }
    const absl::Time created =
        resource.created_at == absl::Time() ? clock_.Now() : resource.created_at;
    const json needs(std::vector<std::string>(
        resource.needs.begin(),
        resource.needs.begin() + std::min(resource.needs.size(), kMaxNeeds)));
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute(absl::StrCat("INSERT INTO inventory_resource (", kResourceColumns,
                                  ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12) "
                                  "ON CONFLICT (id) DO UPDATE SET connector = excluded.connector, "
                                  "type = excluded.type, name = excluded.name, "
                                  "entity_ref = excluded.entity_ref, owner = excluded.owner, "
                                  "request_id = excluded.request_id, step_id = excluded.step_id, "
                                  "state = excluded.state, attributes = excluded.attributes, "
                                  "needs = excluded.needs"),
                     {resource.id, resource.connector, resource.type, resource.name,
                      resource.entity_ref, resource.owner, resource.request_id, resource.step_id,
                      resource.state.empty() ? std::string(kActiveState) : resource.state,
                      catalog::Canonical(resource.attributes), absl::ToUnixMicros(created),
                      purser::json::Dump(needs)})
            .status());
    return Show(connection, resource);
  }

  absl::Status MarkDeleted(Connection& connection, absl::string_view resource_id) override {
    PURSER_RETURN_IF_ERROR(connection
                               .Execute("UPDATE inventory_resource SET state = $1 WHERE id = $2",
                                        {std::string(kDeletedState), std::string(resource_id)})
                               .status());
    return derived_.HideResource(connection, std::string(resource_id));
  }

  absl::Status PutEntity(Connection& connection, const json& entity) override {
    PURSER_RETURN_IF_ERROR(ShownEntities::Check(entity));
    const std::string ref = catalog::RefOf(entity).ToString();
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> displaced,
                            derived_.MakeRoom(connection, ref));
    PURSER_ASSIGN_OR_RETURN(const std::optional<json> before, shown_.Find(connection, ref));
    PURSER_RETURN_IF_ERROR(shown_.Put(connection, entity));
    for (const std::string& id : displaced) {
      PURSER_ASSIGN_OR_RETURN(const std::optional<Resource> other, Find(connection, id));
      if (other.has_value()) PURSER_RETURN_IF_ERROR(Show(connection, *other));
    }
    if (before.has_value() && HeritageOf(*before) == HeritageOf(entity)) return absl::OkStatus();
    PURSER_RETURN_IF_ERROR(
        derived_.Enter(connection, ref, EnvironmentOf(entity), HeritageOf(entity).owner));
    return ShowResourcesOf(connection, ref, entity);
  }

  absl::Status PutOverlay(Connection& connection, absl::string_view ref, absl::string_view source,
                          const json& overlay) override {
    return shown_.PutOverlay(connection, std::string(ref), source, overlay);
  }

  absl::Status RemoveEntity(Connection& connection, absl::string_view ref) override {
    const std::string parent(ref);
    PURSER_RETURN_IF_ERROR(derived_.HideResourcesOf(connection, parent));
    PURSER_RETURN_IF_ERROR(derived_.Enter(connection, parent, "", ""));
    return shown_.Remove(connection, parent);
  }

  void Committed() override { log_->Committed(source_); }

  absl::StatusOr<std::optional<Resource>> FindResource(absl::string_view id) override {
    std::optional<Resource> resource;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(resource, Find(connection, id));
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
  absl::StatusOr<std::optional<Resource>> Find(Connection& connection, absl::string_view id) {
    PURSER_ASSIGN_OR_RETURN(const Rows rows,
                            connection.Query(absl::StrCat("SELECT ", kResourceColumns,
                                                          " FROM inventory_resource WHERE id = $1"),
                                             {std::string(id)}));
    std::optional<Resource> resource;
    if (!rows.empty()) resource = ToResource(rows[0]);
    return resource;
  }

  absl::Status Show(Connection& connection, const Resource& resource) {
    PURSER_ASSIGN_OR_RETURN(const std::optional<json> entity,
                            shown_.Find(connection, resource.entity_ref));
    return derived_.ShowResource(connection, entity, resource);
  }

  absl::Status ShowResourcesOf(Connection& connection, const std::string& ref, const json& entity) {
    std::vector<Resource> resources;
    PURSER_RETURN_IF_ERROR(connection.ForEach(
        absl::StrCat("SELECT ", kResourceColumns,
                     " FROM inventory_resource WHERE entity_ref = $1 AND state <> $2 "
                     "ORDER BY created_at, id LIMIT $3"),
        {ref, std::string(kDeletedState), kMaxResourcesOfEntity}, [&](const Row& row) {
          resources.push_back(ToResource(row));
          return absl::OkStatus();
        }));
    for (const Resource& resource : resources) {
      PURSER_RETURN_IF_ERROR(derived_.ShowResource(connection, entity, resource));
    }
    return absl::OkStatus();
  }

  store::Database& database_;
  base::Clock& clock_;
  const std::unique_ptr<provider::SourceLog> log_;
  const int64_t source_;
  ShownEntities shown_;
  DerivedEntities derived_;
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
