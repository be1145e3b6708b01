#include "costs/rollups.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "json/json.h"

namespace purser::costs {
namespace {

// A subject's identity in the table: its parts may be long, its key is not.
std::string SubjectKey(const StoredSubject& subject, const std::string& tags) {
  std::string text = subject.resource_id;
  text.push_back('\0');
  text.append(subject.sub_account).push_back('\0');
  text.append(tags);
  return base::Sha256Hex(text);
}

absl::StatusOr<int64_t> NextId(store::Connection& connection, const std::string& table) {
  PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                          connection.Query(absl::StrCat("SELECT max(id) FROM ", table), {}));
  return rows[0].Int(0) + 1;
}

// Writes the subjects the delivery names; returns their ids in its order.
absl::StatusOr<std::vector<int64_t>> StoreSubjects(store::Connection& connection,
                                                   const std::string& source,
                                                   const Delivery& delivery,
                                                   const std::vector<Decision>& decisions) {
  PURSER_ASSIGN_OR_RETURN(int64_t next, NextId(connection, "cost_subjects"));
  std::vector<int64_t> ids;
  ids.reserve(delivery.subjects().size());
  for (size_t i = 0; i < delivery.subjects().size(); ++i) {
    const StoredSubject& subject = delivery.subjects()[i];
    const std::string& tags = delivery.tags()[subject.tags].second;
    PURSER_ASSIGN_OR_RETURN(
        const store::Rows rows,
        connection.Query(
            "INSERT INTO cost_subjects "
            "(id, source, subject_key, resource_id, sub_account, tags, entity, rule) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
            "ON CONFLICT (source, subject_key) DO UPDATE SET entity = excluded.entity, "
            "rule = excluded.rule RETURNING id",
            {next, source, SubjectKey(subject, tags), subject.resource_id, subject.sub_account,
             tags, decisions[i].entity_ref, decisions[i].rule}));
    ids.push_back(rows[0].Int(0));
    if (ids.back() == next) ++next;
  }
  return ids;
}

}  // namespace

std::string DayText(absl::CivilDay day) { return absl::FormatCivilTime(day); }

absl::Status MigrateTables(store::Database& database) {
  return database.Migrate(
      "costs",
      {{{1, "subjects, rollups and ingests",
         "CREATE TABLE cost_state (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
         // What allocation looks at in charges, and what it decided.
         "CREATE TABLE cost_subjects (id BIGINT PRIMARY KEY, source TEXT NOT NULL,"
         " subject_key TEXT NOT NULL, resource_id TEXT NOT NULL, sub_account TEXT NOT NULL,"
         " tags TEXT NOT NULL, entity TEXT NOT NULL, rule TEXT NOT NULL,"
         " UNIQUE (source, subject_key));"
         "CREATE INDEX cost_subjects_entity ON cost_subjects (entity);"
         "CREATE TABLE cost_ingests (id BIGINT PRIMARY KEY, source TEXT NOT NULL,"
         " sha256 TEXT NOT NULL, files TEXT NOT NULL, rows_read BIGINT NOT NULL,"
         " rows_stored BIGINT NOT NULL, rows_quarantined BIGINT NOT NULL,"
         " rounded_numbers BIGINT NOT NULL, quarantine_path TEXT NOT NULL,"
         " ingested_at BIGINT NOT NULL);"
         "CREATE TABLE cost_totals (ingest BIGINT NOT NULL REFERENCES cost_ingests (id),"
         " billing_period TEXT NOT NULL, currency TEXT NOT NULL, billed TEXT NOT NULL,"
         " effective TEXT NOT NULL, charges BIGINT NOT NULL,"
         " PRIMARY KEY (ingest, billing_period, currency));"
         // Which ingest a period's data is from.
         "CREATE TABLE cost_periods (source TEXT NOT NULL, billing_period TEXT NOT NULL,"
         " ingest BIGINT NOT NULL REFERENCES cost_ingests (id), first_day TEXT NOT NULL,"
         " last_day TEXT NOT NULL, PRIMARY KEY (source, billing_period));"
         "CREATE TABLE cost_rollups (source TEXT NOT NULL, billing_period TEXT NOT NULL,"
         " day TEXT NOT NULL, subject BIGINT NOT NULL REFERENCES cost_subjects (id),"
         " service TEXT NOT NULL, category TEXT NOT NULL, currency TEXT NOT NULL,"
         " billed TEXT NOT NULL, effective TEXT NOT NULL, charges BIGINT NOT NULL,"
         " PRIMARY KEY (source, billing_period, day, subject, service, category, currency));"
         "CREATE INDEX cost_rollups_subject ON cost_rollups (subject, day);"
         "CREATE INDEX cost_rollups_day ON cost_rollups (day);"}}});
}

absl::StatusOr<bool> IsStored(store::Connection& connection, absl::string_view source,
                              const IngestReport& report) {
  for (const IngestTotal& total : report.totals) {
    PURSER_ASSIGN_OR_RETURN(
        const store::Rows rows,
        connection.Query("SELECT i.sha256 FROM cost_periods p JOIN cost_ingests i "
                         "ON i.id = p.ingest WHERE p.source = $1 AND p.billing_period = $2",
                         {std::string(source), DayText(total.billing_period)}));
    if (rows.empty() || rows[0].Text(0) != report.sha256) return false;
  }
  return !report.totals.empty();
}

absl::Status StoreDelivery(store::Connection& connection, const IngestRequest& request,
                           const IngestReport& report, const Delivery& delivery,
                           const std::vector<Decision>& decisions, absl::Time now) {
  PURSER_ASSIGN_OR_RETURN(const int64_t ingest, NextId(connection, "cost_ingests"));
  const std::string files = json::Dump(nlohmann::json(request.paths));
  PURSER_RETURN_IF_ERROR(
      connection
          .Execute("INSERT INTO cost_ingests (id, source, sha256, files, rows_read, rows_stored, "
                   "rows_quarantined, rounded_numbers, quarantine_path, ingested_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                   {ingest, request.source, report.sha256, files, report.rows_read,
                    report.rows_stored, report.rows_quarantined, report.rounded_numbers,
                    report.quarantine_path, absl::ToUnixMicros(now)})
          .status());
  std::map<absl::CivilDay, std::pair<absl::CivilDay, absl::CivilDay>> periods;
  for (const auto& [key, sums] : delivery.rollups()) {
    const auto [period, added] =
        periods.try_emplace(key.billing_period, std::make_pair(key.day, key.day));
    period->second.first = std::min(period->second.first, key.day);
    period->second.second = std::max(period->second.second, key.day);
  }
  for (const IngestTotal& total : report.totals) {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("INSERT INTO cost_totals (ingest, billing_period, currency, billed, "
                     "effective, charges) VALUES ($1, $2, $3, $4, $5, $6)",
                     {ingest, DayText(total.billing_period), total.currency,
                      total.billed.ToString(), total.effective.ToString(), total.charges})
            .status());
  }
  for (const auto& [period, days] : periods) {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("DELETE FROM cost_rollups WHERE source = $1 AND billing_period = $2",
                     {request.source, DayText(period)})
            .status());
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("INSERT INTO cost_periods (source, billing_period, ingest, first_day, "
                     "last_day) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source, billing_period) "
                     "DO UPDATE SET ingest = excluded.ingest, first_day = excluded.first_day, "
                     "last_day = excluded.last_day",
                     {request.source, DayText(period), ingest, DayText(days.first),
                      DayText(days.second)})
            .status());
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<int64_t> subjects,
                          StoreSubjects(connection, request.source, delivery, decisions));
  for (const auto& [key, sums] : delivery.rollups()) {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("INSERT INTO cost_rollups (source, billing_period, day, subject, service, "
                     "category, currency, billed, effective, charges) "
                     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                     {request.source, DayText(key.billing_period), DayText(key.day),
                      subjects[key.subject], delivery.texts().TextOf(key.service),
                      delivery.texts().TextOf(key.category), delivery.texts().TextOf(key.currency),
                      sums.billed.ToString(), sums.effective.ToString(), sums.charges})
            .status());
  }
  // What only the replaced data named.
  return connection
      .Execute(
          "DELETE FROM cost_subjects WHERE source = $1 AND NOT EXISTS "
          "(SELECT 1 FROM cost_rollups r WHERE r.subject = cost_subjects.id)",
          {request.source})
      .status();
}

absl::Status ForEachSubject(store::Connection& connection,
                            const std::function<absl::Status(const KnownSubject&)>& on_subject) {
  return connection.ForEach(
      "SELECT id, resource_id, sub_account, tags, entity, rule FROM cost_subjects", {},
      [&](const store::Row& row) {
        return on_subject(
            {row.Int(0), row.Text(1), row.Text(2), row.Text(3), {row.Text(4), row.Text(5)}});
      });
}

absl::Status StoreDecisions(store::Connection& connection,
                            const std::vector<std::pair<int64_t, Decision>>& changed) {
  for (const auto& [id, decision] : changed) {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("UPDATE cost_subjects SET entity = $2, rule = $3 WHERE id = $1",
                     {id, decision.entity_ref, decision.rule})
            .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AllocationFingerprint(store::Connection& connection) {
  PURSER_ASSIGN_OR_RETURN(
      const store::Rows rows,
      connection.Query("SELECT value FROM cost_state WHERE name = 'allocation'", {}));
  return rows.empty() ? std::string() : rows[0].Text(0);
}

absl::Status SetAllocationFingerprint(store::Connection& connection, const std::string& value) {
  return connection
      .Execute(
          "INSERT INTO cost_state (name, value) VALUES ('allocation', $1) "
          "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
          {value})
      .status();
}

}  // namespace purser::costs
