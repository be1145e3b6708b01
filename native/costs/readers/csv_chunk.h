// A CSV file in pieces of whole records, which several threads read at once.
//
//   PURSER_ASSIGN_OR_RETURN(auto file, CsvFile::Open(path, {}));
//   // in each thread:
//   CsvChunk chunk;
//   while (true) {
//     PURSER_ASSIGN_OR_RETURN(const bool more, file->Next(chunk));
//     if (!more) break;
//     for (size_t row = 0; row < chunk.rows(); ++row) … chunk.Field(row, column) …
//   }
//
// Where a piece's first record begins is known once the piece before it has been looked through for
// separators; so the threads take turns at that, which is a small part of the work, and do the rest
// side by side. Text that RFC 4180 does not allow is read by CsvScanner, in the same turns: what a
// file holds does not depend on how it was cut.
#ifndef PURSER_COSTS_READERS_CSV_CHUNK_H_
#define PURSER_COSTS_READERS_CSV_CHUNK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/readers/bad_row.h"
#include "costs/readers/csv_index.h"
#include "costs/readers/csv_scanner.h"

namespace purser::costs {

// A piece and its places fit into a core's second cache.
inline constexpr size_t kCsvChunkBytes = 256 << 10;
// Read behind a piece for its last record; more is read when that is longer.
inline constexpr size_t kCsvOverlapBytes = 8 << 10;

// A column of a piece.
class CsvColumn {
 public:
  CsvColumn(const char* text, const uint32_t* ends, size_t stride, bool is_last)
      : text_(text), ends_(ends), stride_(stride), is_last_(is_last) {}
  // The field of a row with its quotes.
  absl::string_view operator[](size_t row) const {
    const uint32_t* const ends = ends_ + row * stride_;
    const size_t begin = static_cast<uint32_t>(ends[-1] + 1);
    size_t end = ends[0];
    if (is_last_ && end > begin && text_[end - 1] == '\r') --end;
    return {text_ + begin, end - begin};
  }
  // Row i's field stands between the separators at ends()[i * stride() - 1] and ends()[i *
  // stride()].
  const char* text() const { return text_; }
  const uint32_t* ends() const { return ends_; }
  size_t stride() const { return stride_; }

 private:
  const char* const text_;
  const uint32_t* const ends_;
  const size_t stride_;
  const bool is_last_;  // of the file: a carriage return may stand behind its fields
};

class CsvChunk {
 public:
  size_t rows() const { return rows_; }
  // The field with its quotes. `row` and `column` exist.
  absl::string_view Field(size_t row, size_t column) const { return Column(column)[row]; }
  // Of a chunk without rows it has nothing that may be read.
  CsvColumn Column(size_t column) const {
    return {bytes_.data(), rows_ == 0 ? nullptr : index_ends_ + column, stride_,
            column + 1 == columns_};
  }
  absl::string_view Raw(size_t row) const;
  CsvPlace Place(size_t row) const;
  // Rows with another number of fields or wrong quotes; not among rows().
  const std::vector<BadRow>& broken() const { return broken_; }
  int64_t first_row() const { return place_.row; }
  // The bytes of all records.
  absl::string_view text() const { return {bytes_.data() + begin_, end_ - begin_}; }
  // False when all is ASCII without NUL.
  bool may_be_no_text() const { return may_be_no_text_; }
  bool has_nul() const { return has_nul_; }

 private:
  friend class CsvFinder;
  friend class PlainCsvFile;
  friend class StreamCsvFile;

  std::vector<char> bytes_;
  size_t have_ = 0;    // bytes read
  bool last_ = false;  // nothing follows them
  int64_t base_ = 0;   // of bytes_[0] in the unpacked file
  size_t begin_ = 0, end_ = 0;
  CsvPlace place_;  // of begin_
  size_t rows_ = 0;
  size_t columns_ = 0;
  size_t stride_ = 0;
  const uint32_t* index_ends_ = nullptr;
  CsvIndex index_;
  // Of pieces read by CsvScanner.
  bool scanned_ = false;
  std::vector<uint32_t> scanned_ends_;
  std::vector<CsvPlace> scanned_places_;
  std::vector<BadRow> broken_;
  bool may_be_no_text_ = false;
  bool has_nul_ = false;
};

// Thread-safe but for its opening and end.
class CsvFile {
 public:
  struct Options {
    size_t chunk_bytes = kCsvChunkBytes;  // at least 64
    bool hash = false;
  };
  // CSV, plain or gzip. Reads the header.
  static absl::StatusOr<std::unique_ptr<CsvFile>> Open(const std::string& path,
                                                       const Options& options);
  virtual ~CsvFile() = default;

  // The next piece; false when there is none for this thread. After an error all calls end.
  virtual absl::StatusOr<bool> Next(CsvChunk& chunk) = 0;

  const std::string& path() const { return path_; }
  const std::vector<std::string>& columns() const { return columns_; }
  int64_t total_bytes() const { return total_bytes_; }  // as stored
  virtual int64_t bytes_read() const = 0;               // of them
  // Over the file as stored: the SHA-256 of the SHA-256s of its pieces of kCsvChunkBytes. Once Next
  // gave false, and when Options::hash was set.
  virtual std::string Digest() = 0;

 protected:
  std::string path_;
  std::vector<std::string> columns_;
  int64_t total_bytes_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_CHUNK_H_
