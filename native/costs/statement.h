// Statements: what an owner is shown, or charged, for a period; as CSV, JSON or a page to print.
#ifndef PURSER_COSTS_STATEMENT_H_
#define PURSER_COSTS_STATEMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "costs/service.h"

namespace purser::costs {

struct StatementRequest {
  std::string owner;  // entity ref; "" for what has no owner
  absl::CivilDay from;
  absl::CivilDay to;
  std::string currency = {};  // as in QueryRequest
};

struct StatementLine {
  std::string entity;
  std::string service;
  std::string pool;  // of a share; "" for direct cost
  std::string currency;
  base::Decimal billed;
  base::Decimal effective;
};

struct Statement {
  StatementRequest request;
  std::vector<StatementLine> lines;  // by entity, service, pool, currency
  std::vector<CostRow> totals;       // per currency
};

absl::StatusOr<Statement> MakeStatement(CostService& costs, const StatementRequest& request);

// Exact amounts; fields that a spreadsheet would take for formulas are made texts.
std::string StatementCsv(const Statement& statement);
std::string StatementJson(const Statement& statement);
// One page without scripts or outside parts, amounts rounded to two digits for the eye, exact sums
// at the end; browsers print it as PDF.
std::string StatementHtml(const Statement& statement);

}  // namespace purser::costs

#endif  // PURSER_COSTS_STATEMENT_H_
