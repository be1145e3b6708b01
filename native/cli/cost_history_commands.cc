// `purser costs sources|fetch|deliveries|diff|alerts`.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/cost_options.h"
#include "cli/output.h"
#include "purser/v1/costs.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::CostService;

// As reading a file: a large delivery takes minutes.
constexpr absl::Duration kFetchDeadline = absl::Hours(2);

std::string TotalsText(const purser::v1::CostDelivery& delivery) {
  std::string text;
  for (const purser::v1::IngestTotal& total : delivery.totals()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", total.billed_cost(), " ", total.currency());
  }
  return text;
}

absl::StatusOr<int> Deliveries(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs deliveries [--source NAME]"));
  purser::v1::ListCostDeliveriesRequest request;
  request.set_source(args.Get("source"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ListCostDeliveriesResponse response,
                          CallUnary(args, &CostService::Stub::ListCostDeliveries, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::CostDelivery& delivery : response.deliveries()) {
    rows.push_back({absl::StrCat(delivery.id()), delivery.source(), delivery.billing_period(),
                    delivery.at(), absl::StrCat(delivery.rows()), TotalsText(delivery),
                    delivery.current()      ? "current"
                    : delivery.comparable() ? "replaced"
                                            : ""});
  }
  PrintTable({"ID", "SOURCE", "PERIOD", "STORED", "ROWS", "BILLED", "STATE"}, rows);
  return kOk;
}

absl::StatusOr<int> Diff(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs diff --source NAME --month 2026-11"));
  if (!args.Has("source")) return UsageError("--source is needed: the name of the bill");
  purser::v1::DiffCostsRequest request;
  request.set_source(args.Get("source"));
  PURSER_ASSIGN_OR_RETURN(const std::string month, NeedMonth(args));
  request.set_billing_period(absl::StrCat(month, "-01"));
  PURSER_ASSIGN_OR_RETURN(const int64_t before, args.Int("before", 0, 0, INT64_MAX));
  PURSER_ASSIGN_OR_RETURN(const int64_t after, args.Int("after", 0, 0, INT64_MAX));
  request.set_before(before);
  request.set_after(after);
  std::vector<std::string> group_by = args.All("group-by");
  if (group_by.empty()) group_by = {"service", "account", "charge_category"};
  for (const std::string& name : group_by) request.add_group_by(name);
  PURSER_ASSIGN_OR_RETURN(const purser::v1::DiffCostsResponse response,
                          CallUnary(args, &CostService::Stub::DiffCosts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  for (const auto* delivery : {&response.before(), &response.after()}) {
    std::cout << (delivery == &response.before() ? "before: " : "after:  ") << "delivery "
              << delivery->id() << ", " << delivery->at() << ", " << delivery->rows() << " rows, "
              << TotalsText(*delivery) << "\n";
  }
  std::vector<std::string> header;
  for (const std::string& name : group_by) header.push_back(absl::AsciiStrToUpper(name));
  for (const char* name : {"CURRENCY", "BILLED", "EFFECTIVE", "CHARGES"}) header.push_back(name);
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::CostChange& change : response.changes()) {
    std::vector<std::string> cells(change.keys().begin(), change.keys().end());
    cells.insert(cells.end(), {change.currency(), change.billed(), change.effective(),
                               absl::StrCat(change.charges())});
    rows.push_back(std::move(cells));
  }
  if (rows.empty()) std::cout << "nothing changed\n";
  if (!rows.empty()) PrintTable(header, rows);
  return kOk;
}

std::vector<std::vector<std::string>> SourceRows(const purser::v1::CostSource& source) {
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::FetchedDelivery& delivery : source.deliveries()) {
    rows.push_back({source.name(), delivery.name(), delivery.result(),
                    absl::StrCat(delivery.rows()), delivery.at(),
                    base::EscapeForDisplay(delivery.detail(), 300)});
  }
  if (!source.failure().empty() || rows.empty()) {
    rows.push_back({source.name(), "", source.failure().empty() ? "" : "failed", "",
                    source.looked_at(), base::EscapeForDisplay(source.failure(), 300)});
  }
  return rows;
}

void PrintSources(const std::vector<std::vector<std::string>>& rows) {
  PrintTable({"SOURCE", "DELIVERY", "RESULT", "ROWS", "AT", "WHY"}, rows);
}

absl::StatusOr<int> Sources(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs sources"));
  PURSER_ASSIGN_OR_RETURN(
      const purser::v1::ListCostSourcesResponse response,
      CallUnary(args, &CostService::Stub::ListCostSources, purser::v1::ListCostSourcesRequest()));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::CostSource& source : response.sources()) {
    for (std::vector<std::string>& row : SourceRows(source)) rows.push_back(std::move(row));
  }
  PrintSources(rows);
  return kOk;
}

absl::StatusOr<int> Fetch(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "costs fetch SOURCE [--force]"));
  purser::v1::FetchCostsRequest request;
  request.set_source(args.words()[0]);
  request.set_force(args.Has("force"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::FetchCostsResponse response,
                          CallUnary(args, &CostService::Stub::FetchCosts, request, kFetchDeadline));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
  } else {
    PrintSources(SourceRows(response.source()));
  }
  return kOk;
}

absl::StatusOr<int> Alerts(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs alerts [--after N]"));
  PURSER_ASSIGN_OR_RETURN(const int64_t after, args.Int("after", 0, 0, INT64_MAX));
  purser::v1::ListCostAlertsRequest request;
  request.set_after_sequence(after);
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ListCostAlertsResponse response,
                          CallUnary(args, &CostService::Stub::ListCostAlerts, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::CostAlert& alert : response.alerts()) {
    rows.push_back(
        {absl::StrCat(alert.sequence()), alert.at(), alert.kind(), alert.subject(), alert.scope()});
  }
  PrintTable({"NUMBER", "AT", "KIND", "OF", "WHICH"}, rows);
  return kOk;
}

}  // namespace

std::vector<Entry> CostHistoryCommands() {
  return {
      {{"costs alerts", "", "what owners were told, once each",
        WithConnection({{"after", "N", "only those behind this number"}})},
       Printing(Alerts)},
      {{"costs sources", "", "the sources purserd reads on its own, and what came of it",
        WithConnection({})},
       Printing(Sources)},
      {{"costs fetch", "SOURCE", "look at a source now",
        WithConnection({{"force", "", "also what seems unchanged and what was refused"}})},
       Printing(Fetch)},
      {{"costs deliveries", "", "what was delivered, the latest first",
        WithConnection({{"source", "NAME", "only of this bill"}})},
       Printing(Deliveries)},
      {{"costs diff", "", "what a re-statement of a billing period changed",
        WithConnection({{"source", "NAME", "name of the bill"},
                        {"month", "MONTH", "of the billing period, like 2026-11"},
                        {"before", "ID", "a delivery (default: the one before)"},
                        {"after", "ID", "a delivery (default: the current one)"},
                        {"group-by", "DIMENSION",
                         "day, service, account, charge_category, region, sku, kind or invoice; "
                         "may be repeated",
                         true}})},
       Printing(Diff)},
  };
}

}  // namespace purser::cli
