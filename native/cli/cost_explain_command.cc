// `purser costs explain`: why a charge goes where it goes, and what an entity's cost is made of.
#include <iostream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/cost_options.h"
#include "cli/output.h"
#include "costs/allocation.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_scanner.h"
#include "costs/service.h"
#include "purser/v1/costs.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::CostService;

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
  if (args.words().empty()) return NamedValues(args, "column");
  PURSER_ASSIGN_OR_RETURN(const int64_t row, args.Int("row", 1, 1, INT64_MAX));
  return RowOf(args.words()[0], row);
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

}  // namespace

std::vector<Entry> CostExplainCommands() {
  return {
      {{"costs explain", "[FILE]", "which rule takes a charge and why, or an entity's cost by rule",
        WithConnection(
            {{"row", "N", "of FILE, from 1 (default 1)"},
             {"column", "NAME=VALUE", "of a charge; Tags as JSON; may be repeated", true},
             {"rules", "FILE", "try these rules, without purserd"},
             {"entity", "REF", "explain what this entity cost"},
             {"month", "MONTH", "with --entity, like 2026-11"}})},
       Printing(ExplainCommand)},
  };
}

}  // namespace purser::cli
