#include "costs/sources/cluster_days.h"

#include <vector>

#include "base/status.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"

namespace purser::costs {

absl::StatusOr<ClusterDays> ClusterDays::Open(store::Database& database) {
  PURSER_RETURN_IF_ERROR(database.Migrate(
      "cost-kubernetes",
      {{{1, "days of clusters",
         "CREATE TABLE cost_cluster_days (source TEXT NOT NULL, day TEXT NOT NULL,"
         " complete BIGINT NOT NULL, allocations BLOB NOT NULL, PRIMARY KEY (source, day));"},
        {2, "which days are in a stored month",
         "ALTER TABLE cost_cluster_days ADD COLUMN stored BIGINT NOT NULL DEFAULT 0;"}}}));
  return ClusterDays(database);
}

absl::StatusOr<std::set<absl::CivilDay>> ClusterDays::Complete(const std::string& source) const {
  std::set<absl::CivilDay> days;
  PURSER_RETURN_IF_ERROR(database_->Read([&](store::Connection& connection) {
    days.clear();
    return connection.ForEach(
        "SELECT day FROM cost_cluster_days WHERE source = $1 AND complete = 1", {source},
        [&](const store::Row& row) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.Text(0)));
          days.insert(day);
          return absl::OkStatus();
        });
  }));
  return days;
}

absl::Status ClusterDays::Keep(const std::string& source, absl::CivilDay day, bool complete,
                               const std::string& allocations) {
  return database_->Transact([&](store::Connection& connection) {
    return connection.ExecuteLater(
        "INSERT INTO cost_cluster_days (source, day, complete, allocations, stored) "
        "VALUES ($1, $2, $3, $4, 0) ON CONFLICT (source, day) DO UPDATE SET "
        "complete = excluded.complete, allocations = excluded.allocations, stored = 0",
        {source, DayText(day), int64_t{complete ? 1 : 0}, store::Blob{allocations}});
  });
}

absl::StatusOr<std::set<absl::CivilMonth>> ClusterDays::MonthsToStore(
    const std::string& source) const {
  std::set<absl::CivilMonth> months;
  PURSER_RETURN_IF_ERROR(database_->Read([&](store::Connection& connection) {
    months.clear();
    return connection.ForEach("SELECT day FROM cost_cluster_days WHERE source = $1 AND stored = 0",
                              {source}, [&](const store::Row& row) -> absl::Status {
                                PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day,
                                                        ParseDay(row.Text(0)));
                                months.insert(absl::CivilMonth(day));
                                return absl::OkStatus();
                              });
  }));
  return months;
}

absl::Status ClusterDays::MarkStored(const std::string& source, absl::CivilMonth month) {
  return database_->Transact([&](store::Connection& connection) {
    return connection.ExecuteLater(
        "UPDATE cost_cluster_days SET stored = 1 WHERE source = $1 AND day >= $2 AND day < $3",
        {source, DayText(absl::CivilDay(month)), DayText(absl::CivilDay(month + 1))});
  });
}

absl::Status ClusterDays::Forget(const std::string& source, absl::CivilDay before) {
  return database_->Transact([&](store::Connection& connection) {
    return connection.ExecuteLater("DELETE FROM cost_cluster_days WHERE source = $1 AND day < $2",
                                   {source, DayText(before)});
  });
}

absl::Status ClusterDays::Each(const std::string& source, absl::CivilDay from, absl::CivilDay to,
                               const Visit& visit) const {
  for (absl::CivilDay day = from; day <= to; ++day) {
    // A day is held at a time, and no transaction while it is looked at.
    std::vector<std::string> texts;
    PURSER_RETURN_IF_ERROR(database_->Read([&](store::Connection& connection) {
      texts.clear();
      return connection.ForEach(
          "SELECT allocations FROM cost_cluster_days WHERE day = $1 AND ($2 = '' OR source = $2) "
          "ORDER BY source",
          {DayText(day), source}, [&](const store::Row& row) {
            texts.emplace_back(row.Text(0));
            return absl::OkStatus();
          });
    }));
    for (const std::string& text : texts) PURSER_RETURN_IF_ERROR(visit(day, text));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ClusterDays::Any() const {
  bool any = false;
  PURSER_RETURN_IF_ERROR(database_->Read([&](store::Connection& connection) {
    any = false;
    return connection.ForEach("SELECT 1 FROM cost_cluster_days LIMIT 1", {},
                              [&](const store::Row&) {
                                any = true;
                                return absl::OkStatus();
                              });
  }));
  return any;
}

}  // namespace purser::costs
