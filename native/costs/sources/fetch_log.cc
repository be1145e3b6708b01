#include "costs/sources/fetch_log.h"

#include "base/status.h"

namespace purser::costs {
namespace {

constexpr FetchResult kResults[] = {FetchResult::kStored, FetchResult::kUnchanged,
                                    FetchResult::kWaiting, FetchResult::kRefused,
                                    FetchResult::kFailed};

}  // namespace

absl::string_view FetchResultName(FetchResult result) {
  switch (result) {
    case FetchResult::kStored:
      return "stored";
    case FetchResult::kUnchanged:
      return "unchanged";
    case FetchResult::kWaiting:
      return "waiting";
    case FetchResult::kRefused:
      return "refused";
    case FetchResult::kFailed:
      break;
  }
  return "failed";
}

absl::StatusOr<FetchLog> FetchLog::Open(store::Database& database) {
  PURSER_RETURN_IF_ERROR(database.Migrate(
      "cost-sources",
      {{{1, "deliveries that were read",
         "CREATE TABLE cost_fetched (source TEXT NOT NULL, delivery TEXT NOT NULL,"
         " version TEXT NOT NULL, result TEXT NOT NULL, detail TEXT NOT NULL,"
         " stored_rows BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (source, delivery));"}}}));
  return FetchLog(database);
}

absl::StatusOr<std::map<std::string, FetchLog::Entry>> FetchLog::Read(
    const std::string& source) const {
  std::map<std::string, Entry> entries;
  PURSER_RETURN_IF_ERROR(database_->Read([&](store::Connection& connection) {
    entries.clear();
    return connection.ForEach(
        "SELECT delivery, version, result, detail, stored_rows, at FROM cost_fetched "
        "WHERE source = $1",
        {source}, [&](const store::Row& row) {
          Entry& entry = entries[row.Text(0)];
          entry.version = row.Text(1);
          entry.delivery = {.name = row.Text(0),
                            .detail = row.Text(3),
                            .rows = row.Int(4),
                            .at = absl::FromUnixMicros(row.Int(5))};
          for (const FetchResult result : kResults) {
            if (FetchResultName(result) == row.Text(2)) entry.delivery.result = result;
          }
          return absl::OkStatus();
        });
  }));
  return entries;
}

absl::Status FetchLog::Write(const std::string& source, const Entry& entry) const {
  return database_->Transact([&](store::Connection& connection) {
    return connection.ExecuteLater(
        "INSERT INTO cost_fetched (source, delivery, version, result, detail, stored_rows, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, delivery) DO UPDATE SET "
        "version = excluded.version, result = excluded.result, detail = excluded.detail, "
        "stored_rows = excluded.stored_rows, at = excluded.at",
        {source, entry.delivery.name, entry.version,
         std::string(FetchResultName(entry.delivery.result)), entry.delivery.detail,
         entry.delivery.rows, absl::ToUnixMicros(entry.delivery.at)});
  });
}

}  // namespace purser::costs
