#include "costs/history.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

// Facts of one row on both sides of a comparison, by Fact::key.
using Sides = std::map<uint64_t, std::pair<std::optional<Fact>, std::optional<Fact>>>;

absl::Status AddSide(absl::string_view facts, bool after, Sides& sides) {
  if (facts.empty()) return absl::OkStatus();
  return DecodeFacts(facts, [&](const Fact& fact) {
    auto& [left, right] = sides[fact.key()];
    (after ? right : left) = fact;
  });
}

absl::Status AddChange(const std::pair<std::optional<Fact>, std::optional<Fact>>& sides,
                       DiffRow& row) {
  const Measures before = sides.first.has_value() ? sides.first->sums : Measures();
  const Measures after = sides.second.has_value() ? sides.second->sums : Measures();
  base::Decimal billed, effective;
  if (!base::Decimal::Subtract(after.billed, before.billed, &billed) ||
      !base::Decimal::Subtract(after.effective, before.effective, &effective) ||
      !base::Decimal::Add(row.billed, billed, &row.billed) ||
      !base::Decimal::Add(row.effective, effective, &row.effective)) {
    return absl::OutOfRangeError("a change of costs does not fit");
  }
  row.charges += after.charges - before.charges;
  ++row.changed;
  return absl::OkStatus();
}

// All deliveries of a billing period, the latest first.
absl::StatusOr<std::vector<StoredDelivery>> DeliveriesOf(store::Connection& connection,
                                                         const std::string& where,
                                                         const std::vector<store::Value>& values,
                                                         size_t limit) {
  std::vector<StoredDelivery> deliveries;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      absl::StrCat("SELECT i.id, i.source, i.sha256, i.rows_stored, i.ingested_at, "
                   "t.billing_period, t.currency, t.billed, t.effective, t.charges, t.kept, "
                   "p.ingest FROM cost_ingests i JOIN cost_totals t ON t.ingest = i.id "
                   "LEFT JOIN cost_periods p ON p.source = i.source AND "
                   "p.billing_period = t.billing_period ",
                   where, " ORDER BY i.id DESC, t.billing_period, t.currency"),
      values, [&](const store::Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const absl::CivilDay period, ParseDay(row.Text(5)));
        if (deliveries.empty() || deliveries.back().id != row.Int(0) ||
            deliveries.back().billing_period != period) {
          if (deliveries.size() == limit) return absl::OkStatus();
          deliveries.push_back({.id = row.Int(0),
                                .source = row.Text(1),
                                .billing_period = period,
                                .at = absl::FromUnixMicros(row.Int(4)),
                                .sha256 = row.Text(2),
                                .rows = row.Int(3),
                                .totals = {},
                                .current = !row.IsNull(11) && row.Int(11) == row.Int(0),
                                .replaced = row.Int(10) != 0});
        }
        PURSER_ASSIGN_OR_RETURN(const base::Decimal billed, base::Decimal::Parse(row.Text(7)));
        PURSER_ASSIGN_OR_RETURN(const base::Decimal effective, base::Decimal::Parse(row.Text(8)));
        deliveries.back().totals.push_back(
            {period, row.Text(6), billed, effective, base::Decimal(), row.Int(9)});
        return absl::OkStatus();
      }));
  return deliveries;
}

// `all` is the latest first.
absl::StatusOr<ComparedDeliveries> Choose(const std::vector<StoredDelivery>& all,
                                          const DiffRequest& request) {
  const auto find = [&](int64_t id) -> absl::StatusOr<size_t> {
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].id == id) return i;
    }
    return absl::NotFoundError(absl::StrCat("delivery ", id, " of ", request.source, " for ",
                                            DayText(request.billing_period), " is not known"));
  };
  if (all.empty()) {
    return absl::NotFoundError(
        absl::StrCat(request.source, " delivered nothing for ", DayText(request.billing_period)));
  }
  size_t after = 0;
  if (request.after != 0) {
    PURSER_ASSIGN_OR_RETURN(after, find(request.after));
  }
  size_t before = after + 1;
  if (request.before != 0) {
    PURSER_ASSIGN_OR_RETURN(before, find(request.before));
  }
  if (before >= all.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("delivery ", all[after].id, " is the first of ", request.source, " for ",
                     DayText(request.billing_period), ": there is nothing to compare it with"));
  }
  if (before <= after) {
    return absl::InvalidArgumentError("the delivery `before` is not before the other");
  }
  for (size_t i = 0; i < before; ++i) {
    if (all[i].replaced) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("what delivery ", all[i].id, " replaced is not kept any more"));
  }
  return ComparedDeliveries{all[before], all[after]};
}

// Tells of each row of facts that some delivery between the two changed its month, and what it held
// after the one and after the other. One at a time: there may be as many as resources.
absl::Status ForEachChangedRow(
    const QueryContext& context, const DiffRequest& request, const ComparedDeliveries& chosen,
    const std::function<absl::Status(int64_t month, const std::string& before,
                                     const std::string& after)>& on_row) {
  struct {
    int64_t month = 0;
    int64_t subject = 0;
    std::optional<std::string> before;  // set when it changed between the two
    std::optional<std::string> after;   // set when it changed later
    std::string now;
  } at;
  const auto tell = [&]() -> absl::Status {
    return at.before.has_value() ? on_row(at.month, *at.before, at.after.value_or(at.now))
                                 : absl::OkStatus();
  };
  // The oldest of what was replaced after a delivery is what stood there; what nobody replaced
  // since is there now.
  PURSER_RETURN_IF_ERROR(context.connection.ForEach(
      "SELECT r.month, r.subject, r.ingest, r.facts, f.facts FROM cost_replaced_facts r "
      "JOIN cost_ingests i ON i.id = r.ingest LEFT JOIN cost_facts f ON f.source = i.source AND "
      "f.billing_period = r.billing_period AND f.month = r.month AND f.subject = r.subject "
      "WHERE i.source = $1 AND r.billing_period = $2 AND r.ingest > $3 "
      "ORDER BY r.month, r.subject, r.ingest",
      {request.source, DayText(request.billing_period), chosen.before.id},
      [&](const store::Row& row) -> absl::Status {
        if (row.Int(0) != at.month || row.Int(1) != at.subject) {
          PURSER_RETURN_IF_ERROR(tell());
          at = {row.Int(0), row.Int(1), std::nullopt, std::nullopt, row.Text(4)};
        }
        std::optional<std::string>& side = row.Int(2) > chosen.after.id ? at.after : at.before;
        if (!side.has_value()) side = row.Text(3);
        return absl::OkStatus();
      }));
  return tell();
}

absl::Status CheckDimensions(const std::vector<Dimension>& group_by) {
  for (const Dimension dimension : group_by) {
    if (dimension == Dimension::kDay || IsOfItem(dimension) || IsOfBill(dimension)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("deliveries are compared as they were read: ", DimensionName(dimension),
                     " is what allocation makes of them"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> ForgetReplaced(store::Connection& connection, const std::string& source,
                                    absl::CivilDay period, int keep) {
  const std::string day = DayText(period);
  std::vector<int64_t> kept;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT DISTINCT t.ingest FROM cost_totals t JOIN cost_ingests i ON i.id = t.ingest "
      "WHERE i.source = $1 AND t.billing_period = $2 AND t.kept = 1 ORDER BY t.ingest DESC",
      {source, day}, [&](const store::Row& row) {
        kept.push_back(row.Int(0));
        return absl::OkStatus();
      }));
  for (size_t i = static_cast<size_t>(std::max(keep, 0)); i < kept.size(); ++i) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "DELETE FROM cost_replaced_facts WHERE ingest = $1 AND billing_period = $2",
        {kept[i], day}));
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "UPDATE cost_totals SET kept = 0 WHERE ingest = $1 AND billing_period = $2",
        {kept[i], day}));
  }
  return kept.size() > static_cast<size_t>(std::max(keep, 0));
}

absl::StatusOr<int64_t> ForgetMonths(store::Connection& connection, int64_t first) {
  PURSER_ASSIGN_OR_RETURN(
      const store::Rows rows,
      connection.Query("SELECT count(DISTINCT month) FROM cost_facts WHERE month < $1", {first}));
  for (const char* const table : {"cost_facts", "cost_replaced_facts", "cost_node_months",
                                  "cost_rank_keys", "cost_rank_days", "cost_months"}) {
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater(absl::StrCat("DELETE FROM ", table, " WHERE month < $1"), {first}));
  }
  PURSER_RETURN_IF_ERROR(ForgetPeriodsBefore(connection, FirstDay(first)));
  return rows[0].Int(0);
}

absl::Status ForgetPeriodsBefore(store::Connection& connection, absl::CivilDay first) {
  const std::string day = DayText(first);
  for (const char* const statement : {
           "DELETE FROM cost_periods WHERE last_day < $1",
           "UPDATE cost_periods SET first_day = $1 WHERE first_day < $1",
           "DELETE FROM cost_metrics WHERE day < $1",
           "DELETE FROM cost_totals WHERE billing_period < $1 AND NOT EXISTS (SELECT 1 FROM "
           "cost_periods p JOIN cost_ingests i ON i.source = p.source WHERE i.id = "
           "cost_totals.ingest AND p.billing_period = cost_totals.billing_period)",
       }) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(statement, {day}));
  }
  // The newest stays, so that no number is given twice.
  return connection.ExecuteLater(
      "DELETE FROM cost_ingests WHERE id < (SELECT max(id) FROM cost_ingests) AND NOT EXISTS "
      "(SELECT 1 FROM cost_totals t WHERE t.ingest = cost_ingests.id) AND NOT EXISTS "
      "(SELECT 1 FROM cost_periods p WHERE p.ingest = cost_ingests.id) AND NOT EXISTS "
      "(SELECT 1 FROM cost_replaced_facts r WHERE r.ingest = cost_ingests.id)",
      {});
}

absl::Status ForgetSubjects(store::Connection& connection, const std::string& source) {
  return connection.ExecuteLater(
      "DELETE FROM cost_subjects WHERE source = $1 AND NOT EXISTS "
      "(SELECT 1 FROM cost_facts f WHERE f.subject = cost_subjects.id) AND NOT EXISTS "
      "(SELECT 1 FROM cost_replaced_facts r WHERE r.subject = cost_subjects.id)",
      {source});
}

absl::StatusOr<std::vector<StoredDelivery>> ListDeliveries(store::Connection& connection,
                                                           const std::string& source, int limit) {
  if (limit < 1 || limit > kMaxListedDeliveries) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit ", limit, " is not 1 to ", kMaxListedDeliveries));
  }
  if (source.empty()) return DeliveriesOf(connection, "", {}, static_cast<size_t>(limit));
  if (absl::StrContains(source, '/')) {
    return DeliveriesOf(connection, "WHERE i.source = $1", {source}, static_cast<size_t>(limit));
  }
  // Names have no characters that LIKE knows.
  return DeliveriesOf(connection, "WHERE (i.source = $1 OR i.source LIKE $2)",
                      {source, source + "/%"}, static_cast<size_t>(limit));
}

absl::StatusOr<ComparedDeliveries> ChooseDeliveries(store::Connection& connection,
                                                    const DiffRequest& request) {
  PURSER_RETURN_IF_ERROR(CheckDimensions(request.group_by));
  PURSER_ASSIGN_OR_RETURN(
      const std::vector<StoredDelivery> all,
      DeliveriesOf(connection, "WHERE i.source = $1 AND t.billing_period = $2",
                   {request.source, DayText(request.billing_period)}, SIZE_MAX));
  return Choose(all, request);
}

absl::StatusOr<std::optional<absl::CivilDay>> LastKnownDay(store::Connection& connection,
                                                           const std::string& source) {
  PURSER_ASSIGN_OR_RETURN(
      const store::Rows rows,
      source.empty() ? connection.Query("SELECT max(known_day) FROM cost_periods", {})
                     : connection.Query("SELECT max(known_day) FROM cost_periods WHERE source = $1",
                                        {source}));
  if (rows[0].IsNull(0)) return std::optional<absl::CivilDay>();
  PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(rows[0].Text(0)));
  return std::optional<absl::CivilDay>(day);
}

void SortBySize(std::vector<DiffRow>& rows) {
  const auto size = [](base::Decimal amount) { return amount.IsNegative() ? -amount : amount; };
  std::stable_sort(rows.begin(), rows.end(), [&](const DiffRow& a, const DiffRow& b) {
    return a.currency != b.currency ? a.currency < b.currency : size(a.billed) > size(b.billed);
  });
}

absl::StatusOr<DeliveryDiff> RunDiff(const QueryContext& context, const DiffRequest& request) {
  PURSER_ASSIGN_OR_RETURN(const ComparedDeliveries chosen,
                          ChooseDeliveries(context.connection, request));
  std::map<std::pair<std::string, std::vector<std::string>>, DiffRow> groups;
  const auto add = [&](int64_t month, const std::string& facts_before,
                       const std::string& facts_after) -> absl::Status {
    Sides sides;
    PURSER_RETURN_IF_ERROR(AddSide(facts_before, false, sides));
    PURSER_RETURN_IF_ERROR(AddSide(facts_after, true, sides));
    for (const auto& [key, both] : sides) {
      const auto& [before, after] = both;
      if (before.has_value() && after.has_value() && before->sums == after->sums) continue;
      const Fact& fact = after.has_value() ? *after : *before;
      const ChargeItem& item = context.numbers.items[fact.item];
      std::vector<std::string> keys;
      for (const Dimension dimension : request.group_by) {
        keys.push_back(dimension == Dimension::kDay ? DayText(DayOf(month, fact.day))
                       : IsOfItem(dimension)
                           ? ValueOf(item, dimension)
                           : ValueOf(context.numbers.bills[fact.bill], dimension));
      }
      PURSER_RETURN_IF_ERROR(AddChange(both, groups[{item.currency, std::move(keys)}]));
    }
    return absl::OkStatus();
  };
  PURSER_RETURN_IF_ERROR(ForEachChangedRow(context, request, chosen, add));
  DeliveryDiff diff{chosen.before, chosen.after, {}};
  for (auto& [key, row] : groups) {
    std::tie(row.currency, row.keys) = key;
    diff.rows.push_back(std::move(row));
  }
  SortBySize(diff.rows);
  return diff;
}

}  // namespace purser::costs
