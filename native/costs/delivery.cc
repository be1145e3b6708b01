#include "costs/delivery.h"

#include <sys/stat.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/tags.h"

namespace purser::costs {
namespace {

// How often the stop token is looked at and progress told.
constexpr int64_t kRowsPerCheck = 16'384;

}  // namespace

uint32_t TextNumbers::NumberOf(absl::string_view text) {
  const auto found = numbers_.find(text);
  if (found != numbers_.end()) return found->second;
  const uint32_t number = static_cast<uint32_t>(texts_.size());
  // Owned apart from the map, whose keys move when it grows.
  numbers_.emplace(std::string(text), number);
  texts_.push_back(std::make_unique<std::string>(text));
  return number;
}

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

absl::Status Delivery::Read(Quarantine& quarantine, IngestReport& report) {
  for (const std::string& path : request_.paths) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) total_bytes_ += info.st_size;
  }
  base::Hasher hasher(base::HashKind::kSha256);
  for (const std::string& path : request_.paths) {
    PURSER_RETURN_IF_ERROR(ReadFile(path, hasher, quarantine, report));
  }
  report.sha256 = base::ToHex(hasher.Finish());
  for (const auto& [currency, sums] : set_aside_) {
    report.quarantined_money.push_back({currency, sums.billed});
  }
  return CheckControlTotals(report);
}

absl::Status Delivery::ReadFile(const std::string& path, base::Hasher& hasher,
                                Quarantine& quarantine, IngestReport& report) {
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, FileSource::Open(path, &hasher));
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> bytes, Unpacked(*file, path));
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FocusCsvReader> reader,
                          FocusCsvReader::Open(*bytes, path));
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const RowKind kind, reader->Next());
    if (kind == RowKind::kEnd) break;
    ++report.rows_read;
    if (report.rows_read % kRowsPerCheck == 0) {
      if (request_.stop.stop_requested()) {
        return absl::CancelledError("reading the delivery was cancelled; nothing was stored");
      }
      if (request_.on_progress) {
        request_.on_progress({report.rows_read, bytes_before_ + file->bytes_read(), total_bytes_});
      }
    }
    if (kind == RowKind::kBad) {
      PURSER_RETURN_IF_ERROR(AddBad(path, reader->bad_row(), quarantine, report));
      continue;
    }
    PURSER_ASSIGN_OR_RETURN(std::string problem, AddCharge(reader->charge()));
    if (!problem.empty()) {
      PURSER_RETURN_IF_ERROR(
          AddBad(path, reader->RejectCharge("Tags", std::move(problem)), quarantine, report));
      continue;
    }
    ++report.rows_stored;
  }
  report.rounded_numbers += reader->rounded_numbers();
  bytes_before_ += file->bytes_read();
  if (request_.on_progress) request_.on_progress({report.rows_read, bytes_before_, total_bytes_});
  return absl::OkStatus();
}

absl::StatusOr<std::string> Delivery::AddCharge(const Charge& charge) {
  if (subjects_.size() + tags_.size() + texts_.size() > kMaxDistinctTexts) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the delivery has more than ", kMaxDistinctTexts,
        " different services, tags and resources (kMaxDistinctTexts): deliver it in parts"));
  }
  // Tags repeat: each text is parsed once, and equal tags in another order are one.
  auto raw = raw_tags_.find(charge.tags);
  if (raw == raw_tags_.end()) {
    absl::StatusOr<Tags> tags = ParseTags(charge.tags);
    if (!tags.ok()) return std::string(tags.status().message());
    std::string text = TagsToJson(*tags);
    const auto [known, added] = json_tags_.try_emplace(text, static_cast<uint32_t>(tags_.size()));
    if (added) tags_.emplace_back(*std::move(tags), std::move(text));
    raw = raw_tags_.emplace(std::string(charge.tags), known->second).first;
  }

  // No id holds a NUL: the reader refuses it.
  scratch_.assign(charge.resource_id.data(), charge.resource_id.size());
  absl::StrAppend(&scratch_, absl::string_view("\0", 1), charge.sub_account,
                  absl::string_view("\0", 1), raw->second);
  const auto [subject, added] =
      subject_numbers_.try_emplace(scratch_, static_cast<uint32_t>(subjects_.size()));
  if (added) {
    subjects_.push_back(
        {std::string(charge.resource_id), std::string(charge.sub_account), raw->second});
  }

  const RollupKey key{charge.billing_period,
                      charge.day,
                      subject->second,
                      texts_.NumberOf(charge.service),
                      texts_.NumberOf(charge.category),
                      texts_.NumberOf(charge.currency)};
  PURSER_RETURN_IF_ERROR(rollups_[key].Add(charge.billed, charge.effective, 1));
  if (rollups_.size() > kMaxRollups) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the delivery has more than ", kMaxRollups,
                     " sums by day, resource and service (kMaxRollups): deliver it in parts"));
  }
  PURSER_RETURN_IF_ERROR(
      read_[std::string(charge.currency)].Add(charge.billed, charge.effective, 1));
  return std::string();
}

absl::Status Delivery::AddBad(const std::string& path, const BadRow& row, Quarantine& quarantine,
                              IngestReport& report) {
  if (request_.bad_rows == BadRows::kRefuse) {
    return absl::InvalidArgumentError(absl::StrCat(row.ToString(path), "; nothing was stored"));
  }
  PURSER_RETURN_IF_ERROR(quarantine.Add(path, row));
  ++report.rows_quarantined;
  if (report.problems.size() < kMaxProblems) report.problems.push_back(row.ToString(path));
  if (!row.billed.has_value()) {
    ++report.quarantined_without_money;
    return absl::OkStatus();
  }
  PURSER_RETURN_IF_ERROR(read_[row.currency].Add(*row.billed, base::Decimal(), 1));
  return set_aside_[row.currency].Add(*row.billed, base::Decimal(), 1);
}

absl::Status Delivery::CheckControlTotals(const IngestReport& report) const {
  std::map<std::string, Sums> counted = set_aside_;
  for (const auto& [key, sums] : rollups_) {
    PURSER_RETURN_IF_ERROR(
        counted[texts_.TextOf(key.currency)].Add(sums.billed, sums.effective, sums.charges));
  }
  bool equal = report.rows_read == report.rows_stored + report.rows_quarantined &&
               counted.size() == read_.size();
  int64_t rows = report.quarantined_without_money;
  for (const auto& [currency, sums] : read_) {
    const auto found = counted.find(currency);
    equal = equal && found != counted.end() && found->second.billed == sums.billed &&
            found->second.effective == sums.effective && found->second.charges == sums.charges;
    rows += sums.charges;
  }
  if (equal && rows == report.rows_read) return absl::OkStatus();
  return absl::InternalError(
      "the sums of the delivery are not what was read; nothing was stored, please report this");
}

}  // namespace purser::costs
