#include "costs/delivery.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/transient.h"
#include "costs/readers/formats.h"
#include "costs/readers/manifest.h"

namespace purser::costs {
namespace {

// What is kept of subjects: what rules look at without naming it, and what they name.
std::vector<std::string> KeptColumns(const std::vector<std::string>& extra) {
  std::vector<std::string> columns(std::begin(kSubjectColumns), std::end(kSubjectColumns));
  columns.insert(columns.end(), extra.begin(), extra.end());
  return columns;
}

size_t GroupBytes() {
  const size_t threads =
      std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxScanThreads);
  return std::max(kDeliveryGroupBytes, threads * kDeliveryGroupBytesOfThread);
}

}  // namespace

absl::Status Sums::Add(base::Decimal more_billed, base::Decimal more_effective,
                       int64_t more_charges) {
  base::Decimal new_billed, new_effective;
  if (!base::Decimal::Add(billed, more_billed, &new_billed) ||
      !base::Decimal::Add(effective, more_effective, &new_effective)) {
    return absl::OutOfRangeError(
        "a sum of costs does not fit into ±170141183460469231731: is an amount in the file wrong?");
  }
  billed = new_billed;
  effective = new_effective;
  charges += more_charges;
  return absl::OkStatus();
}

Delivery::Delivery(const IngestRequest& request, const std::vector<std::string>& extra_columns,
                   absl::CivilDay today, std::string duckdb_library, size_t group_bytes)
    : request_(request),
      duckdb_library_(std::move(duckdb_library)),
      group_bytes_(group_bytes > 0 ? group_bytes : GroupBytes()),
      extra_columns_(absl::StrJoin(extra_columns, "\n")),
      sums_(KeptColumns(extra_columns), today) {}

absl::Status Delivery::Read(Quarantine& quarantine, IngestReport& report) {
  ScanRequest scan;
  int64_t rows_promised = -1;
  PURSER_RETURN_IF_ERROR(FindFiles(scan.paths, &rows_promised));
  sums_.Want(scan);
  scan.wanted.format = request_.format;
  scan.group_bytes = group_bytes_;
  scan.hash = true;
  scan.duckdb_library = duckdb_library_;
  scan.stop = request_.stop;
  if (request_.on_progress) {
    scan.on_progress = [&](const ScanProgress& progress) {
      request_.on_progress({progress.rows, progress.bytes, progress.total_bytes});
    };
  }
  if (request_.bad_rows == BadRows::kQuarantine) {
    scan.on_bad_row = [&](const std::string& path, const BadRow& row) {
      return AddBad(path, row, quarantine, report);
    };
  }
  absl::StatusOr<ScanResult> scanned = ScanBills(scan);
  if (!scanned.ok()) {
    absl::Status status(scanned.status().code(),
                        absl::StrCat(scanned.status().message(), "; nothing was stored"));
    if (base::IsTransient(scanned.status())) base::SetTransient(status);
    return status;
  }
  report.rows_stored = scanned->rows_added;
  report.rows_quarantined = scanned->rows_bad;
  report.rows_read = scanned->rows_added + scanned->rows_bad;
  report.rounded_numbers = scanned->rounded;
  report.sha256 = scanned->sha256;
  if (const std::string reading = Reading(); !reading.empty()) {
    report.sha256 = base::Sha256Hex(absl::StrCat(scanned->sha256, "\n", reading));
  }
  for (const auto& [currency, sums] : set_aside_) {
    report.quarantined_money.push_back({currency, sums.billed});
  }
  if (rows_promised >= 0 && rows_promised != report.rows_read) {
    return absl::FailedPreconditionError(
        absl::StrCat("the manifest counts ", rows_promised, " rows, its files have ",
                     report.rows_read, ": the delivery is not complete; nothing was stored"));
  }
  PURSER_RETURN_IF_ERROR(sums_.Take(*scanned));
  return CheckControlTotals(*scanned);
}

// What of a delivery's files is looked at, where that is not what is looked at of all: the same
// bytes with other columns kept, or by another map of them, are not what is stored already.
std::string Delivery::Reading() const {
  std::string reading = request_.format == nullptr ? std::string() : request_.format->fingerprint;
  if (!extra_columns_.empty()) absl::StrAppend(&reading, "\n", extra_columns_);
  return reading;
}

// The files themselves, and those that the manifests of folders name. `*rows` is what all manifests
// promise together, -1 when not all that is read was promised.
absl::Status Delivery::FindFiles(std::vector<std::string>& paths, int64_t* rows) const {
  int64_t promised = 0;
  bool all_promised = true;
  for (const std::string& path : request_.paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      paths.push_back(path);
      all_promised = false;
      continue;
    }
    PURSER_ASSIGN_OR_RETURN(const DeliveredFiles delivered, ReadDelivered(path));
    paths.insert(paths.end(), delivered.paths.begin(), delivered.paths.end());
    all_promised = all_promised && delivered.rows.has_value();
    promised += delivered.rows.value_or(0);
  }
  if (all_promised) *rows = promised;
  return absl::OkStatus();
}

absl::Status Delivery::AddBad(const std::string& path, const BadRow& row, Quarantine& quarantine,
                              IngestReport& report) {
  PURSER_RETURN_IF_ERROR(quarantine.Add(path, row));
  ++report.rows_quarantined;
  if (report.problems.size() < kMaxProblems) report.problems.push_back(row.ToString(path));
  if (!row.billed.has_value()) {
    ++report.quarantined_without_money;
    return absl::OkStatus();
  }
  return set_aside_[row.currency].Add(*row.billed, base::Decimal(), 1);
}

// The money of all rows, summed while they were read, is the money of the groups.
absl::Status Delivery::CheckControlTotals(const ScanResult& scanned) const {
  std::map<std::string, Sums> counted;
  PURSER_RETURN_IF_ERROR(sums_.ForEachSubject([&](uint32_t /*number*/,
                                                  const auto& subject) -> absl::Status {
    for (const DeliveredMonth& month : subject.months) {
      // Neighbours are mostly of one item.
      Sums* sum = nullptr;
      uint32_t item = 0;
      for (const Fact& fact : month.facts) {
        if (sum == nullptr || fact.item != item) {
          sum = &counted[sums_.items()[item = fact.item].currency];
        }
        PURSER_RETURN_IF_ERROR(sum->Add(fact.sums.billed, fact.sums.effective, fact.sums.charges));
      }
    }
    return absl::OkStatus();
  }));
  bool equal = counted.size() == scanned.totals.size();
  int64_t rows = 0;
  for (const auto& [currency, total] : scanned.totals) {
    const auto found = counted.find(currency);
    equal = equal && found != counted.end() && found->second.billed.units() == total.units[0] &&
            found->second.effective.units() == total.units[1] &&
            found->second.charges == total.rows;
    rows += total.rows;
  }
  if (equal && rows == scanned.rows_added) return absl::OkStatus();
  return absl::InternalError(
      "the sums of the delivery are not what was read; nothing was stored, please report this");
}

}  // namespace purser::costs
