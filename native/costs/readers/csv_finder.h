// Where the records of a piece of CSV text are: by CsvIndex where the text is as RFC 4180 says, by
// CsvScanner elsewhere.
#ifndef PURSER_COSTS_READERS_CSV_FINDER_H_
#define PURSER_COSTS_READERS_CSV_FINDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/readers/csv_chunk.h"
#include "costs/readers/csv_scanner.h"

namespace purser::costs {

// The header of the file whose first bytes are given. `*end` is behind its line end. False when
// more bytes are needed.
absl::StatusOr<bool> ReadCsvHeader(absl::string_view bytes, bool last, const std::string& name,
                                   std::vector<std::string>& columns, CsvPlace& end);

// Of one piece; the arguments outlive it. `name` is the file's.
class CsvFinder {
 public:
  CsvFinder(CsvChunk& chunk, const std::string& name, const std::vector<std::string>& columns)
      : chunk_(chunk), name_(name), names_(columns), columns_(columns.size()) {}

  // The records that begin in [place, limit) of the file, and in *next where the one behind them
  // begins. False when it takes more bytes to tell. chunk_.last_: there are no more.
  absl::StatusOr<bool> Find(const CsvPlace& place, int64_t limit, CsvPlace* next);

 private:
  void Begin(const CsvPlace& place);
  // Looks for separators up to the first record end at or behind `limit`. False when there is none.
  bool Index(size_t limit, size_t* used);
  // Of what was looked at up to `scanned`, the first `used` separators are our records'.
  bool Done(size_t used, size_t scanned);
  // Whether `used` separators are rows of columns_ fields each.
  bool Regular(size_t used);
  // As Find, by CsvScanner.
  absl::StatusOr<bool> Scan(const CsvPlace& place, int64_t limit, CsvPlace* next);
  int64_t RowBehind(const CsvPlace& place) const;
  void Take(const CsvRecord& record);

  CsvChunk& chunk_;
  const std::string& name_;
  const std::vector<std::string>& names_;
  const size_t columns_;
  size_t feeds_ = 0;  // in our records, those inside quotes, too
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_FINDER_H_
