#include "costs/rollups.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "base/status.h"
#include "costs/history.h"
#include "costs/rank.h"
#include "json/json.h"

namespace purser::costs {
namespace {

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

// A subject of the source as it is stored.
struct Stored {
  int64_t id;
  std::string items;
  std::string decisions;
};

absl::StatusOr<absl::flat_hash_map<std::string, Stored>> StoredSubjects(
    store::Connection& connection, const std::string& source) {
  absl::flat_hash_map<std::string, Stored> subjects;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT subject_key, id, items, decisions FROM cost_subjects WHERE source = $1", {source},
      [&](const store::Row& row) {
        subjects.emplace(row.Text(0), Stored{row.Int(1), row.Text(2), row.Text(3)});
        return absl::OkStatus();
      }));
  return subjects;
}

struct WrittenSubjects {
  std::vector<int64_t> ids;    // in the delivery's order
  std::vector<int64_t> moved;  // those whose charges, of whichever month, go elsewhere than before
};

// Writes the subjects the delivery names.
absl::StatusOr<WrittenSubjects> StoreSubjects(store::Connection& connection,
                                              const std::string& source, const Delivery& delivery,
                                              const std::vector<Decisions>& decisions,
                                              const std::vector<std::set<uint32_t>>& items,
                                              const std::vector<uint32_t>& item_numbers) {
  PURSER_ASSIGN_OR_RETURN(int64_t next, NextId(connection, "cost_subjects"));
  PURSER_ASSIGN_OR_RETURN(auto stored, StoredSubjects(connection, source));
  WrittenSubjects written;
  written.ids.reserve(delivery.subjects().size());
  for (size_t i = 0; i < delivery.subjects().size(); ++i) {
    const StoredSubject& subject = delivery.subjects()[i];
    const std::string& tags = delivery.tags()[subject.tags].second;
    const std::string& columns = delivery.texts().TextOf(subject.columns);
    const std::string key = SubjectKey(subject, tags, columns);
    const Decisions renumbered = decisions[i].Renumbered(item_numbers);
    const auto found = stored.find(key);
    if (found == stored.end()) {
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          "INSERT INTO cost_subjects (id, source, subject_key, resource_id, sub_account, tags, "
          "columns, items, decisions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
          {next, source, key, subject.resource_id, subject.sub_account, tags, columns,
           ItemsToText(items[i]), renumbered.ToText()}));
      written.ids.push_back(next++);
      continue;
    }
    // What other periods hold of the subject stays in force.
    const Stored& before = found->second;
    written.ids.push_back(before.id);
    PURSER_ASSIGN_OR_RETURN(std::set<uint32_t> all, ItemsFromText(before.items));
    PURSER_ASSIGN_OR_RETURN(const Decisions decided, Decisions::Parse(before.decisions));
    Decisions known = decided;
    known.Update(renumbered);
    if (!known.SameEntities(decided, all)) written.moved.push_back(before.id);
    all.insert(items[i].begin(), items[i].end());
    const std::string all_items = ItemsToText(all);
    const std::string all_decisions = known.ToText();
    if (all_items == before.items && all_decisions == before.decisions) continue;
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater("UPDATE cost_subjects SET items = $2, decisions = $3 WHERE id = $1",
                                {before.id, all_items, all_decisions}));
  }
  return written;
}

// Facts of one stored row: one subject's in one month of one billing period.
struct FactsRow {
  absl::CivilDay period;
  int64_t month;
  uint32_t subject;
  size_t first;  // of its facts
};

}  // namespace

std::string DayText(absl::CivilDay day) { return absl::FormatCivilTime(day); }

std::string SubjectKey(const StoredSubject& subject, const std::string& tags,
                       const std::string& columns) {
  return base::Sha256Hex(
      absl::StrJoin({absl::string_view(subject.resource_id), absl::string_view(subject.sub_account),
                     absl::string_view(tags), absl::string_view(columns)},
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
                          const Delivery& delivery, int64_t ingest) {
  std::map<absl::CivilDay, std::pair<absl::CivilDay, absl::CivilDay>> periods;
  for (const auto& [key, sums] : delivery.rollups()) {
    const auto [period, added] =
        periods.try_emplace(key.billing_period, std::make_pair(key.day, key.day));
    period->second.first = std::min(period->second.first, key.day);
    period->second.second = std::max(period->second.second, key.day);
  }
  for (const auto& [period, days] : periods) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_periods (source, billing_period, ingest, first_day, last_day) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source, billing_period) DO UPDATE SET "
        "ingest = excluded.ingest, first_day = excluded.first_day, last_day = excluded.last_day",
        {source, DayText(period), ingest, DayText(days.first), DayText(days.second)}));
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
    const Delivery& delivery, const std::vector<Decisions>& decisions, int keep_deliveries,
    Numbers& numbers, absl::Time now) {
  PURSER_ASSIGN_OR_RETURN(const int64_t ingest, NextId(connection, "cost_ingests"));
  PURSER_RETURN_IF_ERROR(StoreIngest(connection, request, report, ingest, now));
  std::vector<uint32_t> item_numbers;
  for (const ChargeItem& item : delivery.items()) {
    item_numbers.push_back(numbers.items.NumberOf(item));
  }
  std::vector<std::set<uint32_t>> items(delivery.subjects().size());
  // Both in the order of their rows.
  std::vector<FactsRow> rows;
  std::vector<Fact> facts;
  facts.reserve(delivery.rollups().size());
  const RollupKey* last = nullptr;
  for (const auto& [key, sums] : delivery.rollups()) {
    Fact fact;
    const bool same_row = last != nullptr && key.subject == last->subject &&
                          key.billing_period == last->billing_period &&
                          key.day.month() == last->day.month() &&
                          key.day.year() == last->day.year();
    if (!same_row) {
      rows.push_back({key.billing_period, MonthOf(key.day), key.subject, facts.size()});
    }
    if (same_row && key.item == last->item && key.invoice == last->invoice) {
      fact.item = facts.back().item;
      fact.bill = facts.back().bill;
    } else {
      fact.item = item_numbers[key.item];
      fact.bill = numbers.bills.NumberOf({request.source, key.billing_period,
                                          delivery.subjects()[key.subject].sub_account,
                                          delivery.texts().TextOf(key.invoice)});
      items[key.subject].insert(fact.item);
    }
    fact.day = key.day.day();
    fact.sums = sums;
    facts.push_back(fact);
    last = &key;
  }
  PURSER_RETURN_IF_ERROR(numbers.Store(connection));
  PURSER_ASSIGN_OR_RETURN(
      const WrittenSubjects subjects,
      StoreSubjects(connection, request.source, delivery, decisions, items, item_numbers));
  // What stands in other billing periods of a subject that goes elsewhere goes there, too.
  PURSER_ASSIGN_OR_RETURN(std::set<int64_t> months, MonthsOf(connection, subjects.moved));
  std::map<absl::CivilDay, PeriodRows> periods;
  std::vector<Fact> of_row;
  for (size_t i = 0; i < rows.size(); ++i) {
    const FactsRow& row = rows[i];
    const auto at = [&](size_t place) {
      return facts.begin() + static_cast<std::ptrdiff_t>(place);
    };
    of_row.assign(at(row.first), at(i + 1 < rows.size() ? rows[i + 1].first : facts.size()));
    PURSER_RETURN_IF_ERROR(Normalise(of_row));
    periods[row.period].emplace(std::pair(row.month, subjects.ids[row.subject]),
                                EncodeFacts(of_row));
  }
  for (const auto& [period, encoded] : periods) {
    PURSER_RETURN_IF_ERROR(
        ReplaceRows(connection, request.source, period, ingest, encoded, months));
    PURSER_RETURN_IF_ERROR(ForgetReplaced(connection, request.source, period, keep_deliveries));
  }
  PURSER_RETURN_IF_ERROR(StorePeriods(connection, request.source, delivery, ingest));
  PURSER_RETURN_IF_ERROR(ForgetSubjects(connection, request.source));
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
  PURSER_RETURN_IF_ERROR(
      connection.ExecuteLater("DELETE FROM cost_node_months WHERE month = $1", {month}));
  std::map<NodeKind, RankWriter> ranks;
  for (const NodeKind kind : kNodeKinds) ranks.emplace(kind, RankWriter(kind, month));
  // Kept until their numbers are stored, which they refer to.
  std::vector<std::pair<uint32_t, std::string>> nodes;
  PURSER_RETURN_IF_ERROR(
      allocator.Finish([&](uint32_t node, const std::vector<Fact>& facts) -> absl::Status {
        nodes.emplace_back(node, EncodeFacts(facts));
        return ranks.at(numbers.nodes[node].kind).Add(node, facts, numbers);
      }));
  PURSER_RETURN_IF_ERROR(numbers.Store(connection));
  for (auto& [node, facts] : nodes) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_node_months (node, month, facts) VALUES ($1, $2, $3)",
        {static_cast<int64_t>(node), month, store::Blob{std::move(facts)}}));
  }
  for (auto& [kind, rank] : ranks) PURSER_RETURN_IF_ERROR(rank.Store(connection));
  return absl::OkStatus();
}

absl::Status ForEachSubject(store::Connection& connection,
                            const std::function<absl::Status(const KnownSubject&)>& on_subject) {
  return connection.ForEach(
      "SELECT id, resource_id, sub_account, tags, columns, items, decisions FROM cost_subjects", {},
      [&](const store::Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(std::set<uint32_t> items, ItemsFromText(row.Text(5)));
        return on_subject({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4),
                           std::move(items), row.Text(6)});
      });
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

absl::StatusOr<std::set<int64_t>> AllMonths(store::Connection& connection) {
  std::set<int64_t> months;
  PURSER_RETURN_IF_ERROR(
      connection.ForEach("SELECT DISTINCT month FROM cost_facts", {}, [&](const store::Row& row) {
        months.insert(row.Int(0));
        return absl::OkStatus();
      }));
  return months;
}

}  // namespace purser::costs
