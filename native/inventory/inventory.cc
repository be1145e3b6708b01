#include "inventory/inventory.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/id.h"
#include "base/mutex.h"
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

constexpr int kMaxChanges = 1000;
constexpr absl::Duration kLongestWait = absl::Minutes(1);
// A page must fit a gRPC message of 4 MiB with room for its envelope.
constexpr size_t kMaxPageBytes = 5 << 19;  // 2.5 MiB
constexpr size_t kMaxEntityBytes = 512 << 10;
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

// "<epoch>/<n>".
struct Position {
  std::string epoch;
  int64_t number = 0;
};

absl::StatusOr<Position> ParsePosition(absl::string_view text) {
  Position position;
  if (text.empty()) return position;
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(slash + 1), &position.number) || position.number < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("position '", base::EscapeForDisplay(text),
                     "' is not one of the inventory's; start again from an empty one"));
  }
  position.epoch = std::string(text.substr(0, slash));
  return position;
}

class StoredInventory final : public Inventory {
 public:
  StoredInventory(store::Database& database, base::Clock& clock, std::string epoch)
      : database_(database), clock_(clock), epoch_(std::move(epoch)) {}

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
        connection.Query("SELECT own FROM inventory_entity WHERE ref = $1 AND own IS NOT NULL",
                         {std::string(ref)}));
    if (known.empty()) return absl::OkStatus();
    const json own = json::parse(known[0].Text(0), nullptr, /*allow_exceptions=*/false);
    return WriteMerged(connection, std::string(ref), own);
  }

  absl::Status RemoveEntity(Connection& connection, absl::string_view ref) override {
    PURSER_ASSIGN_OR_RETURN(
        const Rows known,
        connection.Query("SELECT 1 FROM inventory_entity WHERE ref = $1 AND body IS NOT NULL",
                         {std::string(ref)}));
    if (known.empty()) return absl::OkStatus();
    PURSER_ASSIGN_OR_RETURN(const int64_t position, NextPosition(connection));
    return connection
        .Execute(
            "UPDATE inventory_entity SET position = $1, hash = '', own = NULL, body = NULL WHERE "
            "ref = $2",
            {position, std::string(ref)})
        .status();
  }

  void Committed() override {
    base::MutexLock lock(mutex_);
    ++generation_;
    changed_.NotifyAll();
  }

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
    if (max_entities < 1 || max_entities > kMaxChanges) {
      return absl::InvalidArgumentError(
          absl::StrCat("max_entities must be 1 to ", kMaxChanges, ", not ", max_entities));
    }
    PURSER_ASSIGN_OR_RETURN(const Position behind, ParsePosition(position));
    const int64_t after = behind.epoch == epoch_ ? behind.number : 0;
    EntityChanges changes;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      changes = EntityChanges();
      int64_t last = after;
      size_t bytes = 0;
      int count = 0;
      PURSER_ASSIGN_OR_RETURN(Rows rows,
                              connection.Query("SELECT position, ref, body FROM inventory_entity "
                                               "WHERE position > $1 ORDER BY position LIMIT $2",
                                               {after, static_cast<int64_t>(max_entities) + 1}));
      for (const Row& row : rows) {
        const size_t size = row.IsNull(2) ? row.Text(1).size() : row.Text(2).size();
        if (count == max_entities || (count > 0 && bytes + size > kMaxPageBytes)) {
          changes.more = true;
          break;
        }
        if (row.IsNull(2)) {
          changes.removed.push_back(row.Text(1));
        } else {
          changes.upserts.push_back(row.Text(2));
        }
        bytes += size;
        ++count;
        last = row.Int(0);
      }
      changes.position = absl::StrCat(epoch_, "/", last);
      return absl::OkStatus();
    }));
    return changes;
  }

  void WaitForChanges(absl::string_view position, absl::Duration timeout,
                      std::stop_token stop) override {
    uint64_t seen = 0;
    {
      base::MutexLock lock(mutex_);
      seen = generation_;
    }
    const absl::StatusOr<Position> behind = ParsePosition(position);
    if (!behind.ok() || behind->epoch != epoch_) return;
    int64_t head = 0;
    const absl::Status read = database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(
          const Rows rows,
          connection.Query("SELECT position FROM inventory_head WHERE id = 1", {}));
      head = rows.empty() ? 0 : rows[0].Int(0);
      return absl::OkStatus();
    });
    // A store that cannot be read is waited out as well, so that followers do not spin.
    if (read.ok() && head > behind->number) return;
    const std::stop_callback wake(stop, [this] {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
    const absl::Duration until = base::Clock::System().Monotonic() + timeout;
    base::MutexLock lock(mutex_);
    while (generation_ == seen && !stop.stop_requested()) {
      const absl::Duration left = until - base::Clock::System().Monotonic();
      if (left <= absl::ZeroDuration()) return;
      // An endless wait would overflow the clock below and spin; waits are taken up again.
      changed_.WaitFor(mutex_, std::min(left, kLongestWait));
    }
  }

 private:
  // Stores `own` and what followers see of it; content that is the same for them is no change.
  static absl::Status WriteMerged(Connection& connection, const std::string& ref, const json& own) {
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
    std::string body = catalog::Canonical(merged);
    if (body.size() > kMaxEntityBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("entity ", ref, " has ", body.size(),
                                                       " bytes; at most ", kMaxEntityBytes,
                                                       " are allowed"));
    }
    std::string hash = catalog::ContentHash(body);
    PURSER_ASSIGN_OR_RETURN(
        const Rows known,
        connection.Query("SELECT hash FROM inventory_entity WHERE ref = $1 AND body IS NOT NULL",
                         {ref}));
    if (!known.empty() && known[0].Text(0) == hash) {
      return connection
          .Execute("UPDATE inventory_entity SET own = $1 WHERE ref = $2",
                   {catalog::Canonical(own), ref})
          .status();
    }
    PURSER_ASSIGN_OR_RETURN(const int64_t position, NextPosition(connection));
    return connection
        .Execute(
            "INSERT INTO inventory_entity (ref, position, hash, own, body) VALUES ($1,$2,$3,$4,$5) "
            "ON CONFLICT (ref) DO UPDATE SET position = excluded.position, hash = excluded.hash, "
            "own = excluded.own, body = excluded.body",
            {ref, position, std::move(hash), catalog::Canonical(own), std::move(body)})
        .status();
  }

  // The head row also orders concurrent writers: positions become visible in their order.
  static absl::StatusOr<int64_t> NextPosition(Connection& connection) {
    PURSER_RETURN_IF_ERROR(
        connection.Execute("UPDATE inventory_head SET position = position + 1 WHERE id = 1", {})
            .status());
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows, connection.Query("SELECT position FROM inventory_head WHERE id = 1", {}));
    if (rows.empty()) return absl::DataLossError("inventory: its head row is missing");
    return rows[0].Int(0);
  }

  store::Database& database_;
  base::Clock& clock_;
  const std::string epoch_;
  base::Mutex mutex_;
  base::CondVar changed_;
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Inventory>> Inventory::Open(store::Database& database,
                                                           base::Clock& clock) {
  PURSER_RETURN_IF_ERROR(database.Migrate("inventory", Migrations()));
  std::string epoch;
  PURSER_RETURN_IF_ERROR(database.Transact([&](Connection& connection) -> absl::Status {
    PURSER_RETURN_IF_ERROR(connection
                               .Execute("INSERT INTO inventory_head (id, epoch, position) "
                                        "VALUES (1, $1, 0) ON CONFLICT (id) DO NOTHING",
                                        {base::NewId("", clock, base::Rng::System())})
                               .status());
    PURSER_ASSIGN_OR_RETURN(const Rows rows,
                            connection.Query("SELECT epoch FROM inventory_head WHERE id = 1", {}));
    if (rows.empty()) return absl::DataLossError("inventory: its head row is missing");
    epoch = rows[0].Text(0);
    return absl::OkStatus();
  }));
  return std::make_unique<StoredInventory>(database, clock, std::move(epoch));
}

}  // namespace purser::inventory
