// `purser costs top|compare|reconcile|explain|budgets|forecast|anomalies|statement|estimate`.
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "costs/allocation.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_scanner.h"
#include "costs/service.h"
#include "purser/v1/costs.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::CostService;

absl::Status AddFilters(const Args& args,
                        google::protobuf::RepeatedPtrField<purser::v1::CostFilter>* filters) {
  for (const std::string& text : args.All("filter")) {
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (parts.size() != 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("--filter ", text, ": must be DIMENSION=VALUE[,VALUE]…"));
    }
    purser::v1::CostFilter& filter = *filters->Add();
    filter.set_dimension(parts[0]);
    for (absl::string_view value : absl::StrSplit(parts[1], ',')) {
      filter.add_values(std::string(value));
    }
  }
  return absl::OkStatus();
}

absl::Status NeedDays(const Args& args) {
  if (args.Has("from") && args.Has("to")) return absl::OkStatus();
  return absl::InvalidArgumentError("--from and --to are needed, days like 2026-11-20");
}

std::vector<std::string> TopCells(const purser::v1::CostRow& row, absl::string_view name) {
  return {row.keys_size() > 0 ? row.keys(0) : std::string(name), row.currency(), row.billed_cost(),
          row.effective_cost()};
}

absl::StatusOr<int> Top(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "costs top DIMENSION --from DAY --to DAY"));
  PURSER_RETURN_IF_ERROR(NeedDays(args));
  purser::v1::TopCostsRequest request;
  request.set_dimension(args.words()[0]);
  request.set_from_day(args.Get("from"));
  request.set_to_day(args.Get("to"));
  request.set_measure(args.Get("measure"));
  request.set_currency(args.Get("currency"));
  PURSER_ASSIGN_OR_RETURN(const int64_t limit, args.Int("limit", 20, 1, costs::kMaxTop));
  request.set_limit(static_cast<int32_t>(limit));
  PURSER_RETURN_IF_ERROR(AddFilters(args, request.mutable_filters()));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::TopCostsResponse response,
                          CallUnary(args, &CostService::Stub::TopCosts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : response.rows()) rows.push_back(TopCells(row, ""));
  for (const auto& row : response.rest()) rows.push_back(TopCells(row, "(rest)"));
  for (const auto& row : response.total()) rows.push_back(TopCells(row, "(total)"));
  PrintTable({"VALUE", "CURRENCY", "BILLED", "EFFECTIVE"}, rows);
  return kOk;
}

absl::StatusOr<int> Compare(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "costs compare DIMENSION --from DAY --to DAY"));
  PURSER_RETURN_IF_ERROR(NeedDays(args));
  purser::v1::CompareCostsRequest request;
  request.set_dimension(args.words()[0]);
  request.set_from_day(args.Get("from"));
  request.set_to_day(args.Get("to"));
  request.set_currency(args.Get("currency"));
  PURSER_RETURN_IF_ERROR(AddFilters(args, request.mutable_filters()));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::CompareCostsResponse response,
                          CallUnary(args, &CostService::Stub::CompareCosts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : response.rows()) {
    rows.push_back({row.key(), row.currency(), row.before(), row.after(), row.change(),
                    absl::StrCat(row.change_percent(), " %")});
  }
  PrintTable({"VALUE", "CURRENCY", "BEFORE", "AFTER", "CHANGE", "PERCENT"}, rows);
  return kOk;
}

absl::StatusOr<int> Reconcile(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs reconcile --from DAY --to DAY"));
  PURSER_RETURN_IF_ERROR(NeedDays(args));
  purser::v1::ReconcileCostsRequest request;
  request.set_from_day(args.Get("from"));
  request.set_to_day(args.Get("to"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ReconcileCostsResponse response,
                          CallUnary(args, &CostService::Stub::ReconcileCosts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& i : response.invoices()) {
    rows.push_back({i.source(), i.billing_period(), i.invoice(), i.currency(), i.billed(),
                    i.entities(), i.shared(), i.unallocated(), i.difference(),
                    absl::StrCat(i.coverage_percent(), " %")});
  }
  PrintTable({"SOURCE", "PERIOD", "INVOICE", "CURRENCY", "BILLED", "ENTITIES", "SHARED",
              "UNALLOCATED", "DIFFERENCE", "COVERAGE"},
             rows);
  return kOk;
}

class NothingRecorded final : public costs::ResourceIndex {
 public:
  absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view) override {
    return std::nullopt;
  }
};

// The columns of one row of a CSV file.
absl::StatusOr<std::map<std::string, std::string>> RowOf(const std::string& path, int64_t number) {
  PURSER_ASSIGN_OR_RETURN(const auto file, costs::FileSource::Open(path, nullptr));
  PURSER_ASSIGN_OR_RETURN(const auto bytes, costs::Unpacked(*file, path));
  costs::CsvScanner scanner(*bytes, path);
  std::vector<std::string> header;
  for (int64_t row = 0;; ++row) {
    PURSER_ASSIGN_OR_RETURN(const costs::CsvRecord* record, scanner.Next());
    if (record == nullptr) {
      return absl::NotFoundError(absl::StrCat(path, " has no row ", number));
    }
    if (row == 0) {
      for (const costs::CsvField& field : record->fields) header.emplace_back(field.text);
      continue;
    }
    if (row != number) continue;
    std::map<std::string, std::string> columns;
    for (size_t i = 0; i < record->fields.size() && i < header.size(); ++i) {
      const costs::CsvField& field = record->fields[i];
      if (field.text.empty() || (!field.quoted && field.text == "NULL")) continue;
      columns[header[i]] = std::string(field.text);
    }
    return columns;
  }
}

absl::StatusOr<std::map<std::string, std::string>> ColumnsFrom(const Args& args) {
  std::map<std::string, std::string> columns;
  if (args.words().size() == 1) {
    PURSER_ASSIGN_OR_RETURN(const int64_t row, args.Int("row", 1, 1, INT64_MAX));
    return RowOf(args.words()[0], row);
  }
  for (const std::string& text : args.All("column")) {
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (parts.size() != 2) {
      return absl::InvalidArgumentError(absl::StrCat("--column ", text, ": must be NAME=VALUE"));
    }
    columns[parts[0]] = parts[1];
  }
  return columns;
}

absl::StatusOr<int> ExplainCommand(const Args& args) {
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(0, 1, "costs explain [FILE --row N] [--column NAME=VALUE]… [--rules FILE]"));
  purser::v1::ExplainCostsResponse response;
  if (args.Has("entity")) {
    purser::v1::ExplainCostsRequest request;
    request.set_entity_ref(args.Get("entity"));
    request.set_month(args.Get("month"));
    PURSER_ASSIGN_OR_RETURN(response, CallUnary(args, &CostService::Stub::ExplainCosts, request));
  } else {
    PURSER_ASSIGN_OR_RETURN(const auto columns, ColumnsFrom(args));
    if (args.Has("rules")) {
      // Without purserd: rules can be tried before they are put in force.
      PURSER_ASSIGN_OR_RETURN(const auto rules, costs::Allocation::Load(args.Get("rules")));
      NothingRecorded nothing;
      PURSER_ASSIGN_OR_RETURN(const costs::Explanation explanation,
                              costs::ExplainCharge(*rules, nothing, {columns}));
      response.set_entity_ref(explanation.decision.entity_ref);
      response.set_rule(explanation.decision.rule);
      for (const costs::RuleTrace& trace : explanation.rules) {
        purser::v1::CostRuleTrace& out = *response.add_rules();
        out.set_rule(trace.rule);
        out.set_matched(trace.matched);
        out.set_why(trace.why);
      }
    } else {
      purser::v1::ExplainCostsRequest request;
      for (const auto& [column, value] : columns) (*request.mutable_columns())[column] = value;
      PURSER_ASSIGN_OR_RETURN(response, CallUnary(args, &CostService::Stub::ExplainCosts, request));
    }
  }
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  if (args.Has("entity")) {
    for (const auto& part : response.parts()) {
      rows.push_back({part.rule(), part.currency(), part.billed_cost(), part.effective_cost(),
                      absl::StrCat(part.subjects()), part.resource_id()});
    }
    PrintTable({"RULE", "CURRENCY", "BILLED", "EFFECTIVE", "RESOURCES", "LARGEST"}, rows);
    return kOk;
  }
  for (const auto& rule : response.rules()) {
    rows.push_back({rule.rule(), rule.matched() ? "yes" : "no", rule.why()});
  }
  PrintTable({"RULE", "TAKES IT", "WHY"}, rows);
  std::cout << base::EscapeForDisplay(response.entity_ref(), 400) << "\n";
  return kOk;
}

absl::StatusOr<int> Budgets(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs budgets [--of REF] [--as-of DAY]"));
  purser::v1::ListBudgetsRequest request;
  request.set_of(args.Get("of"));
  request.set_as_of(args.Get("as-of"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ListBudgetsResponse response,
                          CallUnary(args, &CostService::Stub::ListBudgets, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& b : response.budgets()) {
    rows.push_back({b.name(), b.of(), absl::StrCat(b.from_day(), " ", b.period()), b.currency(),
                    b.amount(), b.spent(), absl::StrCat(b.spent_percent(), " %"), b.forecast()});
  }
  PrintTable({"NAME", "OF", "PERIOD", "CURRENCY", "AMOUNT", "SPENT", "PERCENT", "FORECAST"}, rows);
  return kOk;
}

absl::StatusOr<int> ForecastCommand(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs forecast [--filter …] [--days N]"));
  purser::v1::ForecastCostsRequest request;
  PURSER_RETURN_IF_ERROR(AddFilters(args, request.mutable_filters()));
  PURSER_ASSIGN_OR_RETURN(const int64_t days, args.Int("days", 30, 1, 400));
  request.set_days(static_cast<int32_t>(days));
  request.set_measure(args.Get("measure"));
  request.set_currency(args.Get("currency"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ForecastCostsResponse response,
                          CallUnary(args, &CostService::Stub::ForecastCosts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  for (const auto& forecast : response.forecasts()) {
    std::cout << forecast.currency() << " by " << forecast.method() << ", mean error "
              << absl::StrFormat("%.1f", forecast.error_percent()) << " % (the other "
              << absl::StrFormat("%.1f", forecast.other_error_percent()) << " %), altogether "
              << forecast.total() << "\n";
    std::vector<std::vector<std::string>> rows;
    for (const auto& day : forecast.days()) {
      rows.push_back({day.day(), day.expected(), day.low(), day.high()});
    }
    PrintTable({"DAY", "EXPECTED", "LOW", "HIGH"}, rows);
  }
  return kOk;
}

absl::StatusOr<int> Anomalies(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs anomalies [--day DAY]"));
  purser::v1::ListAnomaliesRequest request;
  request.set_day(args.Get("day"));
  request.set_dimension(args.Get("dimension"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ListAnomaliesResponse response,
                          CallUnary(args, &CostService::Stub::ListAnomalies, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& a : response.anomalies()) {
    rows.push_back({a.day(), a.of(), a.owner(), a.currency(), a.cost(), a.expected(),
                    a.difference(), absl::StrCat(a.service(), " ", a.sku(), " ", a.region())});
  }
  PrintTable({"DAY", "OF", "OWNER", "CURRENCY", "COST", "EXPECTED", "DIFFERENCE", "CAUSE"}, rows);
  return kOk;
}

absl::StatusOr<int> StatementCommand(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "costs statement OWNER --from DAY --to DAY"));
  PURSER_RETURN_IF_ERROR(NeedDays(args));
  purser::v1::GetCostStatementRequest request;
  request.set_owner(args.words()[0]);
  request.set_from_day(args.Get("from"));
  request.set_to_day(args.Get("to"));
  request.set_currency(args.Get("currency"));
  request.set_format(args.Has("json") ? "json" : args.Get("format", "csv"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::GetCostStatementResponse response,
                          CallUnary(args, &CostService::Stub::GetCostStatement, request));
  if (args.Has("out")) {
    std::ofstream file(args.Get("out"), std::ios::binary | std::ios::trunc);
    file << response.text();
    file.close();
    if (!file) return absl::UnavailableError(absl::StrCat(args.Get("out"), " cannot be written"));
    return kOk;
  }
  std::cout << response.text();
  return kOk;
}

absl::StatusOr<int> EstimateCommand(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "costs estimate PRODUCT [--parameters JSON]"));
  purser::v1::EstimateCostsRequest request;
  request.set_product(args.words()[0]);
  request.set_parameters_json(args.Get("parameters"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::EstimateCostsResponse response,
                          CallUnary(args, &CostService::Stub::EstimateCosts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : response.lines()) {
    rows.push_back({line.what(), response.currency(), line.monthly()});
  }
  if (!response.currency().empty()) {
    rows.push_back({"(a month)", response.currency(), response.monthly()});
  }
  for (const auto& seen : response.observed()) {
    rows.push_back({absl::StrCat("(median of ", seen.entities(), " like it)"), seen.currency(),
                    seen.median_monthly()});
  }
  PrintTable({"WHAT", "CURRENCY", "MONTHLY"}, rows);
  return kOk;
}

}  // namespace

std::vector<Entry> CostMeaningCommands() {
  const Option from{"from", "DAY", "first day"};
  const Option to{"to", "DAY", "last day, inclusive"};
  const Option currency{"currency", "CODE", "convert everything to this currency"};
  const Option measure{"measure", "NAME", "billed (default), effective, list or contracted"};
  const Option filter{"filter", "DIMENSION=VALUE", "values joined by ','; may be repeated", true};
  return {
      {{"costs top", "DIMENSION", "the largest of a dimension, with the rest",
        WithConnection(
            {from, to, measure, {"limit", "N", "how many (default 20)"}, filter, currency})},
       Printing(Top)},
      {{"costs compare", "DIMENSION", "the days and as many before them side by side",
        WithConnection({from, to, filter, currency})},
       Printing(Compare)},
      {{"costs reconcile", "", "invoices: what was billed and where it went",
        WithConnection({from, to})},
       Printing(Reconcile)},
      {{"costs explain", "[FILE]", "which rule takes a charge and why, or an entity's cost by rule",
        WithConnection(
            {{"row", "N", "of FILE, from 1 (default 1)"},
             {"column", "NAME=VALUE", "of a charge; Tags as JSON; may be repeated", true},
             {"rules", "FILE", "try these rules, without purserd"},
             {"entity", "REF", "explain what this entity cost"},
             {"month", "MONTH", "with --entity, like 2026-11"}})},
       Printing(ExplainCommand)},
      {{"costs budgets", "", "budgets and how far they are spent",
        WithConnection({{"of", "REF", "only those of this entity, group, product …"},
                        {"as-of", "DAY", "whose periods (default: the last day with data)"}})},
       Printing(Budgets)},
      {{"costs forecast", "", "what is expected of the days ahead",
        WithConnection({filter, measure, {"days", "N", "how many (default 30)"}, currency})},
       Printing(ForecastCommand)},
      {{"costs anomalies", "", "what is unlike the days before",
        WithConnection({{"day", "DAY", "which (default: the last one with data)"},
                        {"dimension", "NAME", "entity (default), owner, group, system, …"}})},
       Printing(Anomalies)},
      {{"costs statement", "OWNER", "what an owner is shown or charged for a period",
        WithConnection({from,
                        to,
                        currency,
                        {"format", "NAME", "csv (default), json or html"},
                        {"out", "FILE", "write it there"}})},
       Printing(StatementCommand)},
      {{"costs estimate", "PRODUCT", "what a product will cost a month",
        WithConnection({{"parameters", "JSON", "the parameters of a request"}})},
       Printing(EstimateCommand)},
  };
}

}  // namespace purser::cli
