#include "costs/rollups.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "base/status.h"
#include "costs/delivery_writer.h"
#include "costs/history.h"
#include "costs/rank.h"
#include "json/json.h"

namespace purser::costs {

std::string ItemsToText(const std::set<uint32_t>& items) { return absl::StrJoin(items, ","); }

absl::StatusOr<std::set<uint32_t>> ItemsFromText(absl::string_view text) {
  std::set<uint32_t> items;
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    uint32_t item;
    if (!absl::SimpleAtoi(part, &item)) return absl::DataLossError("stored items are damaged");
    items.insert(item);
  }
  return items;
}

std::string DayText(absl::CivilDay day) { return absl::FormatCivilTime(day); }

std::string SubjectKey(const DeliveredSubject& subject) {
  return base::Sha256Hex(
      absl::StrJoin({absl::string_view(subject.resource_id), absl::string_view(subject.sub_account),
                     absl::string_view(subject.tags), absl::string_view(subject.columns)},
                    absl::string_view("\0", 1)));
}

absl::StatusOr<int64_t> NextId(store::Connection& connection, const std::string& table) {
  PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                          connection.Query(absl::StrCat("SELECT max(id) FROM ", table), {}));
  return rows[0].Int(0) + 1;
}

absl::Status StoreIngest(store::Connection& connection, const IngestRequest& request,
                         const IngestReport& report, int64_t ingest, absl::Time now) {
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      "INSERT INTO cost_ingests (id, source, sha256, files, rows_read, rows_stored, "
      "rows_quarantined, rounded_numbers, quarantine_path, ingested_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {ingest, request.source, report.sha256, json::Dump(nlohmann::json(request.paths)),
       report.rows_read, report.rows_stored, report.rows_quarantined, report.rounded_numbers,
       report.quarantine_path, absl::ToUnixMicros(now)}));
  for (const IngestTotal& total : report.totals) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_totals (ingest, billing_period, currency, billed, effective, charges) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        {ingest, DayText(total.billing_period), total.currency, total.billed.ToString(),
         total.effective.ToString(), total.charges}));
  }
  return absl::OkStatus();
}

absl::Status StorePeriods(store::Connection& connection, const std::string& source,
                          const DeliveredSums& sums, int64_t ingest) {
  for (const auto& [period, days] : sums.periods()) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_periods (source, billing_period, ingest, first_day, last_day, known_day) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (source, billing_period) DO UPDATE SET "
        "ingest = excluded.ingest, first_day = excluded.first_day, last_day = excluded.last_day, "
        "known_day = excluded.known_day",
        {source, DayText(period), ingest, DayText(days.first), DayText(days.last),
         days.known.has_value() ? store::Value(DayText(*days.known)) : store::Value()}));
  }
  return absl::OkStatus();
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

absl::StatusOr<std::set<int64_t>> StoreDelivery(
    store::Connection& connection, const IngestRequest& request, const IngestReport& report,
    const DeliveredSums& sums, const DecidedSubjects& decisions, int keep_deliveries,
    Numbers& numbers, absl::Time now) {
  PURSER_ASSIGN_OR_RETURN(const int64_t ingest, NextId(connection, "cost_ingests"));
  PURSER_RETURN_IF_ERROR(StoreIngest(connection, request, report, ingest, now));
  DeliveryWriter writer(connection, request.source, ingest, sums, decisions, numbers);
  PURSER_RETURN_IF_ERROR(writer.Write());
  PURSER_RETURN_IF_ERROR(numbers.Store(connection));
  // What stands in other billing periods of a subject that goes elsewhere goes there, too.
  PURSER_ASSIGN_OR_RETURN(std::set<int64_t> months, MonthsOf(connection, writer.moved()));
  months.insert(writer.months().begin(), writer.months().end());
  bool removed = writer.removed();
  for (const auto& [period, days] : sums.periods()) {
    PURSER_ASSIGN_OR_RETURN(const bool forgotten,
                            ForgetReplaced(connection, request.source, period, keep_deliveries));
    removed = removed || forgotten;
  }
  PURSER_RETURN_IF_ERROR(StorePeriods(connection, request.source, sums, ingest));
  // Looking for subjects that nothing refers to looks at all of them.
  if (removed) PURSER_RETURN_IF_ERROR(ForgetSubjects(connection, request.source));
  return months;
}

absl::StatusOr<MetricSums> LoadMetrics(store::Connection& connection, int64_t month) {
  MetricSums metrics;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT metric, entity, value FROM cost_metrics WHERE day >= $1 AND day < $2",
      {DayText(FirstDay(month)), DayText(FirstDay(NextMonth(month)))},
      [&](const store::Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const base::Decimal value, base::Decimal::Parse(row.Text(2)));
        base::Decimal& sum = metrics[row.Text(0)][row.Text(1)];
        if (base::Decimal::Add(sum, value, &sum)) return absl::OkStatus();
        return absl::OutOfRangeError(
            absl::StrCat("metric ", row.Text(0), ": the sum does not fit"));
      }));
  return metrics;
}

absl::Status AllocateMonth(store::Connection& connection, const Allocation& allocation,
                           const EntityGraph& graph, int64_t month, Numbers& numbers) {
  PURSER_ASSIGN_OR_RETURN(const MetricSums metrics, LoadMetrics(connection, month));
  MonthAllocator allocator(allocation, graph, metrics, numbers);
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT s.decisions, f.facts FROM cost_facts f JOIN cost_subjects s ON s.id = f.subject "
      "WHERE f.month = $1",
      {month}, [&](const store::Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const Decisions decisions, Decisions::Parse(row.Text(0)));
        uint32_t item = kMaxItems;
        uint32_t place = 0;
        return DecodeFacts(row.Text(1), [&](const Fact& fact) {
          if (fact.item != item) {
            item = fact.item;
            place = allocator.PlaceOf(decisions.Of(item).entity_ref);
          }
          allocator.Add(place, fact);
        });
      }));
  PURSER_RETURN_IF_ERROR(allocator.Split());
  // Before what refers to them.
  PURSER_RETURN_IF_ERROR(numbers.Store(connection));
  PURSER_RETURN_IF_ERROR(
      connection.ExecuteLater("DELETE FROM cost_node_months WHERE month = $1", {month}));
  std::map<NodeKind, RankWriter> ranks;
  for (const NodeKind kind : kNodeKinds) ranks.emplace(kind, RankWriter(kind, month));
  PURSER_RETURN_IF_ERROR(
      allocator.RollUp([&](uint32_t node, const std::vector<Fact>& facts) -> absl::Status {
        PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
            "INSERT INTO cost_node_months (node, month, facts) VALUES ($1, $2, $3)",
            {static_cast<int64_t>(node), month, store::Blob{EncodeFacts(facts)}}));
        return ranks.at(numbers.nodes[node].kind).Add(node, facts, numbers);
      }));
  for (auto& [kind, rank] : ranks) PURSER_RETURN_IF_ERROR(rank.Store(connection));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<KnownSubject>> SubjectsAfter(store::Connection& connection,
                                                        int64_t after, size_t limit) {
  std::vector<KnownSubject> subjects;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT id, resource_id, sub_account, tags, columns, items, decisions FROM cost_subjects "
      "WHERE id > $1 ORDER BY id LIMIT $2",
      {after, static_cast<int64_t>(limit)}, [&](const store::Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(std::set<uint32_t> items, ItemsFromText(row.Text(5)));
        subjects.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4),
                            std::move(items), row.Text(6)});
        return absl::OkStatus();
      }));
  return subjects;
}

absl::Status StoreDecisions(store::Connection& connection,
                            const std::vector<std::pair<int64_t, std::string>>& changed) {
  for (const auto& [id, decisions] : changed) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "UPDATE cost_subjects SET decisions = $2 WHERE id = $1", {id, decisions}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<int64_t>> MonthsOf(store::Connection& connection,
                                           const std::vector<int64_t>& subjects) {
  std::set<int64_t> months;
  for (const int64_t id : subjects) {
    PURSER_RETURN_IF_ERROR(
        connection.ForEach("SELECT DISTINCT month FROM cost_facts WHERE subject = $1", {id},
                           [&](const store::Row& row) {
                             months.insert(row.Int(0));
                             return absl::OkStatus();
                           }));
  }
  return months;
}

}  // namespace purser::costs
