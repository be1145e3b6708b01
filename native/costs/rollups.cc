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

// Writes the subjects that a delivery names, one after the other.
class SubjectWriter {
 public:
  // `item_numbers`: the store's, of the delivery's items. All arguments outlive it.
  SubjectWriter(store::Connection& connection, const std::string& source, const DeliveredSums& sums,
                const std::vector<Decisions>& decisions, const std::vector<uint32_t>& item_numbers)
      : connection_(connection),
        source_(source),
        sums_(sums),
        decisions_(decisions),
        item_numbers_(item_numbers) {}

  absl::Status Start() {
    PURSER_ASSIGN_OR_RETURN(next_, NextId(connection_, "cost_subjects"));
    PURSER_ASSIGN_OR_RETURN(stored_, StoredSubjects(connection_, source_));
    return absl::OkStatus();
  }

  // The id of the delivery's subject `number`, which has charges of these items.
  absl::StatusOr<int64_t> Write(uint32_t number, const std::set<uint32_t>& items) {
    const StoredSubject& subject = sums_.subjects()[number];
    const std::string key = SubjectKey(subject, sums_.texts());
    const Decisions renumbered = decisions_[number].Renumbered(item_numbers_);
    const auto found = stored_.find(key);
    if (found == stored_.end()) {
      PURSER_RETURN_IF_ERROR(connection_.ExecuteLater(
          "INSERT INTO cost_subjects (id, source, subject_key, resource_id, sub_account, tags, "
          "columns, items, decisions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
          {next_, source_, key, subject.resource_id, subject.sub_account,
           sums_.texts().TextOf(subject.tags), sums_.texts().TextOf(subject.columns),
           ItemsToText(items), renumbered.ToText()}));
      return next_++;
    }
    // What other periods hold of the subject stays in force.
    const Stored& before = found->second;
    PURSER_ASSIGN_OR_RETURN(std::set<uint32_t> all, ItemsFromText(before.items));
    PURSER_ASSIGN_OR_RETURN(const Decisions decided, Decisions::Parse(before.decisions));
    Decisions known = decided;
    known.Update(renumbered);
    if (!known.SameEntities(decided, all)) moved_.push_back(before.id);
    all.insert(items.begin(), items.end());
    const std::string all_items = ItemsToText(all);
    const std::string all_decisions = known.ToText();
    if (all_items != before.items || all_decisions != before.decisions) {
      PURSER_RETURN_IF_ERROR(connection_.ExecuteLater(
          "UPDATE cost_subjects SET items = $2, decisions = $3 WHERE id = $1",
          {before.id, all_items, all_decisions}));
    }
    return before.id;
  }

  // Those whose charges, of whichever month, go elsewhere than before.
  const std::vector<int64_t>& moved() const { return moved_; }

 private:
  store::Connection& connection_;
  const std::string& source_;
  const DeliveredSums& sums_;
  const std::vector<Decisions>& decisions_;
  const std::vector<uint32_t>& item_numbers_;
  int64_t next_ = 0;
  absl::flat_hash_map<std::string, Stored> stored_;
  std::vector<int64_t> moved_;
};

}  // namespace

std::string DayText(absl::CivilDay day) { return absl::FormatCivilTime(day); }

std::string SubjectKey(const StoredSubject& subject, const TextNumbers& texts) {
  return base::Sha256Hex(
      absl::StrJoin({absl::string_view(subject.resource_id), absl::string_view(subject.sub_account),
                     absl::string_view(texts.TextOf(subject.tags)),
                     absl::string_view(texts.TextOf(subject.columns))},
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
    const DeliveredSums& sums, const std::vector<Decisions>& decisions, int keep_deliveries,
    Numbers& numbers, absl::Time now) {
  PURSER_ASSIGN_OR_RETURN(const int64_t ingest, NextId(connection, "cost_ingests"));
  PURSER_RETURN_IF_ERROR(StoreIngest(connection, request, report, ingest, now));
  std::vector<uint32_t> item_numbers;
  for (const ChargeItem& item : sums.items()) {
    item_numbers.push_back(numbers.items.NumberOf(item));
  }
  SubjectWriter writer(connection, request.source, sums, decisions, item_numbers);
  PURSER_RETURN_IF_ERROR(writer.Start());
  std::map<absl::CivilDay, PeriodRows> periods;
  std::vector<Fact> facts;
  std::vector<std::string> encoded;
  PURSER_RETURN_IF_ERROR(
      sums.ForEachSubject([&](uint32_t number, const auto& months_of) -> absl::Status {
        std::set<uint32_t> items;
        encoded.clear();
        for (const DeliveredMonth& month : months_of) {
          facts = month.facts;
          // Neighbours are mostly of one item and one bill.
          uint32_t item = kMaxItems, invoice = UINT32_MAX, bill = 0;
          for (Fact& fact : facts) {
            if (fact.item != item) items.insert(item_numbers[item = fact.item]);
            if (fact.bill != invoice) {
              bill = numbers.bills.NumberOf({request.source, month.billing_period,
                                             sums.subjects()[number].sub_account,
                                             sums.texts().TextOf(invoice = fact.bill)});
            }
            fact.item = item_numbers[item];
            fact.bill = bill;
          }
          PURSER_RETURN_IF_ERROR(Normalise(facts));
          encoded.push_back(EncodeFacts(facts));
        }
        PURSER_ASSIGN_OR_RETURN(const int64_t id, writer.Write(number, items));
        for (size_t i = 0; i < encoded.size(); ++i) {
          periods[months_of[i].billing_period].emplace(std::pair(months_of[i].month, id),
                                                       std::move(encoded[i]));
        }
        return absl::OkStatus();
      }));
  PURSER_RETURN_IF_ERROR(numbers.Store(connection));
  // What stands in other billing periods of a subject that goes elsewhere goes there, too.
  PURSER_ASSIGN_OR_RETURN(std::set<int64_t> months, MonthsOf(connection, writer.moved()));
  for (const auto& [period, encoded] : periods) {
    PURSER_RETURN_IF_ERROR(
        ReplaceRows(connection, request.source, period, ingest, encoded, months));
    PURSER_RETURN_IF_ERROR(ForgetReplaced(connection, request.source, period, keep_deliveries));
  }
  PURSER_RETURN_IF_ERROR(StorePeriods(connection, request.source, sums, ingest));
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
