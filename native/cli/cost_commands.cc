#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/cost_options.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "purser/v1/costs.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::CostService;

// Reading a month of a large bill takes minutes; a person can still interrupt it.
constexpr absl::Duration kIngestDeadline = absl::Hours(2);

// The ingest's result; how far it is meanwhile stands on the terminal.
absl::StatusOr<purser::v1::IngestCostsResponse> StreamIngest(
    const Args& args, const purser::v1::IngestCostsRequest& ingest) {
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  CostService::Stub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(kIngestDeadline));
  purser::v1::StreamIngestRequest request;
  *request.mutable_ingest() = ingest;
  const auto stream = stub.StreamIngest(&context, request);
  purser::v1::IngestCostsResponse result;
  {
    ProgressBar bar(std::cerr, STDERR_FILENO, base::Clock::System());
    purser::v1::StreamIngestResponse event;
    while (stream->Read(&event)) {
      if (event.has_result()) result = std::move(*event.mutable_result());
      if (!event.has_progress()) continue;
      const purser::v1::IngestProgress& progress = event.progress();
      bar.Show(progress.rows(), progress.bytes(), progress.total_bytes());
    }
  }
  PURSER_RETURN_IF_ERROR(Explain(stream->Finish()));
  return result;
}

absl::StatusOr<int> Ingest(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(
      1, 1, "costs ingest FILE --source NAME [--quarantine] [--map COLUMN=NAME]…"));
  if (!args.Has("source")) {
    return UsageError("--source is needed: the name of the bill, e.g. aws-main");
  }
  purser::v1::IngestCostsRequest message;
  message.set_source(args.Get("source"));
  // purserd has another working folder than this process.
  message.set_path(std::filesystem::absolute(args.words()[0]).lexically_normal().string());
  message.set_bad_rows(args.Has("quarantine") ? purser::v1::BAD_ROW_POLICY_QUARANTINE
                                              : purser::v1::BAD_ROW_POLICY_REFUSE);
  PURSER_ASSIGN_OR_RETURN(const auto columns, NamedValues(args, "map"));
  message.mutable_columns()->insert(columns.begin(), columns.end());
  PURSER_ASSIGN_OR_RETURN(const purser::v1::IngestCostsResponse response,
                          StreamIngest(args, message));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::cout << (response.unchanged() ? "unchanged: this delivery is stored already\n" : "")
            << "rows read " << response.rows_read() << ", stored " << response.rows_stored()
            << ", quarantined " << response.rows_quarantined() << ", rounded numbers "
            << response.rounded_numbers() << "\n";
  for (const std::string& problem : response.problems()) {
    std::cout << "  " << base::EscapeForDisplay(problem, 1000) << "\n";
  }
  for (const purser::v1::QuarantinedMoney& money : response.quarantined_money()) {
    std::cout << "quarantined money: " << money.billed_cost() << " "
              << base::EscapeForDisplay(money.currency()) << "\n";
  }
  if (response.quarantined_without_money() > 0) {
    std::cout << "quarantined rows whose cost could not be read: "
              << response.quarantined_without_money() << "\n";
  }
  if (!response.quarantine_path().empty()) {
    std::cout << "quarantined rows: " << response.quarantine_path() << "\n";
  }
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::IngestTotal& total : response.totals()) {
    rows.push_back({total.billing_period(), total.currency(), total.billed_cost(),
                    total.effective_cost(), total.allocated_billed_cost()});
  }
  PrintTable({"PERIOD", "CURRENCY", "BILLED", "EFFECTIVE", "ALLOCATED"}, rows);
  return kOk;
}

std::vector<std::string> CostHeader(const std::vector<std::string>& group_by) {
  std::vector<std::string> header;
  for (const std::string& name : group_by) {
    std::string upper = name;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    header.push_back(std::move(upper));
  }
  for (const char* name : {"CURRENCY", "BILLED", "EFFECTIVE", "CHARGES"}) header.push_back(name);
  return header;
}

std::vector<std::string> CostCells(const purser::v1::CostRow& row) {
  std::vector<std::string> cells(row.keys().begin(), row.keys().end());
  cells.push_back(row.currency());
  cells.push_back(row.billed_cost());
  cells.push_back(row.effective_cost());
  cells.push_back(absl::StrCat(row.charges()));
  return cells;
}

absl::StatusOr<int> Query(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "costs query --from DAY --to DAY"));
  PURSER_RETURN_IF_ERROR(NeedDays(args));
  purser::v1::QueryCostsRequest message;
  message.set_from_day(args.Get("from"));
  message.set_to_day(args.Get("to"));
  const std::vector<std::string> group_by = args.All("group-by");
  for (const std::string& name : group_by) message.add_group_by(name);
  PURSER_RETURN_IF_ERROR(AddFilters(args, message.mutable_filters()));
  message.set_currency(args.Get("currency"));
  message.set_page_size(5000);
  std::vector<std::vector<std::string>> rows;
  nlohmann::json all = nlohmann::json::array();
  do {
    PURSER_ASSIGN_OR_RETURN(const purser::v1::QueryCostsResponse response,
                            CallUnary(args, &CostService::Stub::QueryCosts, message));
    for (const purser::v1::CostRow& row : response.rows()) {
      if (args.Has("json")) {
        all.push_back(ToJson(row));
      } else {
        rows.push_back(CostCells(row));
      }
    }
    message.set_page_token(response.next_page_token());
  } while (!message.page_token().empty());
  if (args.Has("json")) {
    PrintJson(all);
  } else {
    PrintTable(CostHeader(group_by), rows);
  }
  return kOk;
}

absl::StatusOr<int> Entity(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "costs entity REF [--days N] [--as-of DAY]"));
  PURSER_ASSIGN_OR_RETURN(const int64_t days, args.Int("days", 30, 1, 400));
  purser::v1::GetEntityCostsRequest message;
  message.set_entity_ref(args.words()[0]);
  message.set_days(static_cast<int32_t>(days));
  message.set_as_of(args.Get("as-of"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::GetEntityCostsResponse response,
                          CallUnary(args, &CostService::Stub::GetEntityCosts, message));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  if (response.costs_size() == 0) {
    std::cout << "no costs are allocated to " << response.entity_ref() << "\n";
    return kOk;
  }
  std::cout << response.entity_ref() << " from " << response.from_day() << " to "
            << response.to_day() << "\n";
  for (const purser::v1::EntityCosts& costs : response.costs()) {
    std::cout << "billed " << costs.billed_cost() << " " << costs.currency() << ", effective "
              << costs.effective_cost() << " " << costs.currency() << "\n";
    std::vector<std::vector<std::string>> rows;
    for (const purser::v1::CostRow& row : costs.by_service()) rows.push_back(CostCells(row));
    PrintTable(CostHeader({"service"}), rows);
  }
  return kOk;
}

}  // namespace

std::vector<Entry> CostCommands() {
  return {
      {{"costs ingest", "FILE", "read a billing file of any known format into purserd",
        WithConnection({{"source", "NAME", "name of the bill, [a-z0-9-], or NAME/SCOPE"},
                        ColumnMapOption(),
                        {"quarantine", "", "set bad rows aside instead of refusing the file"}})},
       Printing(Ingest)},
      {{"costs query", "", "sum costs from purserd's rollups",
        WithConnection(
            {{"from", "DAY", "first day"},
             {"to", "DAY", "last day, inclusive"},
             {"group-by", "DIMENSION", "day, month, entity, service, …; may be repeated", true},
             FilterOption(),
             CurrencyOption()})},
       Printing(Query)},
      {{"costs entity", "REF", "what a catalog entity cost",
        WithConnection({{"days", "N", "how many days back (default 30)"},
                        {"as-of", "DAY", "last day (default: the last day with data)"}})},
       Printing(Entity)},
  };
}

}  // namespace purser::cli
