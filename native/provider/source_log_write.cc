#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "provider/source_claims.h"
#include "provider/source_log.h"
#include "provider/source_log_tables.h"
#include "store/placeholders.h"

namespace purser::provider {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

constexpr size_t kMaxErrorBytes = 4096;

// A write and the position it gets.
struct Placed {
  const LogWrite* write = nullptr;
  int64_t position = 0;
  State state = kShown;
};

constexpr char kInsert[] =
    "INSERT INTO catalog_entity (source, ref, position, hash, part, state, body) VALUES ";

absl::Status Upsert(Connection& connection, int64_t source, absl::Span<const Placed> all) {
  return ForEachPiece<Placed>(all, [&](absl::Span<const Placed> piece) {
    std::vector<Value> parameters;
    parameters.reserve(piece.size() * 7);
    for (const Placed& placed : piece) {
      const LogWrite& write = *placed.write;
      for (Value value :
           {Value(source), Value(write.ref), Value(placed.position), Value(write.hash),
            Value(write.partition), Value(int64_t{placed.state}), Value(*write.body)}) {
        parameters.push_back(std::move(value));
      }
    }
    return connection.ExecuteLater(
        absl::StrCat(kInsert, RowPlaceholders(1, piece.size(), 7),
                     " ON CONFLICT (source, ref) DO UPDATE SET position = excluded.position, hash "
                     "= excluded.hash, part = excluded.part, body = excluded.body, "
                     // To readers who have seen it one that waits is removed.
                     "state = CASE WHEN excluded.state = 2 AND catalog_entity.state <> 2 THEN 3 "
                     "ELSE excluded.state END"),
        parameters);
  });
}

absl::Status Bury(Connection& connection, int64_t source, absl::Span<const Placed> all) {
  return ForEachPiece<Placed>(all, [&](absl::Span<const Placed> piece) -> absl::Status {
    std::vector<Value> refs = {source};
    std::vector<Value> places = {source};
    std::string rows;
    for (const Placed& placed : piece) {
      refs.emplace_back(placed.write->ref);
      absl::StrAppend(&rows, rows.empty() ? "" : ",", "($", places.size() + 1, ",CAST($",
                      places.size() + 2, " AS BIGINT))");
      places.emplace_back(placed.write->ref);
      places.emplace_back(placed.position);
    }
    // What readers never saw needs no tombstone.
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        absl::StrCat("DELETE FROM catalog_entity WHERE source = $1 AND state = 2 AND ref IN (",
                     store::Placeholders(2, piece.size()), ")"),
        refs));
    return connection.ExecuteLater(
        absl::StrCat("WITH gone (ref, position) AS (VALUES ", rows,
                     ") UPDATE catalog_entity SET position = gone.position, hash = '', part = '', "
                     "state = 0, body = NULL FROM gone WHERE catalog_entity.source = $1 AND "
                     "catalog_entity.ref = gone.ref AND catalog_entity.body IS NOT NULL"),
        places);
  });
}

}  // namespace

absl::Status SourceLog::Append(Connection& connection, int64_t source, absl::string_view owner,
                               absl::Span<const LogWrite> writes) {
  if (writes.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const Head head, Advance(connection, source, owner, writes.size()));
  // Of several writes to one ref the last one counts.
  absl::flat_hash_set<absl::string_view> seen;
  std::vector<Placed> upserts;
  std::vector<Placed> removals;
  std::vector<std::string> refs;
  for (size_t i = writes.size(); i-- > 0;) {
    const LogWrite& write = writes[i];
    if (write.body.has_value() && write.body->size() > kMaxEntityBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("entity ", write.ref, " has ",
                                                       write.body->size(), " bytes; at most ",
                                                       kMaxEntityBytes, " are allowed"));
    }
    if (!seen.insert(write.ref).second) continue;
    const Placed placed{&write, head.first + static_cast<int64_t>(i)};
    (write.body.has_value() ? upserts : removals).push_back(placed);
    if (write.body.has_value()) refs.push_back(write.ref);
  }
  PURSER_ASSIGN_OR_RETURN(const Claims claims, ClaimsOfOthers(connection, source, refs));
  for (Placed& placed : upserts) {
    const auto others = claims.find(placed.write->ref);
    if (others == claims.end()) continue;
    const int64_t priority = placed.write->yields ? head.priority : kOwnPriority;
    const bool may_show = Judge(source, priority, others->second, absl::InfinitePast()).may_show;
    placed.state = may_show ? kShown : kWaiting;
  }
  PURSER_RETURN_IF_ERROR(Upsert(connection, source, upserts));
  return Bury(connection, source, removals);
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
    return ForEachPiece<std::string>(refs, [&](absl::Span<const std::string> piece) {
      std::vector<Value> parameters = {source};
      parameters.insert(parameters.end(), piece.begin(), piece.end());
      return connection.ExecuteLater(
          absl::StrCat("UPDATE catalog_entity SET state = 1 WHERE source = $1 AND state = 0 AND "
                       "body IS NOT NULL AND ref IN (",
                       store::Placeholders(2, piece.size()), ")"),
          parameters);
    });
  });
}

absl::Status SourceLog::Adopt(int64_t source, absl::Span<const std::string> refs) {
  if (refs.empty()) return absl::OkStatus();
  return database_.Transact([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const Head head, Advance(connection, source, "", refs.size()));
    int64_t position = head.first;
    return ForEachPiece<std::string>(refs, [&](absl::Span<const std::string> piece) {
      std::vector<Value> parameters;
      for (const std::string& ref : piece) {
        for (Value value : {Value(source), Value(ref), Value(position++), Value(std::string()),
                            Value(std::string()), Value(int64_t{kHeld}), Value(std::string())}) {
          parameters.push_back(std::move(value));
        }
      }
      return connection.ExecuteLater(
          absl::StrCat(kInsert, RowPlaceholders(1, piece.size(), 7),
                       " ON CONFLICT (source, ref) DO UPDATE SET position = excluded.position, "
                       "state = excluded.state, body = '' WHERE catalog_entity.body IS NULL"),
          parameters);
    });
  });
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

namespace {

absl::Status Remember(Connection& connection, int64_t source,
                      const std::map<std::string, std::string>& memory) {
  using Item = std::pair<std::string, std::string>;
  std::vector<Item> kept;
  std::vector<std::string> forgotten;
  for (const auto& [name, value] : memory) {
    if (value.empty()) {
      forgotten.push_back(name);
    } else {
      kept.emplace_back(name, value);
    }
  }
  PURSER_RETURN_IF_ERROR(
      ForEachPiece<std::string>(forgotten, [&](absl::Span<const std::string> piece) {
        std::vector<Value> parameters = {source};
        parameters.insert(parameters.end(), piece.begin(), piece.end());
        return connection.ExecuteLater(
            absl::StrCat("DELETE FROM catalog_memory WHERE source = $1 AND name IN (",
                         store::Placeholders(2, piece.size()), ")"),
            parameters);
      }));
  return ForEachPiece<Item>(kept, [&](absl::Span<const Item> piece) {
    std::vector<Value> parameters;
    for (const auto& [name, value] : piece) {
      parameters.emplace_back(source);
      parameters.emplace_back(name);
      parameters.emplace_back(value);
    }
    return connection.ExecuteLater(
        absl::StrCat("INSERT INTO catalog_memory (source, name, value) VALUES ",
                     RowPlaceholders(1, piece.size(), 3),
                     " ON CONFLICT (source, name) DO UPDATE SET value = excluded.value"),
        parameters);
  });
}

}  // namespace

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
    return Remember(connection, source, end.memory);
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

}  // namespace purser::provider
