#include "costs/readers/bill_file.h"

#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_chunk.h"
#include "costs/readers/csv_decoder.h"
#include "costs/readers/json_file.h"
#include "costs/readers/parquet/parquet_file.h"

namespace purser::costs {
namespace {

constexpr size_t kBytesThatTell = 64;
constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

// What a bill may be packed or written in that is not read, by its first bytes.
constexpr struct {
  absl::string_view begin;
  absl::string_view name;
} kNotRead[] = {{"PK\x03\x04", "a ZIP archive"}, {"\x28\xB5\x2F\xFD", "packed with zstd"},
                {"BZh", "packed with bzip2"},    {"\xFD\x37zXZ", "packed with xz"},
                {"\xFF\xFE", "UTF-16 text"},     {"\xFE\xFF", "UTF-16 text"}};

// The first bytes, unpacked; zeros behind the end.
struct Begin {
  char bytes[kBytesThatTell] = {};
};
absl::Status ReadBegin(const std::string& path, Begin& begin) {
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, FileSource::Open(path, nullptr));
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> bytes, Unpacked(*file, path));
  size_t have = 0;
  while (have < kBytesThatTell) {
    PURSER_ASSIGN_OR_RETURN(const size_t count,
                            bytes->Read(begin.bytes + have, kBytesThatTell - have));
    if (count == 0) break;
    have += count;
  }
  return absl::OkStatus();
}

class CsvRowReader final : public RowReader {
 public:
  CsvRowReader(CsvFile& file, const Binding& binding, std::vector<SourceDictionary>& dictionaries)
      : file_(file), binding_(binding), dictionaries_(dictionaries) {}

  absl::StatusOr<bool> Next(RowBatch& batch) override {
    PURSER_ASSIGN_OR_RETURN(const bool more, file_.Next(chunk_));
    if (more) decoder_.Decode(chunk_, binding_, dictionaries_, batch);
    return more;
  }
  const std::vector<BadRow>& broken() const override { return chunk_.broken(); }
  BadRow Describe(const RowProblem& problem) const override {
    return DescribeRow(chunk_, file_.columns(), problem, binding_.money);
  }
  int64_t first_row() const override { return chunk_.first_row(); }

 private:
  CsvFile& file_;
  const Binding& binding_;
  std::vector<SourceDictionary>& dictionaries_;
  CsvChunk chunk_;
  CsvDecoder decoder_;
};

class CsvBillFile final : public BillFile {
 public:
  explicit CsvBillFile(std::unique_ptr<CsvFile> file) : file_(std::move(file)) {}
  const std::vector<std::string>& columns() const override { return file_->columns(); }
  absl::Status Check(const Binding&) const override { return absl::OkStatus(); }
  std::unique_ptr<RowReader> NewReader(const Binding& binding,
                                       std::vector<SourceDictionary>& dictionaries) override {
    return std::make_unique<CsvRowReader>(*file_, binding, dictionaries);
  }
  int64_t total_bytes() const override { return file_->total_bytes(); }
  int64_t bytes_read() const override { return file_->bytes_read(); }
  std::string Digest() override { return file_->Digest(); }

 private:
  std::unique_ptr<CsvFile> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BillFile>> BillFile::Open(const std::string& path,
                                                         const Options& options) {
  Begin begin;
  PURSER_RETURN_IF_ERROR(ReadBegin(path, begin));
  if (std::memcmp(begin.bytes, "PAR1", 4) == 0) return parquet::OpenParquet(path, options);
  const absl::string_view text(begin.bytes, kBytesThatTell);
  for (const auto& [first, name] : kNotRead) {
    if (!absl::StartsWith(text, first)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path, " is ", name, ": bills are CSV or JSON in UTF-8, plain or gzip, or Parquet"));
  }
  size_t first = absl::StartsWith(text, kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (first + 1 < kBytesThatTell && absl::ascii_isspace(begin.bytes[first])) ++first;
  if (begin.bytes[first] == '{' || begin.bytes[first] == '[') return OpenJson(path, options);
  PURSER_ASSIGN_OR_RETURN(
      std::unique_ptr<CsvFile> csv,
      CsvFile::Open(path, {.chunk_bytes = options.chunk_bytes, .hash = options.hash}));
  return std::make_unique<CsvBillFile>(std::move(csv));
}

}  // namespace purser::costs
