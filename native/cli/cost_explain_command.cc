// `purser costs explain`: why a charge goes where it goes, and what an entity's cost is made of.
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/cost_options.h"
#include "cli/output.h"
#include "costs/allocation.h"
#include "costs/charge_row.h"
#include "costs/readers/column_map.h"
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

// Of a row of a file, or as named. `rules` may be null.
absl::StatusOr<std::map<std::string, std::string>> ColumnsFrom(const Args& args,
                                                               const costs::Allocation* rules) {
  if (args.words().empty()) return NamedValues(args, "column");
  costs::ChargeRowRequest request{.path = args.words()[0]};
  PURSER_ASSIGN_OR_RETURN(request.row, args.Int("row", 1, 1, INT64_MAX));
  if (args.Has("map")) {
    PURSER_ASSIGN_OR_RETURN(const auto columns, NamedValues(args, "map"));
    PURSER_ASSIGN_OR_RETURN(request.format, costs::MapColumns(columns));
  }
  if (rules != nullptr) request.extra_columns = rules->extra_columns();
  return costs::ReadChargeRow(request);
}

absl::StatusOr<int> ExplainCommand(const Args& args) {
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(0, 1, "costs explain [FILE --row N] [--column NAME=VALUE]… [--rules FILE]"));
  if (args.words().empty() && !args.Has("entity") && !args.Has("column")) {
    return UsageError("name a charge, by FILE or --column NAME=VALUE, or an --entity");
  }
  purser::v1::ExplainCostsResponse response;
  if (args.Has("entity")) {
    purser::v1::ExplainCostsRequest request;
    request.set_entity_ref(args.Get("entity"));
    PURSER_ASSIGN_OR_RETURN(*request.mutable_month(), NeedMonth(args));
    PURSER_ASSIGN_OR_RETURN(response, CallUnary(args, &CostService::Stub::ExplainCosts, request));
  } else {
    std::shared_ptr<const costs::Allocation> rules;
    if (args.Has("rules")) {
      PURSER_ASSIGN_OR_RETURN(rules, costs::Allocation::Load(args.Get("rules")));
    }
    PURSER_ASSIGN_OR_RETURN(const auto columns, ColumnsFrom(args, rules.get()));
    if (rules != nullptr) {
      // Without purserd: rules can be tried before they are put in force.
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
            {{"row", "N", "of FILE, a bill of any known format, from 1 (default 1)"},
             ColumnMapOption(),
             {"column", "NAME=VALUE", "of a charge; Tags as JSON; may be repeated", true},
             {"rules", "FILE", "try these rules, without purserd"},
             {"entity", "REF", "explain what this entity cost"},
             {"month", "MONTH", "with --entity, like 2026-11"}})},
       Printing(ExplainCommand)},
  };
}

}  // namespace purser::cli
