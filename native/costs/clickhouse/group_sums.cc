// Sums by any dimensions, added up by the servers.
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/clickhouse/reader.h"
#include "costs/clickhouse/sums.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

bool IsDays(Dimension dimension) {
  return dimension == Dimension::kDay || dimension == Dimension::kMonth;
}

// A question as SQL, and its rows as groups.
class Summing {
 public:
  Summing(const EntityGraph& graph, const std::vector<Dimension>& group_by,
          const std::vector<Filter>& filters, const std::string& currency)
      : graph_(graph), group_by_(group_by), filters_(filters), currency_(currency) {}

  absl::Status Choose() {
    std::set<Dimension> used;
    for (const Dimension dimension : group_by_) Use(dimension, used);
    for (const Filter& filter : filters_) Use(filter.dimension, used);
    if (used.size() == 1) kind_ = *NodeKindOf(*used.begin());
    if (used.size() <= 1) return absl::OkStatus();
    // Several dimensions of the catalog: from entities, each with its place in it.
    kind_ = NodeKind::kEntity;
    by_entity_ = true;
    return CheckTogether(group_by_);
  }

  // The columns asked for: one per dimension, the currency, the day of a conversion, the sums.
  std::string Sql(const ClickHouseClient& client, const ClickHouseState& state, absl::CivilDay from,
                  absl::CivilDay to) const {
    std::string columns, groups = "currency";
    for (size_t i = 0; i < group_by_.size(); ++i) {
      const std::string column = ColumnOf(group_by_[i]);
      absl::StrAppend(&columns, column.empty() ? "node" : column, " AS key", i, ", ");
      absl::StrAppend(&groups, ", key", i);
    }
    absl::StrAppend(&columns, "currency, ", currency_.empty() ? "''" : "toString(day)",
                    " AS rate_day, ", by_entity_ ? "node" : "''", " AS entity");
    absl::StrAppend(&groups, ", rate_day, entity");
    std::string sql =
        absl::StrCat("SELECT ", columns, ", ", kSumsOfColumns, " FROM ",
                     client.Everywhere(daily_ ? kDailyTable : kRollupsTable),
                     " WHERE node_kind = ", static_cast<int>(kind_), " AND segment IN ",
                     ClickHouseTexts(state.MonthIds(from, to)), " AND ", BetweenDays(from, to));
    for (const Filter& filter : filters_) {
      const std::string condition = Condition(filter);
      if (!condition.empty()) absl::StrAppend(&sql, " AND ", condition);
    }
    if (kind_ == NodeKind::kTotal) absl::StrAppend(&sql, " AND node = ''");
    return absl::StrCat(sql, " GROUP BY ", groups, " LIMIT ", kMaxRollups + 1);
  }

  absl::Status Add(const std::vector<std::string>& row) {
    if (++rows_ > kMaxRollups) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the answer has more than ", kMaxRollups,
                       " groups (kMaxRollups): ask for fewer days or dimensions"));
    }
    const size_t at = group_by_.size();
    std::vector<std::string> keys(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(at));
    if (by_entity_) {
      const std::string& entity = row[at + 2];
      const auto [known, added] = ancestries_.try_emplace(entity);
      if (added) known->second = graph_.Of(entity);
      if (!PassesCatalog(filters_, known->second, entity)) return absl::OkStatus();
      for (size_t i = 0; i < at; ++i) {
        if (!NodeKindOf(group_by_[i]).has_value()) continue;
        keys[i] = ValuesOf(known->second, entity, group_by_[i])[0];
      }
    }
    Measures sums;
    PURSER_RETURN_IF_ERROR(ReadSums(row, at + 3, sums));
    if (!currency_.empty()) {
      PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row[at + 1]));
      return per_day_[{std::move(keys), row[at], day}].Add(sums);
    }
    return sums_[{std::move(keys), row[at]}].Add(sums);
  }

  absl::StatusOr<std::vector<Group>> Finish(const Rates* rates) {
    Unconverted unconverted;
    // A day's sum is converted as a whole, however many entities it came from.
    for (const auto& [key, sum] : per_day_) {
      const auto& [keys, from, day] = key;
      const absl::StatusOr<Measures> converted = ConvertMeasures(*rates, sum, from, currency_, day);
      if (!converted.ok()) {
        unconverted.Note(day, from, converted.status());
        continue;
      }
      PURSER_RETURN_IF_ERROR(sums_[std::make_pair(keys, currency_)].Add(*converted));
    }
    PURSER_RETURN_IF_ERROR(unconverted.status());
    std::vector<Group> groups;
    groups.reserve(sums_.size());
    for (const auto& [key, sums] : sums_) groups.push_back({key.first, key.second, sums});
    return groups;
  }

 private:
  void Use(Dimension dimension, std::set<Dimension>& used) {
    if (NodeKindOf(dimension).has_value()) {
      used.insert(dimension);
    } else if (!IsDays(dimension)) {
      daily_ = false;
    }
  }

  // "" for what is looked at entity by entity.
  std::string Condition(const Filter& filter) const {
    std::vector<std::string> values = filter.values;
    const std::optional<NodeKind> kind = NodeKindOf(filter.dimension);
    if (!kind.has_value()) {
      return absl::StrCat(ColumnOf(filter.dimension), " IN ", ClickHouseTexts(values));
    }
    if (by_entity_) return "";
    if (*kind != NodeKind::kProduct && *kind != NodeKind::kEnvironment) {
      for (std::string& value : values) absl::AsciiStrToLower(&value);
    }
    return absl::StrCat("node IN ", ClickHouseTexts(values));
  }

  const EntityGraph& graph_;
  const std::vector<Dimension>& group_by_;
  const std::vector<Filter>& filters_;
  const std::string& currency_;
  NodeKind kind_ = NodeKind::kTotal;
  bool by_entity_ = false;
  bool daily_ = true;  // nothing is asked that only the parts of days know
  size_t rows_ = 0;
  std::map<std::string, Ancestry> ancestries_;
  std::map<std::pair<std::vector<std::string>, std::string>, Measures> sums_;
  std::map<std::tuple<std::vector<std::string>, std::string, absl::CivilDay>, Measures>
      per_day_;  // to be converted
};

}  // namespace

absl::StatusOr<std::vector<Group>> ClickHouseReader::SumGroups(
    absl::CivilDay from, absl::CivilDay to, const std::vector<Dimension>& group_by,
    const std::vector<Filter>& filters, const std::string& currency) const {
  PURSER_RETURN_IF_ERROR(CheckSums(group_by, currency, rates_));
  Summing summing(graph_, group_by, filters, currency);
  PURSER_RETURN_IF_ERROR(summing.Choose());
  PURSER_RETURN_IF_ERROR(
      client_.Select(summing.Sql(client_, state_, from, to),
                     [&](const std::vector<std::string>& row) { return summing.Add(row); }));
  return summing.Finish(rates_);
}

}  // namespace purser::costs
