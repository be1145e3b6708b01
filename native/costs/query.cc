#include "costs/query.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "costs/page_token.h"
#include "costs/rollups.h"
#include "costs/split.h"

namespace purser::costs {
namespace {

bool RowLess(const CostRow& a, const CostRow& b) {
  return std::tie(a.keys, a.currency) < std::tie(b.keys, b.currency);
}

std::vector<CostRow> ToRows(std::vector<Group> groups) {
  std::vector<CostRow> rows;
  rows.reserve(groups.size());
  for (Group& group : groups) rows.push_back(ToRow(std::move(group)));
  return rows;
}

base::Decimal MeasureOf(const CostRow& row, Measure measure) {
  return Measures{row.billed, row.effective, row.list, row.contracted, row.charges}.Of(measure);
}

// The request without its page.
std::string QuestionOf(const QueryRequest& request) {
  std::string text = absl::StrCat(DayText(request.from), " ", DayText(request.to));
  for (const Dimension dimension : request.group_by) {
    absl::StrAppend(&text, " ", DimensionName(dimension));
  }
  return absl::StrCat(text, TextOf(request.filters), "\n", request.currency);
}

std::string MakeToken(const QueryRequest& request, const CostRow& last) {
  std::vector<std::string> position = last.keys;
  position.push_back(last.currency);
  return MakePageToken(QuestionOf(request), position);
}

// The row the page before ended with.
absl::StatusOr<CostRow> ReadToken(const QueryRequest& request) {
  CostRow row;
  PURSER_ASSIGN_OR_RETURN(row.keys, ReadPageToken(request.page_token, QuestionOf(request),
                                                  request.group_by.size() + 1));
  row.currency = std::move(row.keys.back());
  row.keys.pop_back();
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

// Largest first; equal ones by name.
void SortByMeasure(std::vector<CostRow>& rows, Measure measure) {
  std::sort(rows.begin(), rows.end(), [&](const CostRow& a, const CostRow& b) {
    if (a.currency != b.currency) return a.currency < b.currency;
    const base::Decimal left = MeasureOf(a, measure), right = MeasureOf(b, measure);
    return left != right ? left > right : a.keys < b.keys;
  });
}

// The first `limit` of each currency, and the sums of all and of the others.
absl::StatusOr<TopResult> Cut(std::vector<CostRow> rows, const TopRequest& request) {
  TopResult result;
  SortByMeasure(rows, request.measure);
  int taken = 0;
  for (CostRow& row : rows) {
    if (result.total.empty() || result.total.back().currency != row.currency) {
      result.total.push_back({{}, row.currency});
      result.rest.push_back({{}, row.currency});
      taken = 0;
    }
    PURSER_RETURN_IF_ERROR(AddTo(result.total.back(), row));
    if (++taken <= request.limit) {
      result.rows.push_back(std::move(row));
    } else {
      PURSER_RETURN_IF_ERROR(AddTo(result.rest.back(), row));
    }
  }
  return result;
}

}  // namespace

CostRow ToRow(Group group) {
  return {std::move(group.keys), std::move(group.currency), group.sums.billed,
          group.sums.effective,  group.sums.charges,        group.sums.list,
          group.sums.contracted};
}

absl::Status AddTo(CostRow& row, const CostRow& more) {
  Measures sum{row.billed, row.effective, row.list, row.contracted, row.charges};
  PURSER_RETURN_IF_ERROR(
      sum.Add({more.billed, more.effective, more.list, more.contracted, more.charges}));
  row.billed = sum.billed;
  row.effective = sum.effective;
  row.list = sum.list;
  row.contracted = sum.contracted;
  row.charges = sum.charges;
  return absl::OkStatus();
}

std::vector<AllocatedPart> ToParts(
    const std::map<std::pair<std::string, std::string>, PartSums>& parts) {
  std::vector<AllocatedPart> result;
  for (const auto& [key, part_sums] : parts) {
    AllocatedPart part{key.first,
                       key.second,
                       part_sums.sums.billed,
                       part_sums.sums.effective,
                       "",
                       static_cast<int64_t>(part_sums.resources.size())};
    base::Decimal largest;
    for (const auto& [id, billed] : part_sums.resources) {
      if (part.resource_id.empty() || billed > largest) {
        part.resource_id = id;
        largest = billed;
      }
    }
    result.push_back(std::move(part));
  }
  std::stable_sort(
      result.begin(), result.end(),
      [](const AllocatedPart& a, const AllocatedPart& b) { return a.billed > b.billed; });
  return result;
}

absl::Status Balance(ReconciledInvoice& invoice) {
  invoice.difference = invoice.billed;
  for (const base::Decimal part : {invoice.entities, invoice.shared, invoice.unallocated}) {
    if (base::Decimal::Subtract(invoice.difference, part, &invoice.difference)) continue;
    return absl::OutOfRangeError("a sum of an invoice does not fit");
  }
  invoice.coverage = Percent(invoice.entities, invoice.billed);
  return absl::OkStatus();
}

absl::StatusOr<Measures> ConvertMeasures(const Rates& rates, const Measures& sums,
                                         const std::string& from, const std::string& to,
                                         absl::CivilDay day) {
  Measures converted;
  converted.charges = sums.charges;
  const std::pair<base::Decimal, base::Decimal*> amounts[] = {
      {sums.billed, &converted.billed},
      {sums.effective, &converted.effective},
      {sums.list, &converted.list},
      {sums.contracted, &converted.contracted}};
  for (const auto& [amount, out] : amounts) {
    PURSER_ASSIGN_OR_RETURN(*out, rates.Convert(amount, from, to, day));
  }
  return converted;
}

absl::Status CheckSums(const std::vector<Dimension>& group_by, const std::string& currency,
                       const Rates* rates) {
  if (group_by.size() > kMaxGroupBy) {
    return absl::InvalidArgumentError(
        absl::StrCat("grouped by more than ", kMaxGroupBy, " dimensions (kMaxGroupBy)"));
  }
  if (!currency.empty() && rates == nullptr) {
    return absl::FailedPreconditionError("there are no exchange rates: name a file in costs.rates");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CostRow>> RunSums(const CostReader& reader,
                                             const QueryRequest& request) {
  PURSER_RETURN_IF_ERROR(CheckRequest(request));
  PURSER_ASSIGN_OR_RETURN(std::vector<Group> groups,
                          reader.SumGroups(request.from, request.to, request.group_by,
                                           request.filters, request.currency));
  return ToRows(std::move(groups));
}

absl::StatusOr<QueryPage> RunQuery(const CostReader& reader, const QueryRequest& request) {
  PURSER_RETURN_IF_ERROR(CheckRequest(request));
  std::optional<CostRow> after;
  if (!request.page_token.empty()) {
    PURSER_ASSIGN_OR_RETURN(after, ReadToken(request));
  }
  PURSER_ASSIGN_OR_RETURN(std::vector<CostRow> rows, RunSums(reader, request));
  auto first = rows.begin();
  if (after.has_value()) first = std::upper_bound(rows.begin(), rows.end(), *after, RowLess);
  const size_t size = request.page_size == 0 ? kDefaultPageSize : request.page_size;
  const size_t rest = rows.end() - first;
  QueryPage page;
  page.rows.assign(std::make_move_iterator(first),
                   std::make_move_iterator(first + std::min(size, rest)));
  if (rest > size) page.next_page_token = MakeToken(request, page.rows.back());
  return page;
}

absl::StatusOr<TopResult> RunTop(const CostReader& reader, const TopRequest& request) {
  if (request.limit < 1 || request.limit > kMaxTop) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit ", request.limit, " is not 1 to ", kMaxTop));
  }
  const QueryRequest checked{.from = request.from,
                             .to = request.to,
                             .group_by = {request.dimension},
                             .filters = request.filters,
                             .currency = request.currency};
  PURSER_RETURN_IF_ERROR(CheckRequest(checked));
  const std::optional<NodeKind> kind = NodeKindOf(request.dimension);
  const bool ranked =
      kind.has_value() && request.filters.empty() && request.currency.empty() &&
      (request.measure == Measure::kBilled || request.measure == Measure::kEffective);
  if (ranked) return reader.TopNodes(*kind, request);
  PURSER_ASSIGN_OR_RETURN(std::vector<Group> groups,
                          reader.SumGroups(request.from, request.to, {request.dimension},
                                           request.filters, request.currency));
  return Cut(ToRows(std::move(groups)), request);
}

absl::StatusOr<std::vector<ComparedRow>> RunCompare(const CostReader& reader,
                                                    const CompareRequest& request) {
  const auto groups = [&](absl::CivilDay from, absl::CivilDay to) {
    return reader.SumGroups(from, to, {request.dimension}, request.filters, request.currency);
  };
  if (request.to < request.from || request.before_to < request.before_from) {
    return absl::InvalidArgumentError("a range's last day is before its first");
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<Group> before,
                          groups(request.before_from, request.before_to));
  PURSER_ASSIGN_OR_RETURN(const std::vector<Group> after, groups(request.from, request.to));
  std::map<std::pair<std::string, std::string>, ComparedRow> rows;
  for (const Group& group : before) {
    rows[{group.currency, group.keys[0]}].before = group.sums.billed;
  }
  for (const Group& group : after) {
    rows[{group.currency, group.keys[0]}].after = group.sums.billed;
  }
  std::vector<ComparedRow> result;
  for (auto& [key, row] : rows) {
    row.currency = key.first;
    row.key = key.second;
    if (!base::Decimal::Subtract(row.after, row.before, &row.change)) {
      return absl::OutOfRangeError("a change of costs does not fit");
    }
    // Of its size: what falls is below zero, also from a credit to a larger one.
    const base::Decimal size = row.before.IsNegative() ? -row.before : row.before;
    if (!size.IsZero()) row.change_percent = Percent(row.change, size);
    result.push_back(std::move(row));
  }
  std::stable_sort(result.begin(), result.end(), [](const ComparedRow& a, const ComparedRow& b) {
    if (a.currency != b.currency) return a.currency < b.currency;
    const base::Decimal left = a.change.IsNegative() ? -a.change : a.change;
    const base::Decimal right = b.change.IsNegative() ? -b.change : b.change;
    return left > right;
  });
  return result;
}

absl::StatusOr<EntityCostSummary> Summarise(const CostReader& reader,
                                            const EntitySummaryRequest& request) {
  if (request.days < 0 || request.days > kMaxSummaryDays) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.days, " days: 1 to ", kMaxSummaryDays, " are possible"));
  }
  EntityCostSummary summary;
  if (request.entity_ref == kUnallocated || absl::StartsWith(request.entity_ref, kSharedPrefix) ||
      absl::StartsWith(request.entity_ref, kIdlePrefix)) {
    summary.entity_ref = request.entity_ref;
  } else {
    PURSER_ASSIGN_OR_RETURN(const catalog::EntityRef ref,
                            catalog::EntityRef::Parse(request.entity_ref));
    summary.entity_ref = ref.ToString();
  }
  PURSER_ASSIGN_OR_RETURN(summary.sources, reader.SourcesOf(summary.entity_ref));
  summary.to = request.as_of;
  if (!summary.to.has_value()) {
    summary.to_is_last_day_with_data = true;
    for (const SourceFreshness& source : summary.sources) {
      summary.to = std::max(summary.to.value_or(source.last_day), source.last_day);
    }
    if (!summary.to.has_value()) {
      PURSER_ASSIGN_OR_RETURN(summary.to, reader.LastDay());
      if (!summary.to.has_value()) {
        summary.to_is_last_day_with_data = false;
        return summary;
      }
    }
  }
  summary.from = *summary.to - (request.days == 0 ? 30 : request.days) + 1;
  const std::vector<Filter> filters = {{Dimension::kEntity, {summary.entity_ref}}};
  std::map<std::string, EntityCosts> by_currency;
  PURSER_ASSIGN_OR_RETURN(
      std::vector<Group> days,
      reader.SumGroups(*summary.from, *summary.to, {Dimension::kDay}, filters, ""));
  for (CostRow& row : ToRows(std::move(days))) {
    EntityCosts& costs = by_currency[row.currency];
    CostRow total;
    total.billed = costs.billed;
    total.effective = costs.effective;
    PURSER_RETURN_IF_ERROR(AddTo(total, row));
    costs.billed = total.billed;
    costs.effective = total.effective;
    costs.by_day.push_back(std::move(row));
  }
  PURSER_ASSIGN_OR_RETURN(
      std::vector<Group> services,
      reader.SumGroups(*summary.from, *summary.to, {Dimension::kService}, filters, ""));
  for (CostRow& row : ToRows(std::move(services))) {
    by_currency[row.currency].by_service.push_back(std::move(row));
  }
  for (auto& [currency, costs] : by_currency) {
    costs.currency = currency;
    SortByMeasure(costs.by_service, Measure::kBilled);
    summary.costs.push_back(std::move(costs));
  }
  return summary;
}

}  // namespace purser::costs
