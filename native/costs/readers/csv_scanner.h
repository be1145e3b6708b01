// CSV (RFC 4180) as a stream of records, in memory bounded by the largest record.
//
// Quoted fields may hold separators, quotes ("") and line ends; lines end in LF or CRLF; a byte
// order mark is skipped; the last line needs no end. Empty lines are skipped. What RFC 4180 does
// not allow is told per record, and the scanner goes on with the next line.
//
//   CsvScanner scanner(source, "bill.csv");
//   while (true) {
//     PURSER_ASSIGN_OR_RETURN(const CsvRecord* record, scanner.Next());
//     if (record == nullptr) break;
//     ...
//   }
#ifndef PURSER_COSTS_READERS_CSV_SCANNER_H_
#define PURSER_COSTS_READERS_CSV_SCANNER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/readers/byte_source.h"

namespace purser::costs {

inline constexpr size_t kMaxRecordBytes = 8 << 20;
inline constexpr size_t kMaxFields = 4'096;

struct CsvField {
  absl::string_view text;
  bool quoted = false;
  absl::string_view raw;  // with its quotes, as in the file
};

// Where a text that is a part of a file begins.
struct CsvPlace {
  int64_t offset = 0;
  int64_t row = 0;
  int64_t line = 1;
};

// Valid until the next call of Next.
struct CsvRecord {
  std::vector<CsvField> fields;
  absl::string_view raw;  // as in the file, without the line end
  int64_t line = 0;       // of its first byte, from 1
  int64_t row = 0;        // records before it: 0 is the header
  int64_t offset = 0;     // of its first byte in the unpacked file
  // Not empty when the record breaks the format: what is wrong, and in which field (from 0).
  std::string problem;
  size_t problem_field = 0;
};

// One thread. `source` must outlive it.
class CsvScanner {
 public:
  CsvScanner(ByteSource& source, std::string name);
  // Reads a part that begins with a record at `place` (no byte order mark).
  CsvScanner(ByteSource& source, std::string name, const CsvPlace& place);

  // Null at the end. A quoted field without an end and a record above the limits are errors: what
  // follows cannot be told apart from it.
  absl::StatusOr<const CsvRecord*> Next();

 private:
  // Makes more bytes available behind end_; false at the end of the source.
  absl::StatusOr<bool> Fill();
  // Scans one record that lies in the buffer; false when more bytes are needed to tell.
  absl::StatusOr<bool> Scan();
  bool ScanQuoted(size_t* at, size_t field_start);
  bool ScanPlain(size_t* at, size_t field_start);
  absl::Status TooLarge(absl::string_view what) const;
  absl::Status RecordTooLarge() const;

  ByteSource& source_;
  std::string name_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // of the bytes not yet given out
  size_t end_ = 0;
  bool ended_ = false;
  bool started_ = false;
  int64_t line_ = 1;
  int64_t row_ = 0;
  int64_t offset_ = 0;
  CsvRecord record_;
  std::deque<std::string> unescaped_;  // fields that held ""
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_SCANNER_H_
