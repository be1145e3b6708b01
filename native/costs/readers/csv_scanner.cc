#include "costs/readers/csv_scanner.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace purser::costs {
namespace {

constexpr size_t kChunk = 256 << 10;

// First of `,`, `"`, LF, CR in [at, end), or end.
const char* FindStructural(const char* at, const char* end) {
#if defined(__SSE2__)
  const __m128i comma = _mm_set1_epi8(',');
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i feed = _mm_set1_epi8('\n');
  const __m128i carriage = _mm_set1_epi8('\r');
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i found =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, comma), _mm_cmpeq_epi8(bytes, quote)),
                     _mm_or_si128(_mm_cmpeq_epi8(bytes, feed), _mm_cmpeq_epi8(bytes, carriage)));
    const int mask = _mm_movemask_epi8(found);
    if (mask != 0) return at + __builtin_ctz(mask);
  }
#endif
  while (at < end && *at != ',' && *at != '"' && *at != '\n' && *at != '\r') ++at;
  return at;
}

}  // namespace

CsvScanner::CsvScanner(ByteSource& source, std::string name)
    : source_(source), name_(std::move(name)), buffer_(kChunk) {}

CsvScanner::CsvScanner(ByteSource& source, std::string name, const CsvPlace& place)
    : CsvScanner(source, std::move(name)) {
  started_ = true;
  offset_ = place.offset;
  row_ = place.row;
  line_ = place.line;
}

absl::Status CsvScanner::TooLarge(absl::string_view what) const {
  return absl::ResourceExhaustedError(absl::StrCat(name_, ":", line_, ": ", what,
                                                   " (record begins at byte ", offset_,
                                                   "); is a quote missing its partner?"));
}

absl::Status CsvScanner::RecordTooLarge() const {
  return TooLarge(
      absl::StrCat("a record has more than ", kMaxRecordBytes, " bytes (kMaxRecordBytes)"));
}

absl::StatusOr<bool> CsvScanner::Fill() {
  if (ended_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    if (buffer_.size() > kMaxRecordBytes) return RecordTooLarge();
    buffer_.resize(buffer_.size() * 2);
  }
  PURSER_ASSIGN_OR_RETURN(const size_t count,
                          source_.Read(buffer_.data() + end_, buffer_.size() - end_));
  end_ += count;
  ended_ = count == 0;
  return !ended_;
}

absl::StatusOr<const CsvRecord*> CsvScanner::Next() {
  if (!started_) {
    started_ = true;
    while (end_ < 3) {
      PURSER_ASSIGN_OR_RETURN(const bool more, Fill());
      if (!more) break;
    }
    if (end_ >= 3 && std::memcmp(buffer_.data(), "\xEF\xBB\xBF", 3) == 0) {
      begin_ = 3;
      offset_ = 3;
    }
  }
  while (true) {
    // Empty lines stand between records.
    if (begin_ < end_ && (buffer_[begin_] == '\n' || buffer_[begin_] == '\r')) {
      if (buffer_[begin_] == '\n') ++line_;
      ++begin_;
      ++offset_;
      continue;
    }
    if (begin_ < end_) {
      PURSER_ASSIGN_OR_RETURN(const bool whole, Scan());
      if (whole) return &record_;
    }
    PURSER_ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more && begin_ == end_) return nullptr;
  }
}

// Both scan a field that begins at *at and leave *at on what ended it (comma, line end) or on the
// end of the bytes; false when more bytes are needed.

bool CsvScanner::ScanPlain(size_t* at, size_t field_start) {
  const char* const base = buffer_.data();
  while (true) {
    const char* found = FindStructural(base + *at, base + end_);
    *at = found - base;
    if (*at == end_) {
      if (!ended_) return false;
      break;
    }
    if (*found == ',' || *found == '\n') break;
    if (*found == '\r') {
      if (*at + 1 == end_ && !ended_) return false;
      if (*at + 1 == end_ || base[*at + 1] == '\n') break;
      ++*at;  // a lone carriage return is a character like others
      continue;
    }
    if (record_.problem.empty()) {
      record_.problem = "a quote inside a field that does not begin with one";
      record_.problem_field = record_.fields.size();
    }
    ++*at;
  }
  const absl::string_view text(base + field_start, *at - field_start);
  record_.fields.push_back({text, false, text});
  return true;
}

bool CsvScanner::ScanQuoted(size_t* at, size_t field_start) {
  const char* const base = buffer_.data();
  std::string* unescaped = nullptr;
  size_t piece = ++*at;
  while (true) {
    const char* quote = static_cast<const char*>(std::memchr(base + *at, '"', end_ - *at));
    if (quote == nullptr) return false;
    *at = quote - base + 1;
    if (*at == end_ && !ended_) return false;  // a second quote may follow
    if (*at < end_ && base[*at] == '"') {
      if (unescaped == nullptr) unescaped = &unescaped_.emplace_back();
      unescaped->append(base + piece, *at - piece);
      piece = ++*at;
      continue;
    }
    break;
  }
  absl::string_view text(base + piece, *at - 1 - piece);
  if (unescaped != nullptr) {
    unescaped->append(text.data(), text.size());
    text = *unescaped;
  }
  if (*at + 1 >= end_ && !ended_) return false;  // CRLF may be cut between its two bytes
  const char next = *at < end_ ? base[*at] : '\n';
  const bool line_end =
      next == '\n' || (next == '\r' && (*at + 1 == end_ || base[*at + 1] == '\n'));
  if (next != ',' && !line_end) {
    // The rest up to the next separator belongs to the field for want of a better idea.
    if (record_.problem.empty()) {
      record_.problem = "characters behind the closing quote of a field";
      record_.problem_field = record_.fields.size();
    }
    return ScanPlain(at, field_start);
  }
  record_.fields.push_back({text, true, {base + field_start, *at - field_start}});
  return true;
}

absl::StatusOr<bool> CsvScanner::Scan() {
  record_.fields.clear();
  record_.problem.clear();
  unescaped_.clear();
  size_t at = begin_;
  while (true) {
    const size_t field_start = at;
    const bool quoted = at < end_ && buffer_[at] == '"';
    if (at == end_ && !ended_) return false;
    if (!(quoted ? ScanQuoted(&at, field_start) : ScanPlain(&at, field_start))) {
      if (ended_) {
        return absl::InvalidArgumentError(
            absl::StrCat(name_, ":", line_,
                         ": the file ends inside a quoted field (record begins "
                         "at byte ",
                         offset_, "): it is cut off, or a quote is missing its partner"));
      }
      return false;
    }
    if (record_.fields.size() > kMaxFields) {
      return TooLarge(absl::StrCat("a record has more than ", kMaxFields, " fields (kMaxFields)"));
    }
    if (at < end_ && buffer_[at] == ',') {
      ++at;
      continue;
    }
    break;
  }
  const char* const base = buffer_.data();
  record_.raw = {base + begin_, at - begin_};
  if (record_.raw.size() > kMaxRecordBytes) return RecordTooLarge();
  record_.line = line_;
  record_.row = row_++;
  record_.offset = offset_;
  line_ += std::count(base + begin_, base + at, '\n');
  // The line end is taken by Next, as an empty line would be.
  offset_ += static_cast<int64_t>(at - begin_);
  begin_ = at;
  return true;
}

}  // namespace purser::costs
