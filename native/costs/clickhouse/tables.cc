#include "costs/clickhouse/tables.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "costs/engine.h"
#include "costs/history.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"
#include "costs/state.h"

namespace purser::costs {
namespace {

// A segment that nothing points to may be one that a process is writing.
constexpr int kWritingSeconds = 24 * 60 * 60;

// Of charges and of what allocation made of them.
constexpr char kItemColumns[] =
    "service String, region String, sku String, category String, kind String, currency String";
constexpr char kBillColumns[] =
    "source String, billing_period Date, account String, invoice String";
constexpr char kSumColumns[] =
    "billed Decimal(38,18), effective Decimal(38,18), list Decimal(38,18), "
    "contracted Decimal(38,18), charges Int64";

struct Table {
  const char* name;
  std::string columns;
  const char* engine;  // up to ORDER BY
};

std::vector<Table> Tables() {
  return {
      {kChargesTable,
       absl::StrCat("segment String, ", kBillColumns,
                    ", day Date, subject String, resource String, tags String, labels String, ",
                    kItemColumns, ", ", kSumColumns),
       "MergeTree PARTITION BY (source, billing_period, segment) "
       "ORDER BY (toYYYYMM(day), subject, day)"},
      // `parts` counts rows, so that none has only zeros: such rows vanish when parts are merged.
      {kRollupsTable,
       absl::StrCat("segment String, month UInt32, node_kind UInt8, node String, day Date, ",
                    kBillColumns, ", ", kItemColumns, ", pool String, ", kSumColumns,
                    ", parts UInt64"),
       "SummingMergeTree((billed, effective, list, contracted, charges, parts)) "
       "PARTITION BY (month, segment) ORDER BY (node_kind, node, day, currency, service, region, "
       "sku, category, kind, pool, source, billing_period, account, invoice)"},
      {kDailyTable,
       absl::StrCat("segment String, month UInt32, node_kind UInt8, node String, day Date, "
                    "currency String, ",
                    kSumColumns, ", parts UInt64"),
       "SummingMergeTree((billed, effective, list, contracted, charges, parts)) "
       "PARTITION BY (month, segment) ORDER BY (node_kind, node, day, currency)"},
      {kDecisionsTable,
       "segment String, month UInt32, entity String, rule String, subject String, "
       "resource String, currency String, billed Decimal(38,18), effective Decimal(38,18), "
       "parts UInt64",
       "SummingMergeTree((billed, effective, parts)) PARTITION BY (month, segment) "
       "ORDER BY (entity, rule, subject, resource, currency)"},
  };
}

std::vector<std::string> Unique(std::vector<std::string> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// The segment of a partition's name, like ('aws','2026-11-01','01j…'): its last part.
std::string SegmentOf(absl::string_view partition) {
  const size_t end = partition.rfind('\'');
  if (end == absl::string_view::npos || end == 0) return "";
  const size_t begin = partition.rfind('\'', end - 1);
  if (begin == absl::string_view::npos) return "";
  return std::string(partition.substr(begin + 1, end - begin - 1));
}

// Drops the partitions of all tables whose segment and age in seconds `is_unused` takes.
absl::Status DropPartitions(const ClickHouseClient& client,
                            const std::function<bool(const std::string&, int64_t)>& is_unused) {
  for (size_t server = 0; server < client.servers(); ++server) {
    std::vector<std::pair<std::string, std::string>> found;  // table and partition
    PURSER_RETURN_IF_ERROR(client.SelectFrom(
        server,
        absl::StrCat("SELECT table, partition, "
                     "toInt64(now()) - toInt64(max(modification_time)) FROM system.parts WHERE "
                     "database = ",
                     ClickHouseText(client.options().database),
                     " AND active GROUP BY table, partition"),
        [&](const std::vector<std::string>& row) {
          int64_t age = 0;
          const bool ours = absl::StartsWith(row[0], "cost_") && absl::SimpleAtoi(row[2], &age);
          if (ours && is_unused(SegmentOf(row[1]), age)) found.emplace_back(row[0], row[1]);
          return absl::OkStatus();
        }));
    for (const auto& [table, partition] : found) {
      PURSER_RETURN_IF_ERROR(client.Execute(
          server,
          absl::StrCat("ALTER TABLE ", client.Local(table), " DROP PARTITION ", partition)));
    }
  }
  return absl::OkStatus();
}

std::set<int64_t> MonthsFrom(absl::string_view text) {
  std::set<int64_t> months;
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    int64_t month;
    if (absl::SimpleAtoi(part, &month)) months.insert(month);
  }
  return months;
}

}  // namespace

absl::Status MakeClickHouseTables(const ClickHouseClient& client) {
  const std::string& database = client.options().database;
  PURSER_RETURN_IF_ERROR(
      client.ExecuteEverywhere(absl::StrCat("CREATE DATABASE IF NOT EXISTS `", database, "`")));
  for (const Table& table : Tables()) {
    PURSER_RETURN_IF_ERROR(client.ExecuteEverywhere(
        absl::StrCat("CREATE TABLE IF NOT EXISTS ", client.Local(table.name), " (", table.columns,
                     ") ENGINE = ", table.engine)));
    if (client.options().cluster.empty()) continue;
    PURSER_RETURN_IF_ERROR(client.ExecuteEverywhere(absl::StrCat(
        "CREATE TABLE IF NOT EXISTS ", client.Everywhere(table.name), " (", table.columns,
        ") ENGINE = Distributed(", ClickHouseText(client.options().cluster), ", ",
        ClickHouseText(database), ", ", ClickHouseText(table.name), ")")));
  }
  return client.ExecuteEverywhere(absl::StrCat(
      "CREATE MATERIALIZED VIEW IF NOT EXISTS ", client.Local("cost_daily_from_rollups"), " TO ",
      client.Local(kDailyTable),
      " AS SELECT segment, month, node_kind, node, day, currency, sum(billed) AS billed, "
      "sum(effective) AS effective, sum(list) AS list, sum(contracted) AS contracted, "
      "sum(charges) AS charges, sum(parts) AS parts FROM ",
      client.Local(kRollupsTable), " GROUP BY segment, month, node_kind, node, day, currency"));
}

std::vector<std::string> ClickHouseState::ChargeIds() const {
  std::vector<std::string> ids;
  for (const ChargeSegment& segment : charges) ids.push_back(segment.id);
  return Unique(std::move(ids));
}

std::vector<std::string> ClickHouseState::ChargeIds(int64_t month) const {
  std::vector<std::string> ids;
  for (const ChargeSegment& segment : charges) {
    if (segment.months.contains(month)) ids.push_back(segment.id);
  }
  return Unique(std::move(ids));
}

std::vector<std::string> ClickHouseState::MonthIds(absl::CivilDay from, absl::CivilDay to) const {
  std::vector<std::string> ids;
  for (const auto& [month, id] : months) {
    if (month >= MonthOf(from) && month <= MonthOf(to)) ids.push_back(id);
  }
  return ids;
}

absl::Status MigrateClickHouseState(store::Database& database) {
  return database.Migrate(
      "costs-clickhouse",
      {{{1, "segments that count",
         "CREATE TABLE cost_charge_segments (source TEXT NOT NULL, billing_period TEXT NOT NULL,"
         " ingest BIGINT NOT NULL, segment TEXT NOT NULL, months TEXT NOT NULL,"
         " PRIMARY KEY (source, billing_period, ingest));"
         "CREATE TABLE cost_month_segments (month BIGINT PRIMARY KEY, segment TEXT NOT NULL);"}}});
}

absl::StatusOr<ClickHouseState> ReadClickHouseState(store::Connection& connection,
                                                    const Allocation& allocation,
                                                    const EntityGraph& graph) {
  ClickHouseState state;
  PURSER_ASSIGN_OR_RETURN(state.version, DataVersion(connection));
  PURSER_ASSIGN_OR_RETURN(const std::string first, GetState(connection, "first month"));
  if (!first.empty() && !absl::SimpleAtoi(first, &state.first_month)) {
    return absl::DataLossError("the first month of the stored costs is damaged");
  }
  PURSER_ASSIGN_OR_RETURN(state.allocation, AllocationFingerprint(connection, allocation, graph));
  PURSER_ASSIGN_OR_RETURN(state.decided_by, GetState(connection, "allocation"));
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT s.source, s.billing_period, s.segment, s.months FROM cost_charge_segments s "
      "JOIN cost_periods p ON p.source = s.source AND p.billing_period = s.billing_period "
      "AND p.ingest = s.ingest",
      {}, [&](const store::Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const absl::CivilDay period, ParseDay(row.Text(1)));
        state.charges.push_back({row.Text(0), period, row.Text(2), MonthsFrom(row.Text(3))});
        return absl::OkStatus();
      }));
  PURSER_RETURN_IF_ERROR(connection.ForEach("SELECT month, segment FROM cost_month_segments", {},
                                            [&](const store::Row& row) {
                                              state.months[row.Int(0)] = row.Text(1);
                                              return absl::OkStatus();
                                            }));
  PURSER_ASSIGN_OR_RETURN(const auto by, MonthFingerprints(connection));
  for (const auto& [month, fingerprint] : by) {
    if (fingerprint != state.allocation) state.stale.insert(month);
  }
  return state;
}

absl::Status CheckVersion(store::Connection& connection, int64_t version) {
  PURSER_ASSIGN_OR_RETURN(const int64_t now, DataVersion(connection));
  if (now == version) return absl::OkStatus();
  return absl::AbortedError("costs were written by another process meanwhile");
}

absl::Status PointToCharges(store::Connection& connection, int64_t ingest,
                            const ChargeSegment& segment) {
  return connection.ExecuteLater(
      "INSERT INTO cost_charge_segments (source, billing_period, ingest, segment, months) "
      "VALUES ($1, $2, $3, $4, $5)",
      {segment.source, DayText(segment.period), ingest, segment.id,
       absl::StrJoin(segment.months, ",")});
}

absl::Status PointToMonth(store::Connection& connection, int64_t month, const std::string& segment,
                          const std::string& allocation) {
  PURSER_RETURN_IF_ERROR(
      connection.ExecuteLater("INSERT INTO cost_month_segments (month, segment) VALUES ($1, $2) "
                              "ON CONFLICT (month) DO UPDATE SET segment = excluded.segment",
                              {month, segment}));
  return SetMonthFingerprint(connection, month, allocation);
}

absl::Status ForgetDeliveries(store::Connection& connection, const std::string& source,
                              absl::CivilDay period, int keep) {
  const std::string day = DayText(period);
  std::vector<int64_t> ingests;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT ingest FROM cost_charge_segments WHERE source = $1 AND billing_period = $2 "
      "ORDER BY ingest DESC",
      {source, day}, [&](const store::Row& row) {
        ingests.push_back(row.Int(0));
        return absl::OkStatus();
      }));
  for (size_t i = 0; i < ingests.size(); ++i) {
    // What a delivery replaced is kept while the one before it is.
    const bool kept = i < static_cast<size_t>(keep) && i + 1 < ingests.size();
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "UPDATE cost_totals SET kept = $3 WHERE ingest = $1 AND billing_period = $2",
        {ingests[i], day, int64_t{kept ? 1 : 0}}));
    if (i <= static_cast<size_t>(keep)) continue;
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "DELETE FROM cost_charge_segments WHERE source = $1 AND billing_period = $2 AND "
        "ingest = $3",
        {source, day, ingests[i]}));
  }
  return absl::OkStatus();
}

absl::Status ForgetMonthsBefore(store::Connection& connection, int64_t first) {
  const std::string day = DayText(FirstDay(first));
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      "DELETE FROM cost_charge_segments WHERE EXISTS (SELECT 1 FROM cost_periods p WHERE "
      "p.source = cost_charge_segments.source AND "
      "p.billing_period = cost_charge_segments.billing_period AND p.last_day < $1)",
      {day}));
  PURSER_RETURN_IF_ERROR(ForgetPeriodsBefore(connection, FirstDay(first)));
  for (const char* const table : {"cost_month_segments", "cost_months"}) {
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater(absl::StrCat("DELETE FROM ", table, " WHERE month < $1"), {first}));
  }
  return SetState(connection, "first month", absl::StrCat(first));
}

absl::StatusOr<std::string> ChargesOf(store::Connection& connection,
                                      const StoredDelivery& delivery) {
  PURSER_ASSIGN_OR_RETURN(
      const store::Rows rows,
      connection.Query("SELECT segment FROM cost_charge_segments WHERE source = $1 AND "
                       "billing_period = $2 AND ingest = $3",
                       {delivery.source, DayText(delivery.billing_period), delivery.id}));
  if (!rows.empty()) return rows[0].Text(0);
  return absl::NotFoundError(
      absl::StrCat("the charges of delivery ", delivery.id, " are not kept any more"));
}

absl::Status RemoveUnused(const ClickHouseClient& client, store::Database& database) {
  std::set<std::string> used;
  PURSER_RETURN_IF_ERROR(database.Read([&](store::Connection& connection) -> absl::Status {
    used.clear();
    for (const char* const table : {"cost_charge_segments", "cost_month_segments"}) {
      PURSER_RETURN_IF_ERROR(connection.ForEach(absl::StrCat("SELECT segment FROM ", table), {},
                                                [&](const store::Row& row) {
                                                  used.insert(row.Text(0));
                                                  return absl::OkStatus();
                                                }));
    }
    return absl::OkStatus();
  }));
  return DropPartitions(client, [&](const std::string& segment, int64_t age) {
    return age > kWritingSeconds && !used.contains(segment);
  });
}

absl::Status RemoveSegments(const ClickHouseClient& client, const std::set<std::string>& ids) {
  if (ids.empty()) return absl::OkStatus();
  return DropPartitions(client,
                        [&](const std::string& segment, int64_t) { return ids.contains(segment); });
}

}  // namespace purser::costs
