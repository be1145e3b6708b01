#include "costs/statement.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "costs/rollups.h"
#include "json/json.h"

namespace purser::costs {
namespace {

std::string CsvCell(absl::string_view text) {
  std::string field(text);
  // A spreadsheet runs what begins like a formula.
  if (!field.empty() && (absl::string_view("=+-@\t\r").find(field[0]) != absl::string_view::npos)) {
    field.insert(field.begin(), '\'');
  }
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  return absl::StrCat("\"", absl::StrReplaceAll(field, {{"\"", "\"\""}}), "\"");
}

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

// Two digits as the lines have them, and the exact sum where that is another.
std::string TotalHtml(base::Decimal total) {
  const std::string rounded = total.ToRounded(2);
  const absl::StatusOr<base::Decimal> shown = base::Decimal::Parse(rounded);
  if (shown.ok() && *shown == total) return rounded;
  return absl::StrCat(rounded, "<br><small>", total.ToString(), "</small>");
}

}  // namespace

absl::StatusOr<Statement> MakeStatement(CostService& costs, const StatementRequest& request) {
  Statement statement;
  statement.request = request;
  if (!request.owner.empty()) {
    PURSER_ASSIGN_OR_RETURN(const catalog::EntityRef ref, catalog::EntityRef::Parse(request.owner));
    statement.request.owner = ref.ToString();
  }
  QueryRequest query{.from = request.from,
                     .to = request.to,
                     .group_by = {Dimension::kEntity, Dimension::kService, Dimension::kPool},
                     .filters = {{Dimension::kOwner, {statement.request.owner}}},
                     .currency = request.currency};
  PURSER_ASSIGN_OR_RETURN(const std::vector<CostRow> rows, costs.Sums(query));
  for (const CostRow& row : rows) {
    statement.lines.push_back(
        {row.keys[0], row.keys[1], row.keys[2], row.currency, row.billed, row.effective});
  }
  query.group_by.clear();
  PURSER_ASSIGN_OR_RETURN(statement.totals, costs.Sums(query));
  return statement;
}

std::string StatementCsv(const Statement& statement) {
  std::string csv = "owner,from,to,entity,service,pool,currency,billed,effective\n";
  const std::string head =
      absl::StrCat(CsvCell(statement.request.owner), ",", DayText(statement.request.from), ",",
                   DayText(statement.request.to), ",");
  for (const StatementLine& line : statement.lines) {
    absl::StrAppend(&csv, head, CsvCell(line.entity), ",", CsvCell(line.service), ",",
                    CsvCell(line.pool), ",", line.currency, ",", line.billed.ToString(), ",",
                    line.effective.ToString(), "\n");
  }
  return csv;
}

std::string StatementJson(const Statement& statement) {
  nlohmann::json lines = nlohmann::json::array();
  for (const StatementLine& line : statement.lines) {
    lines.push_back({{"entity", line.entity},
                     {"service", line.service},
                     {"pool", line.pool},
                     {"currency", line.currency},
                     {"billed", line.billed.ToString()},
                     {"effective", line.effective.ToString()}});
  }
  nlohmann::json totals = nlohmann::json::array();
  for (const CostRow& total : statement.totals) {
    totals.push_back({{"currency", total.currency},
                      {"billed", total.billed.ToString()},
                      {"effective", total.effective.ToString()}});
  }
  return json::Dump({{"owner", statement.request.owner},
                     {"from", DayText(statement.request.from)},
                     {"to", DayText(statement.request.to)},
                     {"lines", lines},
                     {"totals", totals}});
}

std::string StatementHtml(const Statement& statement) {
  std::string html = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Costs of ",
      Escaped(statement.request.owner),
      "</title>\n<style>@page{size:A4;margin:18mm}body{font:10pt/1.4 sans-serif;color:#111}"
      "table{border-collapse:collapse;width:100%}th,td{padding:3px 6px;border-bottom:1px solid "
      "#ccc;text-align:left}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
      "thead{display:table-header-group}tr{break-inside:avoid}</style></head>\n<body><h1>Costs of ",
      Escaped(statement.request.owner.empty() ? "no owner" : statement.request.owner), "</h1>\n<p>",
      DayText(statement.request.from), " to ", DayText(statement.request.to),
      "</p>\n<table><thead><tr><th>Entity</th><th>Service</th><th>Share of</th><th>Currency</th>"
      "<th class=\"n\">Billed</th><th class=\"n\">Effective</th></tr></thead>\n<tbody>\n");
  for (const StatementLine& line : statement.lines) {
    absl::StrAppend(&html, "<tr><td>", Escaped(line.entity), "</td><td>", Escaped(line.service),
                    "</td><td>", Escaped(line.pool), "</td><td>", Escaped(line.currency),
                    "</td><td class=\"n\">", line.billed.ToRounded(2), "</td><td class=\"n\">",
                    line.effective.ToRounded(2), "</td></tr>\n");
  }
  absl::StrAppend(&html, "</tbody>\n<tfoot>\n");
  for (const CostRow& total : statement.totals) {
    absl::StrAppend(&html, "<tr><th colspan=\"3\">Sum</th><th>", Escaped(total.currency),
                    "</th><th class=\"n\">", TotalHtml(total.billed), "</th><th class=\"n\">",
                    TotalHtml(total.effective), "</th></tr>\n");
  }
  absl::StrAppend(&html, "</tfoot></table>\n</body></html>\n");
  return html;
}

}  // namespace purser::costs
