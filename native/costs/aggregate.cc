#include "costs/aggregate.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/focus_csv.h"

namespace purser::costs {
namespace {

// Between the parts of a key; no billing file holds it.
constexpr char kSeparator = '\0';

struct Sums {
  base::Decimal billed;
  base::Decimal effective;
  int64_t charges = 0;
};

class Aggregation {
 public:
  explicit Aggregation(const AggregateRequest& request) : request_(request) {
    for (const std::string& name : request.group_by) {
      if (name != "day" && name != "month") columns_.push_back(name);
    }
  }

  absl::Status AddFile(const std::string& path) {
    PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file,
                            FileSource::Open(path, nullptr));
    PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> bytes, Unpacked(*file, path));
    PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FocusCsvReader> reader,
                            FocusCsvReader::Open(*bytes, path, columns_));
    while (true) {
      PURSER_ASSIGN_OR_RETURN(const RowKind kind, reader->Next());
      if (kind == RowKind::kEnd) return absl::OkStatus();
      ++result_.rows_read;
      if (kind == RowKind::kBad) {
        PURSER_RETURN_IF_ERROR(AddBad(reader->bad_row(), path));
      } else if (!AddCharge(reader->charge())) {
        return absl::OutOfRangeError(absl::StrCat(path, ": a sum leaves the range of 20 digits"));
      }
      if (groups_.size() > kMaxRollups) {
        return absl::ResourceExhaustedError(
            absl::StrCat("more than ", kMaxRollups, " groups; group by fewer columns"));
      }
    }
  }

  AggregateResult Take() {
    for (const auto& [key, sums] : groups_) {
      CostRow row;
      row.keys = absl::StrSplit(key, kSeparator);
      row.currency = row.keys.back();
      row.keys.pop_back();
      row.billed = sums.billed;
      row.effective = sums.effective;
      row.charges = sums.charges;
      result_.rows.push_back(std::move(row));
    }
    std::sort(result_.rows.begin(), result_.rows.end(), [](const CostRow& a, const CostRow& b) {
      return std::tie(a.keys, a.currency) < std::tie(b.keys, b.currency);
    });
    return std::move(result_);
  }

 private:
  absl::Status AddBad(const BadRow& row, const std::string& path) {
    if (request_.bad_rows == BadRows::kRefuse) {
      return absl::InvalidArgumentError(row.ToString(path));
    }
    ++result_.rows_bad;
    if (result_.problems.size() < kMaxProblems) result_.problems.push_back(row.ToString(path));
    return absl::OkStatus();
  }

  bool AddCharge(const Charge& charge) {
    key_.clear();
    size_t column = 0;
    for (const std::string& name : request_.group_by) {
      if (name == "day") {
        absl::StrAppend(&key_, absl::FormatCivilTime(charge.day));
      } else if (name == "month") {
        absl::StrAppend(&key_, absl::FormatCivilTime(absl::CivilMonth(charge.day)));
      } else {
        absl::StrAppend(&key_, charge.extra[column++]);
      }
      key_ += kSeparator;
    }
    absl::StrAppend(&key_, charge.currency);
    Sums& sums = groups_[key_];
    ++sums.charges;
    return base::Decimal::Add(sums.billed, charge.billed, &sums.billed) &&
           base::Decimal::Add(sums.effective, charge.effective, &sums.effective);
  }

  const AggregateRequest& request_;
  std::vector<std::string> columns_;
  std::string key_;
  absl::flat_hash_map<std::string, Sums> groups_;
  AggregateResult result_;
};

}  // namespace

absl::StatusOr<AggregateResult> Aggregate(const AggregateRequest& request) {
  Aggregation aggregation(request);
  for (const std::string& path : request.paths) PURSER_RETURN_IF_ERROR(aggregation.AddFile(path));
  return aggregation.Take();
}

}  // namespace purser::costs
