// `purser costs aggregate`: sums of billing files, without purserd.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/cost_options.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "cli/progress_bar.h"
#include "costs/aggregate.h"
#include "costs/readers/column_map.h"
#include "json/json.h"

namespace purser::cli {
namespace {

// A cell of CSV. What a spreadsheet would take for a formula stays as it is: this is data.
void AppendCell(std::string& out, absl::string_view value) {
  if (value.find_first_of(",\"\n\r") == absl::string_view::npos) {
    absl::StrAppend(&out, value);
  } else {
    absl::StrAppend(&out, "\"", absl::StrReplaceAll(value, {{"\"", "\"\""}}), "\"");
  }
}

absl::Status PrintCsv(const costs::AggregateRequest& request, const costs::AggregateResult& result,
                      OutputFile& output) {
  std::string& text = output.text();
  for (const std::string& name : request.group_by) {
    AppendCell(text, name);
    text += ',';
  }
  text += "BillingCurrency,";
  for (const std::string& name : request.measures) {
    AppendCell(text, name);
    text += ',';
  }
  text += "charges\n";
  return result.ForEach([&](const costs::AggregateRow& row) {
    for (const absl::string_view key : row.keys) {
      AppendCell(text, key);
      text += ',';
    }
    absl::StrAppend(&text, row.currency, ",");
    for (const base::Decimal sum : row.sums) absl::StrAppend(&text, sum.ToString(), ",");
    absl::StrAppend(&text, row.charges, "\n");
    return output.WriteWhenLarge();
  });
}

// One object; rows as they come, so that their number does not matter.
absl::Status PrintJsonRows(const costs::AggregateRequest& request,
                           const costs::AggregateResult& result, OutputFile& output) {
  std::string& text = output.text();
  absl::StrAppend(&text, "{\"rowsRead\":", result.rows_read, ",\"rowsBad\":", result.rows_bad,
                  ",\"roundedNumbers\":", result.rounded_numbers,
                  ",\"problems\":", json::Dump(result.problems),
                  ",\"groupBy\":", json::Dump(request.group_by),
                  ",\"measures\":", json::Dump(request.measures), ",\"rows\":[");
  bool first = true;
  const absl::Status status = result.ForEach([&](const costs::AggregateRow& row) {
    nlohmann::json keys = nlohmann::json::array();
    for (const absl::string_view key : row.keys) keys.push_back(std::string(key));
    nlohmann::json sums = nlohmann::json::array();
    for (const base::Decimal sum : row.sums) sums.push_back(sum.ToString());
    absl::StrAppend(&text, first ? "\n" : ",\n", "{\"keys\":", json::Dump(keys), ",\"currency\":\"",
                    row.currency, "\",\"sums\":", json::Dump(sums), ",\"charges\":", row.charges,
                    "}");
    first = false;
    return output.WriteWhenLarge();
  });
  text += "]}\n";
  return status;
}

absl::StatusOr<int> Aggregate(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 10'000, "costs aggregate FILE… [--by COLUMN,…]"));
  costs::AggregateRequest request;
  request.paths = args.words();
  if (args.Has("by")) request.group_by = absl::StrSplit(args.Get("by"), ',');
  if (args.Has("measure")) request.measures = absl::StrSplit(args.Get("measure"), ',');
  request.leave_out_bad_rows = args.Has("quarantine");
  if (args.Has("map")) {
    PURSER_ASSIGN_OR_RETURN(const auto columns, NamedValues(args, "map"));
    PURSER_ASSIGN_OR_RETURN(request.format, costs::MapColumns(columns));
  }
  request.duckdb_library = args.Get("duckdb");
  PURSER_ASSIGN_OR_RETURN(const int64_t threads, args.Int("threads", 0, 1, costs::kMaxScanThreads));
  request.threads = static_cast<int>(threads);
  absl::StatusOr<costs::AggregateResult> result;
  {
    ProgressBar bar(std::cerr, STDERR_FILENO, base::Clock::System());
    request.on_progress = [&](const costs::ScanProgress& progress) {
      bar.Show(progress.rows, progress.bytes, progress.total_bytes);
    };
    result = costs::Aggregate(request);
  }
  PURSER_RETURN_IF_ERROR(result.status());
  for (const std::string& problem : result->problems) {
    std::cerr << base::EscapeForDisplay(problem, 1000) << "\n";
  }
  if (result->rows_bad > 0) {
    std::cerr << result->rows_bad << " of " << result->rows_read << " rows were left out\n";
  }
  if (result->rounded_numbers > 0) {
    std::cerr << result->rounded_numbers << " numbers were rounded to 18 digits behind the point\n";
  }
  if (args.Has("json") || args.Has("out")) {
    PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> output,
                            OutputFile::Open(args.Get("out")));
    PURSER_RETURN_IF_ERROR(args.Has("json") ? PrintJsonRows(request, *result, *output)
                                            : PrintCsv(request, *result, *output));
    PURSER_RETURN_IF_ERROR(output->Finish());
    return kOk;
  }
  std::vector<std::string> header = request.group_by;
  header.push_back("CURRENCY");
  header.insert(header.end(), request.measures.begin(), request.measures.end());
  header.push_back("CHARGES");
  std::vector<std::vector<std::string>> rows;
  PURSER_RETURN_IF_ERROR(result->ForEach([&](const costs::AggregateRow& row) {
    std::vector<std::string>& cells = rows.emplace_back();
    for (const absl::string_view key : row.keys) cells.emplace_back(key);
    cells.emplace_back(row.currency);
    for (const base::Decimal sum : row.sums) cells.push_back(sum.ToString());
    cells.push_back(absl::StrCat(row.charges));
    return absl::OkStatus();
  }));
  PrintTable(header, rows);
  return kOk;
}

}  // namespace

std::vector<Entry> AggregateCommands() {
  return {{{"costs aggregate",
            "FILE…",
            "sum billing files here, without purserd",
            {{"by", "COLUMN,…", "day, month, tag:KEY or columns of the files"},
             {"measure", "COLUMN,…", "what is summed (default BilledCost,EffectiveCost)"},
             ColumnMapOption(),
             {"out", "FILE", "write CSV (or JSON) there instead of a table here"},
             {"json", "", "write JSON"},
             {"quarantine", "", "leave bad rows out and tell them instead of refusing the file"},
             {"duckdb", "LIBRARY", "a libduckdb.so for Parquet that is not read otherwise"},
             {"threads", "N", "as many threads (default: one a core)"},
             {"help", "", "show this help"}}},
           Printing(Aggregate)}};
}

}  // namespace purser::cli
