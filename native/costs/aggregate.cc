#include "costs/aggregate.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {
namespace {

size_t WantText(Wanted& wanted, const std::string& name) {
  const auto found = std::find(wanted.texts.begin(), wanted.texts.end(), name);
  if (found != wanted.texts.end()) return static_cast<size_t>(found - wanted.texts.begin());
  wanted.texts.push_back(name);
  return wanted.texts.size() - 1;
}

absl::Status Plan(const AggregateRequest& request, ScanRequest& scan) {
  if (request.group_by.size() > kMaxGroupColumns) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than ", kMaxGroupColumns, " columns to group by (kMaxGroupColumns)"));
  }
  if (request.measures.empty() || request.measures.size() > kMaxMeasures) {
    return absl::InvalidArgumentError(
        absl::StrCat("1 to ", kMaxMeasures, " measures are summed (kMaxMeasures)"));
  }
  const auto names = {&request.group_by, &request.measures};
  if (std::any_of(names.begin(), names.end(), [](const std::vector<std::string>* list) {
        return std::find(list->begin(), list->end(), "") != list->end();
      })) {
    return absl::InvalidArgumentError("the name of a column to group by or to sum is empty");
  }
  for (const std::string& name : request.group_by) {
    if (name == "day" || name == "month") {
      scan.parts.push_back({name == "day" ? KeyPart::kDay : KeyPart::kMonth,
                            WantText(scan.wanted, "ChargePeriodStart")});
    } else if (absl::StartsWith(name, "tag:")) {
      scan.parts.push_back({KeyPart::kTag, WantText(scan.wanted, name), name.substr(4)});
    } else if (NormalisedColumn(name) == "tags") {
      scan.parts.push_back({KeyPart::kTags, WantText(scan.wanted, "Tags")});
    } else {
      scan.parts.push_back({KeyPart::kText, WantText(scan.wanted, name)});
    }
  }
  scan.currency = scan.parts.size();
  scan.parts.push_back({KeyPart::kCurrency, WantText(scan.wanted, "BillingCurrency")});
  scan.wanted.amounts = request.measures;
  scan.wanted.format = request.format;
  return absl::OkStatus();
}

}  // namespace

absl::Status AggregateResult::ForEach(
    const std::function<absl::Status(const AggregateRow&)>& on_row) const {
  AggregateRow row;
  const auto give = [&](const GroupRow& group) {
    row.keys.assign(group.keys.begin(), group.keys.end() - 1);
    row.currency = group.keys.back();
    row.sums = group.sums;
    row.charges = group.charges;
    return on_row(row);
  };
  return groups->ForEachSorted(give);
}

absl::StatusOr<AggregateResult> Aggregate(const AggregateRequest& request) {
  ScanRequest scan;
  PURSER_RETURN_IF_ERROR(Plan(request, scan));
  scan.paths = request.paths;
  if (request.group_bytes != 0) scan.group_bytes = request.group_bytes;
  scan.threads = request.threads;
  scan.duckdb_library = request.duckdb_library;
  if (request.chunk_bytes != 0) scan.chunk_bytes = request.chunk_bytes;
  scan.stop = request.stop;
  scan.on_progress = request.on_progress;
  // The first ones, by file and row.
  std::vector<std::tuple<size_t, int64_t, std::string>> problems;
  if (request.leave_out_bad_rows) {
    scan.on_bad_row = [&](const std::string& path, const BadRow& row) {
      const auto file = std::find(request.paths.begin(), request.paths.end(), path);
      problems.emplace_back(file - request.paths.begin(), row.row, row.ToString(path));
      std::push_heap(problems.begin(), problems.end());
      if (problems.size() > kMaxToldRows) {
        std::pop_heap(problems.begin(), problems.end());
        problems.pop_back();
      }
      return absl::OkStatus();
    };
  }
  PURSER_ASSIGN_OR_RETURN(ScanResult scanned, ScanBills(scan));
  AggregateResult result;
  result.rows_read = scanned.rows_added + scanned.rows_bad;
  result.rows_bad = scanned.rows_bad;
  result.rounded_numbers = scanned.rounded;
  result.groups = std::move(scanned.groups);
  std::sort(problems.begin(), problems.end());
  for (auto& [file, row, text] : problems) result.problems.push_back(std::move(text));
  return result;
}

}  // namespace purser::costs
