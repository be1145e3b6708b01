#include "costs/clickhouse/reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "costs/clickhouse/sums.h"
#include "costs/history.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

std::string NodesOf(NodeKind kind) {
  return absl::StrCat("node_kind = ", static_cast<int>(kind), " AND ");
}

absl::StatusOr<int64_t> ReadCount(const std::string& text) {
  int64_t count;
  if (absl::SimpleAtoi(text, &count)) return count;
  return absl::DataLossError(absl::StrCat("ClickHouse's count ", text, " is no number"));
}

// Who has what allocation gave: nobody, a pool, or an entity.
std::string HolderColumn() {
  return absl::StrCat("multiIf(node = ", ClickHouseText(kUnallocated), ", 0, position(node, ",
                      ClickHouseText(kSharedPrefix), ") = 1 OR position(node, ",
                      ClickHouseText(kIdlePrefix), ") = 1, 1, 2)");
}

}  // namespace

std::string BetweenDays(absl::CivilDay from, absl::CivilDay to) {
  const auto date = [](absl::CivilDay day) {
    return absl::StrCat("toDate('", DayText(std::clamp(day, kFirstDate, kLastDate)), "')");
  };
  return absl::StrCat("day >= ", date(from), " AND day <= ", date(to));
}

std::string ColumnOf(Dimension dimension) {
  switch (dimension) {
    case Dimension::kDay:
      return "toString(day)";
    case Dimension::kMonth:
      return "substring(toString(day), 1, 7)";
    case Dimension::kBillingPeriod:
      return "toString(billing_period)";
    case Dimension::kChargeCategory:
      return "category";
    case Dimension::kSource:  // its name, see SourceOf
      return "splitByChar('/', source)[1]";
    case Dimension::kService:
    case Dimension::kRegion:
    case Dimension::kSku:
    case Dimension::kKind:
    case Dimension::kAccount:
    case Dimension::kInvoice:
    case Dimension::kPool:
      return std::string(DimensionName(dimension));
    default:
      return "";
  }
}

absl::StatusOr<TopResult> ClickHouseReader::TopNodes(NodeKind kind,
                                                     const TopRequest& request) const {
  const std::string nodes = absl::StrCat(
      "(SELECT currency, node, sum(billed) AS b, sum(effective) AS e, "
      "sum(abs(toFloat64(billed)) + abs(toFloat64(effective))) AS size FROM ",
      client_.Everywhere(kDailyTable), " WHERE ", NodesOf(kind), "segment IN ",
      ClickHouseTexts(state_.MonthIds(request.from, request.to)), " AND ",
      BetweenDays(request.from, request.to), " GROUP BY currency, node HAVING b != 0 OR e != 0)");
  const auto read = [](const std::vector<std::string>& row, size_t at, CostRow& out) {
    Measures sums;
    PURSER_RETURN_IF_ERROR(ReadSums({row[at], row[at + 1], "0", "0", "0", row[at + 2]}, 0, sums));
    out.billed = sums.billed;
    out.effective = sums.effective;
    return absl::OkStatus();
  };
  TopResult result;
  PURSER_RETURN_IF_ERROR(
      client_.Select(absl::StrCat("SELECT currency, sum(b), sum(e), sum(size) FROM ", nodes,
                                  " GROUP BY currency ORDER BY currency"),
                     [&](const std::vector<std::string>& row) {
                       result.total.push_back({{}, row[0]});
                       return read(row, 1, result.total.back());
                     }));
  PURSER_RETURN_IF_ERROR(client_.Select(
      absl::StrCat("SELECT currency, node, b, e, size FROM ", nodes, " ORDER BY currency, ",
                   request.measure == Measure::kBilled ? "b" : "e", " DESC, node LIMIT ",
                   request.limit, " BY currency"),
      [&](const std::vector<std::string>& row) {
        result.rows.push_back({{row[1]}, row[0]});
        return read(row, 2, result.rows.back());
      }));
  result.rest = result.total;
  for (const CostRow& row : result.rows) {
    for (CostRow& rest : result.rest) {
      if (rest.currency != row.currency) continue;
      CostRow less;
      less.billed = -row.billed;
      less.effective = -row.effective;
      PURSER_RETURN_IF_ERROR(AddTo(rest, less));
    }
  }
  return result;
}

absl::StatusOr<std::vector<SourceFreshness>> ClickHouseReader::SourcesOf(
    const std::string& entity) const {
  std::set<std::string> names;
  PURSER_RETURN_IF_ERROR(client_.Select(
      absl::StrCat("SELECT DISTINCT source FROM ", client_.Everywhere(kRollupsTable), " WHERE ",
                   NodesOf(NodeKind::kEntity), "node = ", ClickHouseText(entity),
                   " AND segment IN ", ClickHouseTexts(state_.MonthIds(kFirstDate, kLastDate))),
      [&](const std::vector<std::string>& row) {
        names.insert(row[0]);
        return absl::OkStatus();
      }));
  std::vector<SourceFreshness> sources;
  PURSER_RETURN_IF_ERROR(database_.Read([&](store::Connection& connection) -> absl::Status {
    sources.clear();
    for (const std::string& name : names) {
      PURSER_ASSIGN_OR_RETURN(const std::optional<absl::CivilDay> day,
                              LastKnownDay(connection, name));
      if (day.has_value()) sources.push_back({name, *day});
    }
    return absl::OkStatus();
  }));
  return sources;
}

absl::StatusOr<std::optional<absl::CivilDay>> ClickHouseReader::LastDay() const {
  std::optional<absl::CivilDay> day;
  PURSER_RETURN_IF_ERROR(database_.Read([&](store::Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(day, LastKnownDay(connection, ""));
    return absl::OkStatus();
  }));
  return day;
}

absl::StatusOr<std::vector<ReconciledInvoice>> ClickHouseReader::Reconcile(
    absl::CivilDay from, absl::CivilDay to) const {
  using Key = std::tuple<std::string, absl::CivilDay, std::string, std::string>;
  std::map<Key, ReconciledInvoice> invoices;
  const std::string periods = absl::StrCat(" AND billing_period >= toDate('",
                                           DayText(std::clamp(from, kFirstDate, kLastDate)),
                                           "') AND billing_period <= ", "toDate('",
                                           DayText(std::clamp(to, kFirstDate, kLastDate)), "') ");
  constexpr char kInvoice[] = "source, billing_period, invoice, currency";
  const auto invoice_of =
      [&](const std::vector<std::string>& row) -> absl::StatusOr<ReconciledInvoice*> {
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay period, ParseDay(row[1]));
    return &invoices[{row[0], period, row[2], row[3]}];
  };
  // What was read, and apart from it what allocation made of it.
  PURSER_RETURN_IF_ERROR(client_.Select(
      absl::StrCat("SELECT ", kInvoice, ", ", kSumsOfColumns, " FROM ",
                   client_.Everywhere(kChargesTable), " WHERE segment IN ",
                   ClickHouseTexts(state_.ChargeIds()), periods,
                   "AND toYYYYMM(day) >= ", state_.first_month, " GROUP BY ", kInvoice),
      [&](const std::vector<std::string>& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(ReconciledInvoice* const invoice, invoice_of(row));
        Measures sums;
        PURSER_RETURN_IF_ERROR(ReadSums(row, 4, sums));
        invoice->billed = sums.billed;
        return absl::OkStatus();
      }));
  PURSER_RETURN_IF_ERROR(
      client_.Select(absl::StrCat("SELECT ", kInvoice, ", ", HolderColumn(), " AS holder, ",
                                  kSumsOfColumns, " FROM ", client_.Everywhere(kRollupsTable),
                                  " WHERE ", NodesOf(NodeKind::kEntity), "segment IN ",
                                  ClickHouseTexts(state_.MonthIds(kFirstDate, kLastDate)), periods,
                                  "GROUP BY ", kInvoice, ", holder"),
                     [&](const std::vector<std::string>& row) -> absl::Status {
                       PURSER_ASSIGN_OR_RETURN(ReconciledInvoice* const invoice, invoice_of(row));
                       Measures sums;
                       PURSER_RETURN_IF_ERROR(ReadSums(row, 5, sums));
                       (row[4] == "0"   ? invoice->unallocated
                        : row[4] == "1" ? invoice->shared
                                        : invoice->entities) = sums.billed;
                       return absl::OkStatus();
                     }));
  std::vector<ReconciledInvoice> result;
  for (auto& [key, invoice] : invoices) {
    std::tie(invoice.source, invoice.billing_period, invoice.invoice, invoice.currency) = key;
    PURSER_RETURN_IF_ERROR(Balance(invoice));
    result.push_back(std::move(invoice));
  }
  return result;
}

absl::StatusOr<std::vector<AllocatedPart>> ClickHouseReader::ExplainEntity(
    const std::string& entity, int64_t month) const {
  std::map<std::pair<std::string, std::string>, PartSums> parts;
  const auto segment = state_.months.find(month);
  if (segment == state_.months.end()) return std::vector<AllocatedPart>();
  const std::string where =
      absl::StrCat(" WHERE segment = ", ClickHouseText(segment->second), " AND ");
  PURSER_RETURN_IF_ERROR(client_.Select(
      absl::StrCat("SELECT rule, currency, resource, sum(billed), sum(effective) FROM ",
                   client_.Everywhere(kDecisionsTable), where, "entity = ", ClickHouseText(entity),
                   " GROUP BY rule, currency, resource"),
      [&](const std::vector<std::string>& row) -> absl::Status {
        PartSums& part = parts[{row[0], row[1]}];
        Measures sums;
        PURSER_ASSIGN_OR_RETURN(sums.billed, ReadAmount(row[3]));
        PURSER_ASSIGN_OR_RETURN(sums.effective, ReadAmount(row[4]));
        part.resources[row[2]] = sums.billed;
        return part.sums.Add(sums);
      }));
  PURSER_RETURN_IF_ERROR(client_.Select(
      absl::StrCat("SELECT pool, currency, ", kSumsOfColumns, " FROM ",
                   client_.Everywhere(kRollupsTable), where, NodesOf(NodeKind::kEntity),
                   "node = ", ClickHouseText(entity), " AND pool != '' GROUP BY pool, currency"),
      [&](const std::vector<std::string>& row) {
        return ReadSums(row, 2, parts[{absl::StrCat("share of ", row[0]), row[1]}].sums);
      }));
  return ToParts(parts);
}

absl::StatusOr<std::vector<StoredDelivery>> ClickHouseReader::Deliveries(const std::string& source,
                                                                         int limit) const {
  std::vector<StoredDelivery> deliveries;
  PURSER_RETURN_IF_ERROR(database_.Read([&](store::Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(deliveries, ListDeliveries(connection, source, limit));
    return absl::OkStatus();
  }));
  return deliveries;
}

absl::StatusOr<DeliveryDiff> ClickHouseReader::Diff(const DiffRequest& request) const {
  ComparedDeliveries chosen;
  std::string before, after;
  PURSER_RETURN_IF_ERROR(database_.Read([&](store::Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(chosen, ChooseDeliveries(connection, request));
    PURSER_ASSIGN_OR_RETURN(before, ChargesOf(connection, chosen.before));
    PURSER_ASSIGN_OR_RETURN(after, ChargesOf(connection, chosen.after));
    return absl::OkStatus();
  }));
  std::vector<std::string> keys;
  for (size_t i = 0; i < request.group_by.size(); ++i) {
    // Charges as they were read are no part of any pool.
    const bool of_pool = request.group_by[i] == Dimension::kPool;
    keys.push_back(absl::StrCat(of_pool ? "''" : ColumnOf(request.group_by[i]), " AS key", i));
  }
  // The change of each stored sum, then of each group.
  const auto change = [&](absl::string_view column) {
    return absl::StrCat("sum(if(segment = ", ClickHouseText(after), ", ", column, ", -", column,
                        ")) AS d_", column);
  };
  std::string inner =
      absl::StrCat("SELECT ", change("billed"), ", ", change("effective"), ", ", change("list"),
                   ", ", change("contracted"), ", ", change("charges"), ", currency");
  std::string names;
  for (size_t i = 0; i < keys.size(); ++i) {
    absl::StrAppend(&inner, ", ", keys[i]);
    absl::StrAppend(&names, ", key", i);
  }
  absl::StrAppend(&inner, " FROM ", client_.Everywhere(kChargesTable), " WHERE segment IN (",
                  ClickHouseText(before), ",", ClickHouseText(after),
                  ") AND toYYYYMM(day) >= ", state_.first_month,
                  " GROUP BY subject, day, service, region, sku, category, kind, currency, "
                  "account, invoice, source, billing_period HAVING d_billed != 0 OR d_effective != "
                  "0 OR d_list != 0 OR "
                  "d_contracted != 0 OR d_charges != 0 OR uniq(segment) = 1");
  DeliveryDiff diff{chosen.before, chosen.after, {}};
  PURSER_RETURN_IF_ERROR(client_.Select(
      absl::StrCat("SELECT sum(d_billed), sum(d_effective), sum(d_charges), count(), currency",
                   names, " FROM (", inner, ") GROUP BY currency", names, " ORDER BY currency",
                   names),
      [&](const std::vector<std::string>& row) -> absl::Status {
        DiffRow out;
        PURSER_ASSIGN_OR_RETURN(out.billed, ReadAmount(row[0]));
        PURSER_ASSIGN_OR_RETURN(out.effective, ReadAmount(row[1]));
        PURSER_ASSIGN_OR_RETURN(out.charges, ReadCount(row[2]));
        PURSER_ASSIGN_OR_RETURN(out.changed, ReadCount(row[3]));
        out.currency = row[4];
        out.keys.assign(row.begin() + 5, row.end());
        diff.rows.push_back(std::move(out));
        return absl::OkStatus();
      }));
  SortBySize(diff.rows);
  return diff;
}

}  // namespace purser::costs
