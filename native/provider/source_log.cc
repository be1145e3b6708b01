#include "provider/source_log.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/id.h"
#include "base/status.h"
#include "provider/portal_report.h"
#include "provider/source_log_tables.h"

namespace purser::provider {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

constexpr char kFullSuffix[] = "full";

constexpr char kSourceColumns[] =
    "id, name, epoch, position, complete, paused, resync, fresh_at, failed_at, error, "
    "priority, followed_at, report, confirm";

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
  record.priority = row.Int(10);
  record.followed_at = FromMicros(row.Int(11));
  if (!row.Text(12).empty()) record.portal = PortalReportFrom(row.Text(12));
  record.confirm = row.Int(13) != 0;
  return record;
}

absl::Status Count(Connection& connection, SourceRecord& record) {
  if (record.portal.has_value()) {
    record.entities = record.portal->entities;
    record.held = record.portal->held;
    return absl::OkStatus();
  }
  // Each count is read from an index alone; the bodies stay where they are.
  PURSER_ASSIGN_OR_RETURN(const int64_t all, CountOf(connection, "position > 0", record.id));
  PURSER_ASSIGN_OR_RETURN(const int64_t tombstones, CountOf(connection, "body IS NULL", record.id));
  PURSER_ASSIGN_OR_RETURN(record.held, CountOf(connection, "state = 1", record.id));
  PURSER_ASSIGN_OR_RETURN(record.waiting, CountOf(connection, "state > 1", record.id));
  record.entities = all - tombstones - record.waiting;
  return absl::OkStatus();
}

}  // namespace

LogPosition LogPosition::Parse(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  LogPosition position;
  if (parts.size() < 2 || parts.size() > 3 || !absl::SimpleAtoi(parts[1], &position.number) ||
      position.number < 0 || (parts.size() == 3 && parts[2] != kFullSuffix)) {
    return {};
  }
  position.epoch = std::string(parts[0]);
  position.full = parts.size() == 3;
  return position;
}

absl::StatusOr<std::unique_ptr<SourceLog>> SourceLog::Open(store::Database& database,
                                                           base::Clock& clock, base::Rng& rng) {
  PURSER_RETURN_IF_ERROR(database.Migrate("catalog", SourceLogMigrations()));
  return std::unique_ptr<SourceLog>(new SourceLog(database, clock, rng));
}

absl::StatusOr<SourceRecord> SourceLog::Register(absl::string_view name) {
  SourceRecord record;
  const std::string epoch = base::NewId("", clock_, rng_);
  const int64_t now = absl::ToUnixMicros(clock_.Now());
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
                       "paused, resync, fresh_at, failed_at, error, lease_owner, lease_until, "
                       "followed_at) VALUES ($1,$2,$3,0,0,0,0,0,0,0,'','',0,$4)",
                       {id, std::string(name), epoch, now})
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

absl::Status SourceLog::Set(int64_t source, absl::string_view assignment,
                            std::vector<Value> values) {
  std::vector<Value> parameters = {source};
  for (Value& value : values) parameters.push_back(std::move(value));
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

absl::Status SourceLog::SetConfirm(int64_t source) { return Set(source, "confirm = 1", {}); }

absl::Status SourceLog::SetPriority(int64_t source, int64_t priority) {
  return Set(source, "priority = $2", {priority});
}

absl::Status SourceLog::Followed(int64_t source, absl::string_view position) {
  const LogPosition at = LogPosition::Parse(position);
  return database_.Transact([&](Connection& connection) {
    // Who has another log's position, or only a part of everything, may hold anything.
    return connection
        .Execute(
            "UPDATE catalog_source SET followed_at = $4, applied = CASE WHEN epoch = $2 THEN "
            "CAST($3 AS BIGINT) ELSE 0 END WHERE id = $1",
            {source, at.full ? std::string() : at.epoch, at.number,
             absl::ToUnixMicros(clock_.Now())})
        .status();
  });
}

absl::StatusOr<PortalOrders> SourceLog::ReportPortal(absl::string_view name,
                                                     const std::optional<PortalReport>& report) {
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Register(name));
  PortalOrders orders{record.paused, record.resync, record.confirm};
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
    if (!report.has_value()) {
      const std::string text = record.portal.has_value() ? "" : ToText(PortalReport{});
      return connection
          .Execute(
              "UPDATE catalog_source SET confirm = 0, followed_at = $2, report = CASE WHEN "
              "report = '' THEN $3 ELSE report END WHERE id = $1",
              {record.id, now, text})
          .status();
    }
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("UPDATE catalog_source SET report = $2, error = $3, followed_at = $4 "
                     "WHERE id = $1",
                     {record.id, ToText(*report), report->error, now})
            .status());
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute(absl::StrCat("UPDATE catalog_source SET ",
                                  report->error.empty() ? "complete = 1, fresh_at" : "failed_at",
                                  " = $2 WHERE id = $1"),
                     {record.id, now})
            .status());
    if (!report->resynced) return absl::OkStatus();
    return connection.Execute("UPDATE catalog_source SET resync = 0 WHERE id = $1", {record.id})
        .status();
  }));
  // What was asked for stays with who asks.
  if (report.has_value()) orders.confirm = false;
  return orders;
}

}  // namespace purser::provider
