#include "costs/query.h"

#include <algorithm>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "costs/delivery.h"
#include "costs/rollups.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr size_t kMaxTokenBytes = 16 << 10;

struct DimensionInfo {
  Dimension dimension;
  absl::string_view name;
  absl::string_view column;
};
constexpr DimensionInfo kDimensions[] = {
    {Dimension::kDay, "day", "r.day"},
    {Dimension::kMonth, "month", "substr(r.day, 1, 7)"},
    {Dimension::kEntity, "entity", "s.entity"},
    {Dimension::kService, "service", "r.service"},
    {Dimension::kSource, "source", "r.source"},
    {Dimension::kChargeCategory, "charge_category", "r.category"},
    {Dimension::kBillingPeriod, "billing_period", "r.billing_period"},
};

const DimensionInfo& InfoOf(Dimension dimension) {
  return kDimensions[static_cast<size_t>(dimension)];
}

using Groups = absl::flat_hash_map<std::vector<std::string>, Sums>;  // keys, then currency

// Sums the rollups that `where` selects.
absl::StatusOr<Groups> SumGroups(store::Connection& connection,
                                 const std::vector<Dimension>& group_by, const std::string& where,
                                 const std::vector<store::Value>& values) {
  std::string sql = "SELECT ";
  for (const Dimension dimension : group_by) {
    absl::StrAppend(&sql, InfoOf(dimension).column, ", ");
  }
  absl::StrAppend(&sql,
                  "r.currency, r.billed, r.effective, r.charges FROM cost_rollups r "
                  "JOIN cost_subjects s ON s.id = r.subject WHERE ",
                  where);
  Groups groups;
  std::vector<std::string> key(group_by.size() + 1);
  PURSER_RETURN_IF_ERROR(
      connection.ForEach(sql, values, [&](const store::Row& row) -> absl::Status {
        for (size_t i = 0; i < key.size(); ++i) key[i] = row.Text(i);
        const size_t at = key.size();
        PURSER_ASSIGN_OR_RETURN(const base::Decimal billed, base::Decimal::Parse(row.Text(at)));
        PURSER_ASSIGN_OR_RETURN(const base::Decimal effective,
                                base::Decimal::Parse(row.Text(at + 1)));
        PURSER_RETURN_IF_ERROR(groups[key].Add(billed, effective, row.Int(at + 2)));
        if (groups.size() > kMaxRollups) {
          return absl::ResourceExhaustedError(
              absl::StrCat("the answer has more than ", kMaxRollups,
                           " groups (kMaxRollups): ask for fewer days or dimensions"));
        }
        return absl::OkStatus();
      }));
  return groups;
}

std::vector<CostRow> Rows(Groups groups) {
  std::vector<CostRow> rows;
  rows.reserve(groups.size());
  for (auto& [key, sums] : groups) {
    CostRow row{key, key.back(), sums.billed, sums.effective, sums.charges};
    row.keys.pop_back();
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(), [](const CostRow& a, const CostRow& b) {
    return std::tie(a.keys, a.currency) < std::tie(b.keys, b.currency);
  });
  return rows;
}

// What a page token must agree with: the request without its page.
std::string Fingerprint(const QueryRequest& request) {
  std::string text = absl::StrCat(DayText(request.from), " ", DayText(request.to));
  for (const Dimension dimension : request.group_by) {
    absl::StrAppend(&text, " ", DimensionName(dimension));
  }
  for (const Filter& filter : request.filters) {
    absl::StrAppend(&text, "\n", DimensionName(filter.dimension));
    for (const std::string& value : filter.values) absl::StrAppend(&text, "\t", value);
  }
  return base::Sha256Hex(text).substr(0, 16);
}

std::string MakeToken(const QueryRequest& request, const CostRow& last) {
  return absl::WebSafeBase64Escape(
      json::Dump({{"q", Fingerprint(request)}, {"k", last.keys}, {"c", last.currency}}));
}

// The row the page before ended with.
absl::StatusOr<CostRow> ReadToken(const QueryRequest& request) {
  const auto bad = [] {
    return absl::InvalidArgumentError(
        "the page token does not belong to this query: start again without one");
  };
  std::string text;
  if (request.page_token.size() > kMaxTokenBytes ||
      !absl::WebSafeBase64Unescape(request.page_token, &text)) {
    return bad();
  }
  const absl::StatusOr<nlohmann::json> value = json::Parse(text);
  if (!value.ok() || !value->is_object() || !value->contains("k") || !(*value)["k"].is_array() ||
      (*value)["k"].size() != request.group_by.size() || !value->contains("c") ||
      !(*value)["c"].is_string() || value->value("q", nlohmann::json()) != Fingerprint(request)) {
    return bad();
  }
  CostRow row;
  for (const nlohmann::json& key : (*value)["k"]) {
    if (!key.is_string()) return bad();
    row.keys.push_back(key);
  }
  row.currency = (*value)["c"];
  return row;
}

absl::Status CheckRequest(const QueryRequest& request) {
  if (request.to < request.from) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the last day ", DayText(request.to), " is before the first, ", DayText(request.from)));
  }
  if (request.page_size < 0 || request.page_size > kMaxPageSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("page size ", request.page_size, " is not 1 to ", kMaxPageSize));
  }
  for (size_t i = 0; i < request.group_by.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (request.group_by[i] == request.group_by[j]) {
        return absl::InvalidArgumentError(
            absl::StrCat("dimension ", DimensionName(request.group_by[i]), " is grouped by twice"));
      }
    }
  }
  size_t values = 0;
  for (const Filter& filter : request.filters) {
    if (filter.values.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the filter on ", DimensionName(filter.dimension), " has no values: leave it out"));
    }
    values += filter.values.size();
  }
  if (values > kMaxFilterValues) {
    return absl::InvalidArgumentError(absl::StrCat("filters have ", values, " values, at most ",
                                                   kMaxFilterValues, " (kMaxFilterValues)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SourceFreshness>> Freshness(store::Connection& connection,
                                                       const std::string& entity) {
  // Of the sources that charge the entity: how far each one's data reaches for anybody.
  PURSER_ASSIGN_OR_RETURN(
      const store::Rows rows,
      connection.Query("SELECT p.source, max(p.last_day) FROM cost_periods p WHERE p.source IN "
                       "(SELECT DISTINCT source FROM cost_subjects WHERE entity = $1) "
                       "GROUP BY p.source ORDER BY p.source",
                       {entity}));
  std::vector<SourceFreshness> sources;
  for (const store::Row& row : rows) {
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.Text(1)));
    sources.push_back({row.Text(0), day});
  }
  return sources;
}

}  // namespace

absl::StatusOr<Dimension> ParseDimension(absl::string_view name) {
  std::string known;
  for (const DimensionInfo& info : kDimensions) {
    if (info.name == name) return info.dimension;
    absl::StrAppend(&known, known.empty() ? "" : ", ", info.name);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown dimension \"", base::EscapeForDisplay(name, 60), "\"; known are ", known));
}

absl::string_view DimensionName(Dimension dimension) { return InfoOf(dimension).name; }

absl::StatusOr<QueryPage> RunQuery(store::Connection& connection, const QueryRequest& request) {
  PURSER_RETURN_IF_ERROR(CheckRequest(request));
  std::optional<CostRow> after;
  if (!request.page_token.empty()) {
    PURSER_ASSIGN_OR_RETURN(after, ReadToken(request));
  }
  std::string where = "r.day >= $1 AND r.day <= $2";
  std::vector<store::Value> values = {DayText(request.from), DayText(request.to)};
  for (const Filter& filter : request.filters) {
    absl::StrAppend(&where, " AND ", InfoOf(filter.dimension).column, " IN (");
    for (size_t i = 0; i < filter.values.size(); ++i) {
      values.push_back(filter.dimension == Dimension::kEntity
                           ? absl::AsciiStrToLower(filter.values[i])
                           : filter.values[i]);
      absl::StrAppend(&where, i == 0 ? "$" : ", $", values.size());
    }
    where += ")";
  }
  PURSER_ASSIGN_OR_RETURN(Groups groups, SumGroups(connection, request.group_by, where, values));
  std::vector<CostRow> rows = Rows(std::move(groups));
  auto first = rows.begin();
  if (after.has_value()) {
    first =
        std::upper_bound(rows.begin(), rows.end(), *after, [](const CostRow& a, const CostRow& b) {
          return std::tie(a.keys, a.currency) < std::tie(b.keys, b.currency);
        });
  }
  const size_t size = request.page_size == 0 ? kDefaultPageSize : request.page_size;
  const size_t rest = rows.end() - first;
  QueryPage page;
  page.rows.assign(std::make_move_iterator(first),
                   std::make_move_iterator(first + std::min(size, rest)));
  if (rest > size) page.next_page_token = MakeToken(request, page.rows.back());
  return page;
}

absl::StatusOr<EntityCostSummary> Summarise(store::Connection& connection,
                                            const EntitySummaryRequest& request) {
  if (request.days < 0 || request.days > kMaxSummaryDays) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.days, " days: 1 to ", kMaxSummaryDays, " are possible"));
  }
  EntityCostSummary summary;
  if (request.entity_ref == kUnallocated) {
    summary.entity_ref = kUnallocated;
  } else {
    PURSER_ASSIGN_OR_RETURN(const catalog::EntityRef ref,
                            catalog::EntityRef::Parse(request.entity_ref));
    summary.entity_ref = ref.ToString();
  }
  PURSER_ASSIGN_OR_RETURN(summary.sources, Freshness(connection, summary.entity_ref));
  summary.to = request.as_of;
  if (!summary.to.has_value()) {
    summary.to_is_last_day_with_data = true;
    for (const SourceFreshness& source : summary.sources) {
      summary.to = std::max(summary.to.value_or(source.last_day), source.last_day);
    }
    if (!summary.to.has_value()) {
      PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                              connection.Query("SELECT max(last_day) FROM cost_periods", {}));
      if (rows[0].IsNull(0)) {
        summary.to_is_last_day_with_data = false;
        return summary;
      }
      PURSER_ASSIGN_OR_RETURN(summary.to, ParseDay(rows[0].Text(0)));
    }
  }
  summary.from = *summary.to - ((request.days == 0 ? 30 : request.days) - 1);

  const std::string where = "s.entity = $1 AND r.day >= $2 AND r.day <= $3";
  const std::vector<store::Value> values = {summary.entity_ref, DayText(*summary.from),
                                            DayText(*summary.to)};
  std::map<std::string, EntityCosts> by_currency;
  PURSER_ASSIGN_OR_RETURN(Groups days, SumGroups(connection, {Dimension::kDay}, where, values));
  for (CostRow& row : Rows(std::move(days))) {
    EntityCosts& costs = by_currency[row.currency];
    Sums total{costs.billed, costs.effective};
    PURSER_RETURN_IF_ERROR(total.Add(row.billed, row.effective, row.charges));
    costs.billed = total.billed;
    costs.effective = total.effective;
    costs.by_day.push_back(std::move(row));
  }
  PURSER_ASSIGN_OR_RETURN(Groups services,
                          SumGroups(connection, {Dimension::kService}, where, values));
  for (CostRow& row : Rows(std::move(services))) {
    by_currency[row.currency].by_service.push_back(std::move(row));
  }
  for (auto& [currency, costs] : by_currency) {
    costs.currency = currency;
    std::stable_sort(costs.by_service.begin(), costs.by_service.end(),
                     [](const CostRow& a, const CostRow& b) { return a.billed > b.billed; });
    summary.costs.push_back(std::move(costs));
  }
  return summary;
}

}  // namespace purser::costs
