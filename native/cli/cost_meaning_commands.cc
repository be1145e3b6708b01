// `purser costs top|compare|reconcile|budgets|forecast|anomalies|statement|estimate|units`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/cost_options.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "costs/service.h"
#include "purser/v1/costs.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::CostService;

std::vector<std::string> TopCells(const purser::v1::CostRow& row, absl::string_view name,
                                  const std::string& measure) {
  std::vector<std::string> cells = {row.keys_size() > 0 ? row.keys(0) : std::string(name),
                                    row.currency(), row.billed_cost(), row.effective_cost()};
  if (measure == "list") cells.push_back(row.list_cost());
  if (measure == "contracted") cells.push_back(row.contracted_cost());
  return cells;
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
  const std::string& measure = request.measure();
  for (const auto& row : response.rows()) rows.push_back(TopCells(row, "", measure));
  for (const auto& row : response.rest()) rows.push_back(TopCells(row, "(rest)", measure));
  for (const auto& row : response.total()) rows.push_back(TopCells(row, "(total)", measure));
  std::vector<std::string> header = {"VALUE", "CURRENCY", "BILLED", "EFFECTIVE"};
  if (measure == "list" || measure == "contracted")
    header.push_back(absl::AsciiStrToUpper(measure));
  PrintTable(header, rows);
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
                    row.before() == "0" ? "new" : absl::StrCat(row.change_percent(), " %")});
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
    const std::string percent =
        b.spent_percent().empty() ? "" : absl::StrCat(b.spent_percent(), " %");
    rows.push_back({b.name(), b.of(), absl::StrCat(b.from_day(), " ", b.period()), b.currency(),
                    b.amount(), b.spent(), percent, b.forecast()});
  }
  PrintTable({"NAME", "OF", "PERIOD", "CURRENCY", "AMOUNT", "SPENT", "PERCENT", "FORECAST"}, rows);
  for (const auto& b : response.budgets()) {
    if (b.problem().empty()) continue;
    std::cout << b.name() << ": " << base::EscapeForDisplay(b.problem(), 1000) << "\n";
  }
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
  if (response.forecasts_size() == 0) {
    std::cout << "there is too little history for a forecast: 14 days of costs are needed\n";
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
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(0, 0, "costs anomalies [--day DAY | --from DAY [--to DAY]] [--filter …]"));
  purser::v1::ListAnomaliesRequest request;
  request.set_day(args.Get("day"));
  request.set_from_day(args.Get("from"));
  request.set_to_day(args.Get("to"));
  request.set_of(args.Get("of"));
  request.set_dimension(args.Get("dimension"));
  PURSER_RETURN_IF_ERROR(AddFilters(args, request.mutable_filters()));
  purser::v1::ListAnomaliesResponse all;
  do {
    PURSER_ASSIGN_OR_RETURN(const purser::v1::ListAnomaliesResponse page,
                            CallUnary(args, &CostService::Stub::ListAnomalies, request));
    request.set_page_token(page.next_page_token());
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  all.clear_next_page_token();
  if (args.Has("json")) {
    PrintJson(ToJson(all));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& a : all.anomalies()) {
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
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> output,
                          OutputFile::Open(args.Get("out")));
  output->text() = response.text();
  PURSER_RETURN_IF_ERROR(output->Finish());
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

absl::StatusOr<int> UnitsCommand(const Args& args) {
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(1, 1, "costs units REF --metric NAME --from DAY --to DAY"));
  PURSER_RETURN_IF_ERROR(NeedDays(args));
  if (!args.Has("metric")) {
    return UsageError("--metric is needed: what the cost is divided by");
  }
  purser::v1::GetUnitCostsRequest request;
  request.set_entity_ref(args.words()[0]);
  request.set_metric(args.Get("metric"));
  request.set_from_day(args.Get("from"));
  request.set_to_day(args.Get("to"));
  request.set_currency(args.Get("currency"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::GetUnitCostsResponse response,
                          CallUnary(args, &CostService::Stub::GetUnitCosts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& month : response.months()) {
    rows.push_back(
        {month.month(), month.currency(), month.cost(), month.units(), month.unit_cost()});
  }
  PrintTable({"MONTH", "CURRENCY", "COST", "UNITS", "COST OF ONE"}, rows);
  return kOk;
}

}  // namespace

std::vector<Entry> CostMeaningCommands() {
  const Option from{"from", "DAY", "first day"};
  const Option to{"to", "DAY", "last day, inclusive"};
  const Option currency = CurrencyOption();
  const Option measure{"measure", "NAME", "billed (default), effective, list or contracted"};
  const Option filter = FilterOption();
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
      {{"costs budgets", "", "budgets and how far they are spent",
        WithConnection({{"of", "REF", "only those of this entity, group, product …"},
                        {"as-of", "DAY", "whose periods (default: the last day with data)"}})},
       Printing(Budgets)},
      {{"costs forecast", "", "what is expected of the days ahead",
        WithConnection({filter, measure, {"days", "N", "how many (default 30)"}, currency})},
       Printing(ForecastCommand)},
      {{"costs anomalies", "", "what is unlike the days before",
        WithConnection({{"day", "DAY", "which (default: the last one with data)"},
                        {"from", "DAY", "or several: the first day"},
                        {"to", "DAY", "the last one, inclusive (default: the last one with data)"},
                        {"of", "REF", "only those of this entity, group, product …"},
                        {"dimension", "NAME", "entity (default), owner, group, system, …"},
                        filter})},
       Printing(Anomalies)},
      {{"costs statement", "OWNER", "what an owner is shown or charged for a period",
        WithConnection({from,
                        to,
                        currency,
                        {"format", "NAME", "csv (default), json or html"},
                        {"out", "FILE", "write it there"}})},
       Printing(StatementCommand)},
      {{"costs units", "REF", "what one unit of a business metric costs, by month",
        WithConnection({{"metric", "NAME", "of costs.metrics or a source"}, from, to, currency})},
       Printing(UnitsCommand)},
      {{"costs estimate", "PRODUCT", "what a product will cost a month",
        WithConnection({{"parameters", "JSON", "the parameters of a request"}})},
       Printing(EstimateCommand)},
  };
}

}  // namespace purser::cli
