#include "costs/readers/csv_finder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/byte_source.h"

namespace purser::costs {
namespace {

// Looked at a time behind a piece for the end of its last record.
constexpr size_t kOverlapStep = 1 << 10;

}  // namespace

absl::StatusOr<bool> ReadCsvHeader(absl::string_view bytes, bool last, const std::string& name,
                                   std::vector<std::string>& columns, CsvPlace& end) {
  StringSource source(bytes);
  CsvScanner scanner(source, name);
  const absl::StatusOr<const CsvRecord*> next = scanner.Next();
  if (!next.ok()) {
    if (!last && !absl::IsResourceExhausted(next.status())) return false;
    return next.status();
  }
  const CsvRecord* const record = *next;
  if (record == nullptr) {
    if (!last) return false;
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is empty: a header is expected, even for a bill without charges"));
  }
  size_t at = static_cast<size_t>(record->offset) + record->raw.size();
  if (!last && at + 2 > bytes.size()) return false;
  if (!record->problem.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ":", record->line, ": header: ", record->problem));
  }
  for (const CsvField& field : record->fields) columns.emplace_back(field.text);
  if (at < bytes.size() && bytes[at] == '\r') ++at;
  if (at < bytes.size() && bytes[at] == '\n') ++at;
  end.offset = static_cast<int64_t>(at);
  end.row = 1;
  end.line = record->line + std::count(record->raw.begin(), record->raw.end(), '\n') + 1;
  return true;
}

absl::StatusOr<bool> CsvFinder::Find(const CsvPlace& place, int64_t limit, CsvPlace* next) {
  Begin(place);
  const size_t local_limit = static_cast<size_t>(limit - chunk_.base_);
  if (chunk_.begin_ >= local_limit || (chunk_.last_ && chunk_.begin_ >= chunk_.have_)) {
    *next = place;
    return true;
  }
  if (chunk_.last_ && chunk_.bytes_[chunk_.have_ - 1] != '\n') {
    chunk_.bytes_[chunk_.have_++] = '\n';  // there is slack
  }
  size_t used = 0;  // separators of our records
  if (!Index(local_limit, &used)) {
    if (!chunk_.last_ && chunk_.have_ - chunk_.begin_ < local_limit + kMaxRecordBytes) {
      return false;
    }
    return Scan(place, limit, next);
  }
  if (!Regular(used)) return Scan(place, limit, next);
  chunk_.stride_ = columns_;
  chunk_.rows_ = used / columns_;
  chunk_.index_ends_ = chunk_.index_.ends();
  chunk_.index_.ends()[-1] = static_cast<uint32_t>(chunk_.begin_) - 1;
  *next = {chunk_.base_ + static_cast<int64_t>(chunk_.end_),
           place.row + static_cast<int64_t>(chunk_.rows_),
           place.line + static_cast<int64_t>(feeds_)};
  return true;
}

void CsvFinder::Begin(const CsvPlace& place) {
  chunk_.place_ = place;
  chunk_.begin_ = chunk_.end_ = static_cast<size_t>(place.offset - chunk_.base_);
  chunk_.rows_ = 0;
  chunk_.columns_ = columns_;
  chunk_.scanned_ = false;
  chunk_.broken_.clear();
  chunk_.may_be_no_text_ = false;
  chunk_.has_nul_ = false;
}

bool CsvFinder::Index(size_t limit, size_t* used) {
  CsvIndex& index = chunk_.index_;
  const char* const text = chunk_.bytes_.data();
  index.Reset();
  size_t scanned = chunk_.begin_;
  size_t looked_at = 0;
  size_t step = (std::min(limit, chunk_.have_) - chunk_.begin_ + 63) / 64 * 64;
  while (scanned < chunk_.have_) {
    const size_t to = std::min(chunk_.have_, scanned + step);
    index.Scan(text, scanned, to);
    scanned = to;
    step = kOverlapStep;
    const uint32_t* const ends = index.ends();
    if (looked_at == 0) {
      looked_at = static_cast<size_t>(
          std::lower_bound(ends, ends + index.count(), static_cast<uint32_t>(limit - 1)) - ends);
    }
    for (; looked_at < index.count(); ++looked_at) {
      if (text[ends[looked_at]] != '\n') continue;
      *used = looked_at + 1;
      return Done(*used, scanned);
    }
  }
  if (!chunk_.last_ || index.inside_quotes() || index.count() == 0) return false;
  *used = index.count();
  return Done(*used, scanned);
}

bool CsvFinder::Done(size_t used, size_t scanned) {
  const char* const text = chunk_.bytes_.data();
  chunk_.end_ = chunk_.index_.ends()[used - 1] + 1;
  feeds_ = chunk_.index_.feeds() -
           static_cast<size_t>(std::count(text + chunk_.end_, text + scanned, '\n'));
  chunk_.may_be_no_text_ = chunk_.index_.has_high_bytes() || chunk_.index_.has_nul();
  chunk_.has_nul_ = chunk_.index_.has_nul();
  return true;
}

bool CsvFinder::Regular(size_t used) {
  const CsvIndex& index = chunk_.index_;
  if (index.irregular() || used % columns_ != 0) return false;
  const char* const text = chunk_.bytes_.data();
  const size_t rows = used / columns_;
  if (feeds_ != rows) {
    // There are some inside quotes, or shorter records.
    size_t records = 0;
    for (size_t i = 0; i < used; ++i) records += text[index.ends()[i]] == '\n';
    if (records != rows) return false;
  }
  const uint32_t* end = index.ends() + columns_ - 1;
  // CsvScanner takes a carriage return where a record would begin for an empty line.
  bool regular = text[chunk_.begin_] != '\r';
  for (size_t row = 0; row < rows; ++row, end += columns_) {
    regular = regular && text[*end] == '\n' && text[*end + 1] != '\r';
  }
  // A record may reach far behind its piece. What is too large for one is told by the scanner.
  const size_t last = rows > 1 ? index.ends()[used - columns_ - 1] + 1 : chunk_.begin_;
  regular = regular && index.ends()[used - 1] - last <= kMaxRecordBytes;
  // Nor may a line be empty: in a file of one column it would look like a record.
  return regular && columns_ > 1;
}

absl::StatusOr<bool> CsvFinder::Scan(const CsvPlace& place, int64_t limit, CsvPlace* next) {
  Begin(place);
  chunk_.scanned_ = true;
  chunk_.scanned_ends_.clear();
  chunk_.scanned_places_.clear();
  chunk_.may_be_no_text_ = chunk_.has_nul_ = true;
  const char* const begin = chunk_.bytes_.data() + chunk_.begin_;
  const size_t size = chunk_.have_ - chunk_.begin_;
  StringSource source(absl::string_view(begin, size));
  CsvScanner scanner(source, name_, place);
  const int64_t have = chunk_.base_ + static_cast<int64_t>(chunk_.have_);
  while (true) {
    const absl::StatusOr<const CsvRecord*> found = scanner.Next();
    if (!found.ok()) {
      if (!chunk_.last_ && !absl::IsResourceExhausted(found.status())) return false;
      return found.status();
    }
    const CsvRecord* const record = *found;
    if (record == nullptr) {
      if (!chunk_.last_) return false;
      *next = {have, RowBehind(place), place.line + std::count(begin, begin + size, '\n')};
      break;
    }
    if (record->offset >= limit) {
      *next = {record->offset, record->row, record->line};
      break;
    }
    Take(*record);
  }
  chunk_.end_ = static_cast<size_t>(next->offset - chunk_.base_);
  chunk_.rows_ = chunk_.scanned_places_.size();
  chunk_.stride_ = columns_ + 1;
  // Without records there is no first separator to stand behind.
  chunk_.index_ends_ = chunk_.rows_ == 0 ? nullptr : chunk_.scanned_ends_.data() + 1;
  return true;
}

int64_t CsvFinder::RowBehind(const CsvPlace& place) const {
  return place.row + static_cast<int64_t>(chunk_.scanned_places_.size() + chunk_.broken_.size());
}

void CsvFinder::Take(const CsvRecord& record) {
  const CsvPlace place{record.offset, record.row, record.line};
  const bool count_differs = record.fields.size() != columns_;
  if (count_differs || !record.problem.empty()) {
    BadRow& bad = chunk_.broken_.emplace_back();
    bad.line = record.line;
    bad.row = record.row;
    bad.offset = record.offset;
    bad.raw = std::string(record.raw);
    if (count_differs) {
      bad.reason =
          absl::StrCat("the row has ", record.fields.size(), " fields, the header ", columns_);
      if (!record.problem.empty()) absl::StrAppend(&bad.reason, "; ", record.problem);
    } else {
      bad.reason = record.problem;
      bad.value = std::string(record.fields[record.problem_field].text);
      bad.column = names_[record.problem_field];
    }
    return;
  }
  const size_t at = static_cast<size_t>(record.offset - chunk_.base_);
  chunk_.scanned_places_.push_back(place);
  chunk_.scanned_ends_.push_back(static_cast<uint32_t>(at) - 1);
  for (const CsvField& field : record.fields) {
    const size_t end = static_cast<size_t>(field.raw.data() - record.raw.data()) + field.raw.size();
    chunk_.scanned_ends_.push_back(static_cast<uint32_t>(at + end));
  }
}

}  // namespace purser::costs
