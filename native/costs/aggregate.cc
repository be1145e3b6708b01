#include "costs/aggregate.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "costs/delivery.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/focus_csv.h"
#include "costs/readers/tags.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

constexpr int64_t kRowsPerCheck = 16'384;
// Distinct texts of the Tags column whose parsed form is kept.
constexpr size_t kMaxKnownTags = 200'000;

class Aggregation {
 public:
  explicit Aggregation(const AggregateRequest& request) : request_(request) {}

  absl::Status Prepare() {
    if (request_.group_by.size() > kMaxGroupColumns) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", kMaxGroupColumns, " columns to group by (kMaxGroupColumns)"));
    }
    for (const std::string& name : request_.group_by) {
      absl::string_view key = name;
      if (name == "day") {
        parts_.push_back({Part::kDay});
      } else if (name == "month") {
        parts_.push_back({Part::kMonth});
      } else if (absl::ConsumePrefix(&key, "tag:")) {
        parts_.push_back({Part::kTag, std::string(key)});
      } else {
        parts_.push_back({Part::kColumn, "", columns_.size()});
        columns_.push_back(name);
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadFile(const std::string& path) {
    PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file,
                            FileSource::Open(path, nullptr));
    PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> bytes, Unpacked(*file, path));
    PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FocusCsvReader> reader,
                            FocusCsvReader::Open(*bytes, path, columns_));
    while (true) {
      PURSER_ASSIGN_OR_RETURN(const RowKind kind, reader->Next());
      if (kind == RowKind::kEnd) break;
      if (++result_.rows_read % kRowsPerCheck == 0) {
        if (request_.stop.stop_requested()) return absl::CancelledError("reading was cancelled");
        if (request_.on_progress) {
          request_.on_progress(
              {result_.rows_read, bytes_before_ + file->bytes_read(), file->total_bytes()});
        }
      }
      if (kind == RowKind::kBad) {
        PURSER_RETURN_IF_ERROR(AddBad(path, reader->bad_row()));
        continue;
      }
      const absl::StatusOr<const Tags*> tags = TagsOf(reader->charge());
      if (!tags.ok()) {
        PURSER_RETURN_IF_ERROR(
            AddBad(path, reader->RejectCharge("Tags", std::string(tags.status().message()))));
        continue;
      }
      PURSER_RETURN_IF_ERROR(AddCharge(reader->charge(), **tags));
    }
    result_.rounded_numbers += reader->rounded_numbers();
    bytes_before_ += file->bytes_read();
    return absl::OkStatus();
  }

  AggregateResult Finish() {
    for (auto& [key, sums] : groups_) {
      CostRow row;
      size_t at = 0;
      for (size_t i = 0; i <= parts_.size(); ++i) {
        const size_t end = key.find('\0', at);
        (i < parts_.size() ? row.keys.emplace_back() : row.currency) = key.substr(at, end - at);
        at = end + 1;
      }
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
  struct Part {
    enum Kind { kDay, kMonth, kTag, kColumn } kind;
    std::string tag = {};
    size_t column = 0;
  };

  absl::Status AddBad(const std::string& path, const BadRow& row) {
    if (request_.bad_rows == BadRows::kRefuse) {
      return absl::InvalidArgumentError(row.ToString(path));
    }
    ++result_.rows_bad;
    if (result_.problems.size() < kMaxProblems) result_.problems.push_back(row.ToString(path));
    return absl::OkStatus();
  }

  absl::StatusOr<const Tags*> TagsOf(const Charge& charge) {
    const auto found = known_tags_.find(charge.tags);
    if (found != known_tags_.end()) return &found->second;
    PURSER_ASSIGN_OR_RETURN(Tags tags, ParseTags(charge.tags));
    // Texts that never repeat must not fill the memory.
    if (known_tags_.size() >= kMaxKnownTags) known_tags_.clear();
    return &known_tags_.emplace(std::string(charge.tags), std::move(tags)).first->second;
  }

  // The key's parts end in NUL, which no field holds.
  absl::Status AddCharge(const Charge& charge, const Tags& tags) {
    key_.clear();
    if (day_text_.empty() || charge.day != day_) {  // charges of a day stand together
      day_ = charge.day;
      day_text_ = DayText(day_);
    }
    for (const Part& part : parts_) {
      switch (part.kind) {
        case Part::kDay:
          key_.append(day_text_);
          break;
        case Part::kMonth:
          key_.append(day_text_, 0, 7);
          break;
        case Part::kTag:
          if (const std::string* value = FindTag(tags, part.tag)) key_.append(*value);
          break;
        case Part::kColumn:
          key_.append(charge.extra[part.column].data(), charge.extra[part.column].size());
          break;
      }
      key_.push_back('\0');
    }
    key_.append(charge.currency.data(), charge.currency.size()).push_back('\0');
    PURSER_RETURN_IF_ERROR(groups_[key_].Add(charge.billed, charge.effective, 1));
    if (groups_.size() > kMaxRollups) {
      return absl::ResourceExhaustedError(absl::StrCat("the answer has more than ", kMaxRollups,
                                                       " groups (kMaxRollups): group by less"));
    }
    return absl::OkStatus();
  }

  const AggregateRequest& request_;
  std::vector<Part> parts_;
  std::vector<std::string> columns_;
  absl::flat_hash_map<std::string, Sums> groups_;
  absl::flat_hash_map<std::string, Tags> known_tags_;
  std::string key_;
  absl::CivilDay day_;
  std::string day_text_;
  int64_t bytes_before_ = 0;
  AggregateResult result_;
};

}  // namespace

absl::StatusOr<AggregateResult> Aggregate(const AggregateRequest& request) {
  Aggregation aggregation(request);
  PURSER_RETURN_IF_ERROR(aggregation.Prepare());
  for (const std::string& path : request.paths) {
    PURSER_RETURN_IF_ERROR(aggregation.ReadFile(path));
  }
  return aggregation.Finish();
}

}  // namespace purser::costs
