#include "provider/source_log_tables.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "store/placeholders.h"

namespace purser::provider {

using store::Connection;
using store::Rows;

const std::vector<store::Migration>& SourceLogMigrations() {
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
      {2, "rank of sources, what readers have applied, sources that portals run",
       "ALTER TABLE catalog_source ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;"
       // Position that the reader had applied when it came last, and when that was.
       "ALTER TABLE catalog_source ADD COLUMN applied BIGINT NOT NULL DEFAULT 0;"
       "ALTER TABLE catalog_source ADD COLUMN followed_at BIGINT NOT NULL DEFAULT 0;"
       // JSON of PortalReport; '' of a source that purserd runs.
       "ALTER TABLE catalog_source ADD COLUMN report TEXT NOT NULL DEFAULT '';"
       "ALTER TABLE catalog_source ADD COLUMN confirm BIGINT NOT NULL DEFAULT 0"},
  };
  return steps;
}

std::string RowPlaceholders(size_t first, size_t rows, size_t columns) {
  std::string text;
  for (size_t i = 0; i < rows; ++i) {
    absl::StrAppend(&text, i == 0 ? "(" : ",(", store::Placeholders(first + i * columns, columns),
                    ")");
  }
  return text;
}

absl::StatusOr<Head> Advance(Connection& connection, int64_t source, absl::string_view owner,
                             size_t by) {
  const auto step = static_cast<int64_t>(by);
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      owner.empty()
          ? connection.Query("UPDATE catalog_source SET position = position + $2 WHERE id = $1 "
                             "RETURNING position, priority",
                             {source, step})
          : connection.Query("UPDATE catalog_source SET position = position + $2 WHERE id = $1 "
                             "AND lease_owner = $3 RETURNING position, priority",
                             {source, step, std::string(owner)}));
  if (rows.empty()) return absl::AbortedError("another purserd has taken this source over");
  return Head{rows[0].Int(0) - step + 1, rows[0].Int(1)};
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

}  // namespace purser::provider
