#include "provider/source_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/id.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::provider {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

constexpr absl::Duration kLongestWait = absl::Minutes(1);
// A writer in another process on a shared store cannot wake us: look again this often.
constexpr absl::Duration kLookAgain = absl::Seconds(1);
constexpr size_t kMaxErrorBytes = 4096;
constexpr char kFullSuffix[] = "full";

// How readers see a row with a body.
enum State : int64_t {
  kShown = 0,
  kHeld = 1,     // gone from the source, kept by the guard
  kWaiting = 2,  // another source shows the ref
};

const std::vector<store::Migration>& Migrations() {
  // Never destroyed; used at start only.
  static const auto& steps = *new std::vector<store::Migration>{
      {1, "change logs of sources",
       "CREATE TABLE catalog_source ("
       "  id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL,"
       "  position BIGINT NOT NULL,"
       // Readers behind it have missed tombstones.
       "  floor BIGINT NOT NULL,"
       "  complete BIGINT NOT NULL, paused BIGINT NOT NULL, resync BIGINT NOT NULL,"
       "  fresh_at BIGINT NOT NULL, failed_at BIGINT NOT NULL, error TEXT NOT NULL,"
       "  lease_owner TEXT NOT NULL, lease_until BIGINT NOT NULL);"
       // body: NULL is a tombstone, '' an adopted entity whose text is not known.
       "CREATE TABLE catalog_entity ("
       "  source BIGINT NOT NULL, ref TEXT NOT NULL, position BIGINT NOT NULL, hash TEXT NOT NULL,"
       "  part TEXT NOT NULL, state BIGINT NOT NULL, body TEXT, PRIMARY KEY (source, ref));"
       "CREATE UNIQUE INDEX catalog_entity_position ON catalog_entity (source, position);"
       "CREATE INDEX catalog_entity_ref ON catalog_entity (ref);"
       "CREATE INDEX catalog_entity_tombstone ON catalog_entity (source, position) "
       "  WHERE body IS NULL;"
       "CREATE INDEX catalog_entity_state ON catalog_entity (source, state, ref) WHERE state > 0;"
       "CREATE TABLE catalog_memory ("
       "  source BIGINT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
       "  PRIMARY KEY (source, name))"},
  };
  return steps;
}

constexpr char kSourceColumns[] =
    "id, name, epoch, position, complete, paused, resync, fresh_at, failed_at, error";

absl::Time FromMicros(int64_t micros) {
  return micros == 0 ? absl::Time() : absl::FromUnixMicros(micros);
}

SourceRecord ToRecord(const Row& row) {
  SourceRecord record;
  record.id = row.Int(0);
  record.name = row.Text(1);
  record.epoch = row.Text(2);
  record.position = row.Int(3);
  record.complete = row.Int(4) != 0;
  record.paused = row.Int(5) != 0;
  record.resync = row.Int(6) != 0;
  record.fresh_at = FromMicros(row.Int(7));
  record.failed_at = FromMicros(row.Int(8));
  record.error = row.Text(9);
  return record;
}

// "<epoch>/<number>[/full]".
struct Position {
  std::string epoch;
  int64_t number = 0;
  bool full = false;
};

// What is no position of ours is as good as none: the reader gets everything.
Position ParsePosition(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  Position position;
  if (parts.size() < 2 || parts.size() > 3 || !absl::SimpleAtoi(parts[1], &position.number) ||
      position.number < 0 || (parts.size() == 3 && parts[2] != kFullSuffix)) {
    return {};
  }
  position.epoch = std::string(parts[0]);
  position.full = parts.size() == 3;
  return position;
}

// Moves the head on; the row orders concurrent writers, so that positions become visible in their
// order. Returns the first new position.
absl::StatusOr<int64_t> Advance(Connection& connection, int64_t source, absl::string_view owner,
                                int64_t by) {
  absl::StatusOr<int64_t> moved =
      owner.empty()
          ? connection.Execute("UPDATE catalog_source SET position = position + $2 WHERE id = $1",
                               {source, by})
          : connection.Execute(
                "UPDATE catalog_source SET position = position + $2 WHERE id = $1 AND "
                "lease_owner = $3",
                {source, by, std::string(owner)});
  PURSER_RETURN_IF_ERROR(moved.status());
  if (*moved == 0) {
    return absl::AbortedError("another purserd has taken this source over");
  }
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT position FROM catalog_source WHERE id = $1", {source}));
  if (rows.empty()) return absl::DataLossError("the record of a source is missing");
  return rows[0].Int(0) - by + 1;
}

// The name of the source that shows `ref`, other than `source`; "" when none does.
absl::StatusOr<std::string> OwnerElsewhere(Connection& connection, int64_t source,
                                           const std::string& ref) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT s.name FROM catalog_entity e JOIN catalog_source s ON s.id = "
                       "e.source WHERE e.ref = $1 AND e.source <> $2 AND e.body IS NOT NULL AND "
                       "e.state <> $3 ORDER BY s.id LIMIT 1",
                       {ref, source, int64_t{kWaiting}}));
  return rows.empty() ? std::string() : rows[0].Text(0);
}

absl::StatusOr<int64_t> CountOf(Connection& connection, absl::string_view condition,
                                int64_t source) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          absl::StrCat("SELECT COUNT(*) FROM catalog_entity WHERE source = $1 AND ", condition),
          {source}));
  return rows.empty() ? 0 : rows[0].Int(0);
}

absl::Status Count(Connection& connection, SourceRecord& record) {
  // Each count is read from an index alone; the bodies stay where they are.
  PURSER_ASSIGN_OR_RETURN(const int64_t all, CountOf(connection, "position > 0", record.id));
  PURSER_ASSIGN_OR_RETURN(const int64_t tombstones, CountOf(connection, "body IS NULL", record.id));
  PURSER_ASSIGN_OR_RETURN(record.held, CountOf(connection, "state = 1", record.id));
  PURSER_ASSIGN_OR_RETURN(record.waiting, CountOf(connection, "state = 2", record.id));
  record.entities = all - tombstones - record.waiting;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SourceLog>> SourceLog::Open(store::Database& database,
                                                           base::Clock& clock, base::Rng& rng) {
  PURSER_RETURN_IF_ERROR(database.Migrate("catalog", Migrations()));
  return std::unique_ptr<SourceLog>(new SourceLog(database, clock, rng));
}

absl::StatusOr<SourceRecord> SourceLog::Register(absl::string_view name) {
  SourceRecord record;
  const std::string epoch = base::NewId("", clock_, rng_);
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
    const std::string select =
        absl::StrCat("SELECT ", kSourceColumns, " FROM catalog_source WHERE name = $1");
    PURSER_ASSIGN_OR_RETURN(Rows rows, connection.Query(select, {std::string(name)}));
    if (rows.empty()) {
      PURSER_ASSIGN_OR_RETURN(
          const Rows last,
          connection.Query("SELECT id FROM catalog_source ORDER BY id DESC LIMIT 1", {}));
      const int64_t id = last.empty() ? 1 : last[0].Int(0) + 1;
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("INSERT INTO catalog_source (id, name, epoch, position, floor, complete, "
                       "paused, resync, fresh_at, failed_at, error, lease_owner, lease_until) "
                       "VALUES ($1,$2,$3,0,0,0,0,0,0,0,'','',0)",
                       {id, std::string(name), epoch})
              .status());
      PURSER_ASSIGN_OR_RETURN(rows, connection.Query(select, {std::string(name)}));
    }
    if (rows.empty()) return absl::DataLossError("the record of a source is missing");
    record = ToRecord(rows[0]);
    return Count(connection, record);
  }));
  return record;
}

absl::StatusOr<std::optional<SourceRecord>> SourceLog::Find(absl::string_view name) {
  std::optional<SourceRecord> record;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const Rows rows,
                            connection.Query(absl::StrCat("SELECT ", kSourceColumns,
                                                          " FROM catalog_source WHERE name = $1"),
                                             {std::string(name)}));
    record.reset();
    if (rows.empty()) return absl::OkStatus();
    record = ToRecord(rows[0]);
    return Count(connection, *record);
  }));
  return record;
}

absl::StatusOr<std::vector<SourceRecord>> SourceLog::List() {
  std::vector<SourceRecord> records;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    records.clear();
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query(
            absl::StrCat("SELECT ", kSourceColumns, " FROM catalog_source ORDER BY name"), {}));
    for (const Row& row : rows) {
      records.push_back(ToRecord(row));
      PURSER_RETURN_IF_ERROR(Count(connection, records.back()));
    }
    return absl::OkStatus();
  }));
  return records;
}

absl::StatusOr<bool> SourceLog::Lease(int64_t source, absl::string_view owner,
                                      absl::Duration duration) {
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  bool taken = false;
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(
        const int64_t rows,
        connection.Execute(
            "UPDATE catalog_source SET lease_owner = $2, lease_until = $3 WHERE id "
            "= $1 AND (lease_owner = $2 OR lease_owner = '' OR lease_until < $4)",
            {source, std::string(owner), now + absl::ToInt64Microseconds(duration), now}));
    taken = rows == 1;
    return absl::OkStatus();
  }));
  return taken;
}

absl::Status SourceLog::Release(int64_t source, absl::string_view owner) {
  return database_.Transact([&](Connection& connection) {
    return connection
        .Execute(
            "UPDATE catalog_source SET lease_owner = '', lease_until = 0 WHERE id = $1 AND "
            "lease_owner = $2",
            {source, std::string(owner)})
        .status();
  });
}

absl::Status SourceLog::Append(Connection& connection, int64_t source, absl::string_view owner,
                               absl::Span<const LogWrite> writes) {
  if (writes.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(int64_t position,
                          Advance(connection, source, owner, static_cast<int64_t>(writes.size())));
  for (const LogWrite& write : writes) {
    if (write.body.has_value()) {
      if (write.body->size() > kMaxEntityBytes) {
        return absl::ResourceExhaustedError(absl::StrCat("entity ", write.ref, " has ",
                                                         write.body->size(), " bytes; at most ",
                                                         kMaxEntityBytes, " are allowed"));
      }
      std::string elsewhere;
      if (write.yields) {
        PURSER_ASSIGN_OR_RETURN(elsewhere, OwnerElsewhere(connection, source, write.ref));
      }
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("INSERT INTO catalog_entity (source, ref, position, hash, part, state, "
                       "body) VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT (source, ref) DO UPDATE "
                       "SET position = excluded.position, hash = excluded.hash, part = "
                       "excluded.part, state = excluded.state, body = excluded.body",
                       {source, write.ref, position, write.hash, write.partition,
                        elsewhere.empty() ? int64_t{kShown} : int64_t{kWaiting}, *write.body})
              .status());
    } else {
      // What readers never saw needs no tombstone.
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("DELETE FROM catalog_entity WHERE source = $1 AND ref = $2 AND state = $3",
                       {source, write.ref, int64_t{kWaiting}})
              .status());
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("UPDATE catalog_entity SET position = $3, hash = '', part = '', state = 0, "
                       "body = NULL WHERE source = $1 AND ref = $2 AND body IS NOT NULL",
                       {source, write.ref, position})
              .status());
    }
    ++position;
  }
  return absl::OkStatus();
}

absl::Status SourceLog::Append(int64_t source, absl::string_view owner,
                               absl::Span<const LogWrite> writes) {
  if (writes.empty()) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(database_.Transact(
      [&](Connection& connection) { return Append(connection, source, owner, writes); }));
  Committed(source);
  return absl::OkStatus();
}

absl::Status SourceLog::Hold(int64_t source, absl::string_view owner,
                             absl::Span<const std::string> refs) {
  return database_.Transact([&](Connection& connection) -> absl::Status {
    PURSER_RETURN_IF_ERROR(Advance(connection, source, owner, 0).status());
    for (const std::string& ref : refs) {
      PURSER_RETURN_IF_ERROR(connection
                                 .Execute("UPDATE catalog_entity SET state = $3 WHERE source = $1 "
                                          "AND ref = $2 AND state = 0 AND body IS NOT NULL",
                                          {source, ref, int64_t{kHeld}})
                                 .status());
    }
    return absl::OkStatus();
  });
}

absl::Status SourceLog::Adopt(int64_t source, absl::Span<const std::string> refs) {
  if (refs.empty()) return absl::OkStatus();
  return database_.Transact([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(int64_t position,
                            Advance(connection, source, "", static_cast<int64_t>(refs.size())));
    for (const std::string& ref : refs) {
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("INSERT INTO catalog_entity (source, ref, position, hash, part, state, "
                       "body) VALUES ($1,$2,$3,'','',$4,'') ON CONFLICT (source, ref) DO UPDATE "
                       "SET position = excluded.position, state = excluded.state, body = '' "
                       "WHERE catalog_entity.body IS NULL",
                       {source, ref, position++, int64_t{kHeld}})
              .status());
    }
    return absl::OkStatus();
  });
}

absl::Status SourceLog::ForEach(int64_t source,
                                const std::function<void(absl::string_view, absl::string_view,
                                                         absl::string_view, bool)>& visit) {
  return database_.Read([&](Connection& connection) {
    return connection.ForEach(
        "SELECT ref, hash, part, state FROM catalog_entity WHERE source = $1 AND body IS NOT NULL",
        {source}, [&](const Row& row) {
          visit(row.Text(0), row.Text(1), row.Text(2), row.Int(3) == kHeld);
          return absl::OkStatus();
        });
  });
}

absl::StatusOr<std::vector<std::string>> SourceLog::Held(int64_t source, int64_t limit) {
  std::vector<std::string> refs;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    refs.clear();
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query("SELECT ref FROM catalog_entity WHERE source = $1 AND state = 1 ORDER BY "
                         "ref LIMIT $2",
                         {source, limit}));
    for (const Row& row : rows) refs.push_back(row.Text(0));
    return absl::OkStatus();
  }));
  return refs;
}

absl::StatusOr<std::vector<SourceLog::Collision>> SourceLog::Collisions(int64_t source,
                                                                        int64_t limit) {
  std::vector<Collision> collisions;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    collisions.clear();
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query("SELECT ref FROM catalog_entity WHERE source = $1 AND state = 2 ORDER BY "
                         "ref LIMIT $2",
                         {source, limit}));
    for (const Row& row : rows) {
      Collision collision{row.Text(0), ""};
      PURSER_ASSIGN_OR_RETURN(collision.owner, OwnerElsewhere(connection, source, collision.ref));
      collisions.push_back(std::move(collision));
    }
    return absl::OkStatus();
  }));
  return collisions;
}

absl::StatusOr<int64_t> SourceLog::ShowWaiting(int64_t source, absl::string_view owner) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<Collision> collisions,
                          Collisions(source, kMaxPageEntities));
  std::vector<std::string> free;
  for (const Collision& collision : collisions) {
    if (collision.owner.empty()) free.push_back(collision.ref);
  }
  if (free.empty()) return 0;
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(int64_t position,
                            Advance(connection, source, owner, static_cast<int64_t>(free.size())));
    for (const std::string& ref : free) {
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("UPDATE catalog_entity SET state = 0, position = $3 WHERE source = $1 AND "
                       "ref = $2 AND state = 2",
                       {source, ref, position++})
              .status());
    }
    return absl::OkStatus();
  }));
  Committed(source);
  return static_cast<int64_t>(free.size());
}

absl::Status SourceLog::Prune(Connection& connection, int64_t source) {
  PURSER_ASSIGN_OR_RETURN(const int64_t tombstones, CountOf(connection, "body IS NULL", source));
  if (tombstones <= kMaxTombstones) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT position FROM catalog_entity WHERE source = $1 AND body IS NULL "
                       "ORDER BY position LIMIT 1 OFFSET $2",
                       {source, tombstones / 2}));
  if (rows.empty()) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(
      connection
          .Execute("DELETE FROM catalog_entity WHERE source = $1 AND body IS NULL AND position <= "
                   "$2",
                   {source, rows[0].Int(0)})
          .status());
  return connection
      .Execute("UPDATE catalog_source SET floor = $2 WHERE id = $1", {source, rows[0].Int(0)})
      .status();
}

absl::Status SourceLog::EndRound(int64_t source, absl::string_view owner, const RoundEnd& end) {
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  const std::string error = base::EscapeForDisplay(end.status.message(), kMaxErrorBytes);
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(
        const Rows known,
        connection.Query("SELECT complete FROM catalog_source WHERE id = $1", {source}));
    // Readers wait for the first completion as for a change.
    const bool first = end.complete && !known.empty() && known[0].Int(0) == 0;
    PURSER_RETURN_IF_ERROR(Advance(connection, source, owner, first ? 1 : 0).status());
    if (end.complete) {
      PURSER_RETURN_IF_ERROR(
          connection
              .Execute("UPDATE catalog_source SET complete = 1, resync = 0, fresh_at = $2 WHERE "
                       "id = $1",
                       {source, now})
              .status());
      PURSER_RETURN_IF_ERROR(Prune(connection, source));
    }
    PURSER_RETURN_IF_ERROR(
        (end.status.ok()
             ? connection.Execute("UPDATE catalog_source SET error = '' WHERE id = $1", {source})
             : connection.Execute(
                   "UPDATE catalog_source SET error = $2, failed_at = $3 WHERE id = $1",
                   {source, error.empty() ? std::string("unknown") : error, now}))
            .status());
    for (const auto& [name, value] : end.memory) {
      PURSER_RETURN_IF_ERROR(
          (value.empty()
               ? connection.Execute("DELETE FROM catalog_memory WHERE source = $1 AND name = $2",
                                    {source, name})
               : connection.Execute(
                     "INSERT INTO catalog_memory (source, name, value) VALUES ($1,$2,$3) ON "
                     "CONFLICT (source, name) DO UPDATE SET value = excluded.value",
                     {source, name, value}))
              .status());
    }
    return absl::OkStatus();
  }));
  Committed(source);
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::string>> SourceLog::Memory(int64_t source) {
  std::map<std::string, std::string> memory;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    memory.clear();
    return connection.ForEach("SELECT name, value FROM catalog_memory WHERE source = $1", {source},
                              [&](const Row& row) {
                                memory.emplace(row.Text(0), row.Text(1));
                                return absl::OkStatus();
                              });
  }));
  return memory;
}

absl::Status SourceLog::ForgetMemory(int64_t source) {
  return database_.Transact([&](Connection& connection) {
    return connection.Execute("DELETE FROM catalog_memory WHERE source = $1", {source}).status();
  });
}

absl::Status SourceLog::Set(int64_t source, absl::string_view assignment,
                            std::vector<Value> parameters) {
  parameters.insert(parameters.begin(), source);
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) {
    return connection
        .Execute(absl::StrCat("UPDATE catalog_source SET ", assignment, " WHERE id = $1"),
                 parameters)
        .status();
  }));
  Committed(source);
  return absl::OkStatus();
}

absl::Status SourceLog::SetPaused(int64_t source, bool paused) {
  return Set(source, "paused = $2", {int64_t{paused}});
}

absl::Status SourceLog::SetResync(int64_t source, bool resync) {
  return Set(source, "resync = $2", {int64_t{resync}});
}

absl::Status SourceLog::NewEpoch(int64_t source) {
  return Set(source, "epoch = $2", {base::NewId("", clock_, rng_)});
}

absl::StatusOr<LogPage> SourceLog::Changes(int64_t source, absl::string_view position,
                                           int max_entities) {
  if (max_entities < 1 || max_entities > kMaxPageEntities) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_entities must be 1 to ", kMaxPageEntities, ", not ", max_entities));
  }
  const Position behind = ParsePosition(position);
  LogPage page;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    page = LogPage();
    PURSER_ASSIGN_OR_RETURN(
        const Rows head,
        connection.Query(
            "SELECT epoch, position, floor, complete FROM catalog_source WHERE id = $1", {source}));
    if (head.empty()) return absl::NotFoundError("this source is not known");
    const std::string& epoch = head[0].Text(0);
    const bool ours = behind.epoch == epoch;
    page.full = !ours || behind.full || behind.number < head[0].Int(2);
    const int64_t after = ours && (behind.full || !page.full) ? behind.number : 0;
    // Who begins holds nothing of this log; who goes on may hold what was removed meanwhile.
    const bool begins = page.full && !(ours && behind.full);
    int64_t last = after;
    size_t bytes = 0;
    int count = 0;
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query(
            absl::StrCat("SELECT position, ref, body FROM catalog_entity WHERE source = $1 AND "
                         "position > $2 AND state <> 2 AND ",
                         begins ? "body <> ''" : "(body IS NULL OR body <> '')",
                         " ORDER BY position LIMIT $3"),
            {source, after, static_cast<int64_t>(max_entities) + 1}));
    for (const Row& row : rows) {
      const size_t size = row.IsNull(2) ? row.Text(1).size() : row.Text(2).size();
      if (count == max_entities || (count > 0 && bytes + size > kMaxPageBytes)) {
        page.more = true;
        break;
      }
      (row.IsNull(2) ? page.removed : page.upserts).push_back(row.Text(row.IsNull(2) ? 1 : 2));
      bytes += size;
      ++count;
      last = row.Int(0);
    }
    // At the end: behind everything, also what is hidden from readers.
    if (!page.more) last = std::max(last, head[0].Int(1));
    page.full_end = page.full && !page.more && head[0].Int(3) != 0;
    page.position = absl::StrCat(epoch, "/", last, page.full && !page.full_end ? "/full" : "");
    return absl::OkStatus();
  }));
  return page;
}

void SourceLog::Committed(int64_t source) {
  base::MutexLock lock(mutex_);
  ++generations_[source];
  changed_.NotifyAll();
}

void SourceLog::Wait(int64_t source, absl::string_view position, absl::Duration timeout,
                     std::stop_token stop) {
  const Position behind = ParsePosition(position);
  const std::stop_callback wake(stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  const absl::Duration until = base::Clock::System().Monotonic() + std::min(timeout, kLongestWait);
  while (!stop.stop_requested()) {
    uint64_t seen = 0;
    {
      base::MutexLock lock(mutex_);
      seen = generations_[source];
    }
    bool moved = false;
    const absl::Status read = database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(
          const Rows rows,
          connection.Query("SELECT position, epoch FROM catalog_source WHERE id = $1", {source}));
      moved = rows.empty() || rows[0].Int(0) > behind.number || rows[0].Text(1) != behind.epoch ||
              behind.full;
      return absl::OkStatus();
    });
    // A store that cannot be read is waited out as well, so that readers do not spin.
    if (read.ok() && moved) return;
    const absl::Duration look_again =
        database_.IsShared() ? std::min(until, base::Clock::System().Monotonic() + kLookAgain)
                             : until;
    base::MutexLock lock(mutex_);
    while (generations_[source] == seen && !stop.stop_requested()) {
      const absl::Duration left = look_again - base::Clock::System().Monotonic();
      if (left <= absl::ZeroDuration()) break;
      changed_.WaitFor(mutex_, left);
    }
    if (base::Clock::System().Monotonic() >= until) return;
  }
}

}  // namespace purser::provider
