// A billing file of any format, read by several threads as batches of rows.
#ifndef PURSER_COSTS_READERS_BILL_FILE_H_
#define PURSER_COSTS_READERS_BILL_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/readers/bad_row.h"
#include "costs/readers/columns.h"
#include "costs/readers/row_batch.h"

namespace purser::costs {

// One thread.
class RowReader {
 public:
  virtual ~RowReader() = default;
  // False when no rows are left for this thread.
  virtual absl::StatusOr<bool> Next(RowBatch& batch) = 0;
  // Rows of the last batch's piece that are not even rows.
  virtual const std::vector<BadRow>& broken() const = 0;
  // A row of the last batch.
  virtual BadRow Describe(const RowProblem& problem) const = 0;
  // The number of the first row of the last batch, or of the one that could not be read.
  virtual int64_t first_row() const = 0;
};

// Thread-safe but for its opening and end.
class BillFile {
 public:
  struct Options {
    size_t chunk_bytes;  // of text formats
    bool hash = false;
  };
  // Told by the content: CSV or JSON, plain or gzip, or Parquet.
  static absl::StatusOr<std::unique_ptr<BillFile>> Open(const std::string& path,
                                                        const Options& options);
  virtual ~BillFile() = default;

  virtual const std::vector<std::string>& columns() const = 0;
  // Those of them whose values can be taken key by key (TextSource::tag).
  virtual std::vector<int> maps() const { return {}; }
  // INVALID_ARGUMENT names a column that has another type than what is asked of it; UNIMPLEMENTED
  // one whose bytes are packed or encoded in a way that is not read here.
  virtual absl::Status Check(const Binding& binding) const = 0;
  // `binding` and `dictionaries` (one per Binding::texts) must outlive the reader.
  virtual std::unique_ptr<RowReader> NewReader(const Binding& binding,
                                               std::vector<SourceDictionary>& dictionaries) = 0;
  virtual int64_t total_bytes() const = 0;  // as stored
  virtual int64_t bytes_read() const = 0;   // of them
  // Of the content as stored, at the end, when Options::hash was set; raw.
  virtual std::string Digest() = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_BILL_FILE_H_
