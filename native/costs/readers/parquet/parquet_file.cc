#include "costs/readers/parquet/parquet_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/json_row.h"
#include "costs/readers/parquet/amount_decoder.h"
#include "costs/readers/parquet/column_decoder.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/parquet/metadata.h"

namespace purser::costs::parquet {
namespace {

constexpr size_t kBatchRows = 4096;
constexpr size_t kTailBytes = 8;  // the footer's size and the magic

class ParquetBillFile final : public BillFile {
 public:
  ParquetBillFile(int fd, std::string path, int64_t size, const Options& options)
      : fd_(fd), path_(std::move(path)), size_(size), options_(options) {}
  ~ParquetBillFile() override { close(fd_); }

  absl::Status Start() {
    std::string tail(kTailBytes, '\0');
    if (size_ < static_cast<int64_t>(kTailBytes) + 4) return Wrong("it is too short");
    PURSER_RETURN_IF_ERROR(ReadAt(size_ - static_cast<int64_t>(kTailBytes), tail));
    if (tail.substr(4) == "PARE") return Wrong("it is encrypted, which is not read");
    uint32_t bytes;
    std::memcpy(&bytes, tail.data(), 4);
    if (tail.substr(4) != "PAR1") return Wrong("it does not end as Parquet does: it is cut off");
    if (bytes > kMaxFooterBytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          path_, ": its footer has more than ", kMaxFooterBytes, " bytes (kMaxFooterBytes)"));
    }
    if (static_cast<int64_t>(bytes) > size_ - static_cast<int64_t>(kTailBytes) - 4) {
      return Wrong("its footer is larger than itself");
    }
    std::string footer(bytes, '\0');
    PURSER_RETURN_IF_ERROR(
        ReadAt(size_ - static_cast<int64_t>(kTailBytes) - static_cast<int64_t>(bytes), footer));
    absl::StatusOr<Metadata> metadata = ParseMetadata(footer, size_);
    if (!metadata.ok()) return Wrong(metadata.status().message());
    metadata_ = *std::move(metadata);
    for (const Column& column : metadata_.columns) columns_.push_back(column.name);
    return absl::OkStatus();
  }

  const std::vector<std::string>& columns() const override { return columns_; }
  std::vector<int> maps() const override {
    std::vector<int> maps;
    for (size_t i = 0; i < metadata_.columns.size(); ++i) {
      if (metadata_.columns[i].value >= 0) maps.push_back(static_cast<int>(i));
    }
    return maps;
  }
  absl::Status Check(const Binding& binding) const override;
  std::unique_ptr<RowReader> NewReader(const Binding& binding,
                                       std::vector<SourceDictionary>& dictionaries) override;
  int64_t total_bytes() const override { return size_; }
  int64_t bytes_read() const override {
    const size_t groups = metadata_.groups.size();
    if (groups == 0) return size_;
    return size_ / static_cast<int64_t>(groups) *
           static_cast<int64_t>(std::min(groups, next_.load(std::memory_order_relaxed)));
  }
  std::string Digest() override;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  const Metadata& metadata() const { return metadata_; }
  // A row group that no thread reads yet.
  bool TakeGroup(size_t* number) {
    *number = next_.fetch_add(1, std::memory_order_relaxed);
    return *number < metadata_.groups.size();
  }

 private:
  // Whether the footer says of each of the leaf's pages that they can be read.
  absl::Status CheckPages(int leaf) const;
  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": not a Parquet file: ", what));
  }
  absl::Status ReadAt(int64_t offset, std::string& out) const {
    size_t have = 0;
    while (have < out.size()) {
      const ssize_t count =
          pread(fd_, out.data() + have, out.size() - have, offset + static_cast<int64_t>(have));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return base::ErrnoStatus(errno, absl::StrCat("read billing file ", path_));
      if (count == 0) return Wrong("it became shorter while it was read");
      have += static_cast<size_t>(count);
    }
    return absl::OkStatus();
  }

  const int fd_;
  const std::string path_;
  const int64_t size_;
  const Options options_;
  Metadata metadata_;
  std::vector<std::string> columns_;
  std::atomic<size_t> next_{0};
};

class ParquetRowReader final : public RowReader {
 public:
  ParquetRowReader(ParquetBillFile& file, const Binding& binding,
                   std::vector<SourceDictionary>& dictionaries)
      : file_(file),
        binding_(binding),
        dictionaries_(dictionaries),
        texts_(NewTextDecoders(file.fd(), file.metadata(), binding.texts)) {
    const Metadata& metadata = file.metadata();
    for (const AmountSource& source : binding.amounts) {
      amounts_.emplace_back(file.fd(), metadata, source);
    }
  }

  absl::StatusOr<bool> Next(RowBatch& batch) override {
    batch.problems.clear();
    batch.rounded = 0;
    batch.rounded_rows.clear();
    batch.codes.resize(texts_.size());
    batch.units.resize(amounts_.size());
    while (rows_left_ == 0) {
      size_t number;
      if (!file_.TakeGroup(&number)) return false;
      const RowGroup& group = file_.metadata().groups[number];
      rows_left_ = group.rows;
      next_row_ = group.first_row + 1;
      if (texts_.empty() && amounts_.empty()) continue;
      const std::string where = absl::StrCat(file_.path(), ": row group ", number);
      for (const auto& text : texts_) text->Start(group, where);
      for (AmountDecoder& amount : amounts_) amount.Start(group, where);
    }
    // As many rows as all columns have in their pages.
    first_row_ = next_row_;
    size_t rows = static_cast<size_t>(std::min<int64_t>(rows_left_, kBatchRows));
    for (size_t i = 0; i < texts_.size(); ++i) {
      PURSER_RETURN_IF_ERROR(texts_[i]->Prepare(dictionaries_[i], &rows));
    }
    for (AmountDecoder& amount : amounts_) PURSER_RETURN_IF_ERROR(amount.Prepare(&rows));
    batch.rows = rows;
    for (size_t i = 0; i < texts_.size(); ++i) {
      PURSER_RETURN_IF_ERROR(texts_[i]->Take(rows, dictionaries_[i], batch.codes[i], batch));
    }
    for (size_t i = 0; i < amounts_.size(); ++i) {
      amounts_[i].Take(rows, batch, dictionaries_, batch.units[i], batch);
    }
    rows_left_ -= static_cast<int64_t>(rows);
    next_row_ += static_cast<int64_t>(rows);
    batch_ = &batch;
    return true;
  }

  const std::vector<BadRow>& broken() const override { return broken_; }
  int64_t first_row() const override { return first_row_; }

  BadRow Describe(const RowProblem& problem) const override {
    BadRow bad;
    bad.row = first_row_ + problem.row;
    bad.offset = -1;
    bad.reason = problem.reason;
    bad.value = problem.value;
    if (problem.column >= 0) bad.column = file_.columns()[static_cast<size_t>(problem.column)];
    PutMoney(problem, bad);
    bad.raw = WhatWasRead(problem.row);
    return bad;
  }

 private:
  // Such a file has no text of a row: the columns that were asked for, as a JSON object.
  std::string WhatWasRead(uint32_t row) const {
    const std::vector<std::string>& names = file_.columns();
    JsonRow values;
    for (size_t i = 0; i < binding_.texts.size(); ++i) {
      const TextSource& source = binding_.texts[i];
      std::string name = source.column < 0 ? "Tags" : names[static_cast<size_t>(source.column)];
      if (!source.tag.empty()) absl::StrAppend(&name, ".", source.tag);
      values.emplace_back(std::move(name), dictionaries_[i].texts.TextOf(batch_->codes[i][row]));
    }
    for (size_t i = 0; i < binding_.amounts.size(); ++i) {
      const int column = binding_.amounts[i].column();
      if (column < 0) continue;
      values.emplace_back(names[static_cast<size_t>(column)],
                          base::Decimal::FromUnits(batch_->units[i][row]).ToString());
    }
    return JsonOfRow(values);
  }

  // The row's money, of what was read of it anyway.
  void PutMoney(const RowProblem& problem, BadRow& bad) const {
    const Binding::Money& money = binding_.money;
    const auto billed = std::find_if(
        binding_.amounts.begin(), binding_.amounts.end(), [&](const AmountSource& amount) {
          return amount.selector < 0 && !amount.terms.empty() && amount.terms == money.billed;
        });
    if (billed == binding_.amounts.end()) return;
    for (const AmountSource::Term& term : money.billed) {
      if (term.column == problem.column) return;
    }
    std::string currency = money.same_currency;
    for (size_t i = 0; money.currency >= 0 && i < binding_.texts.size(); ++i) {
      if (binding_.texts[i].column != money.currency) continue;
      currency = std::string(dictionaries_[i].texts.TextOf(batch_->codes[i][problem.row]));
    }
    const auto number = static_cast<size_t>(billed - binding_.amounts.begin());
    bad.SetMoney(currency, base::Decimal::FromUnits(batch_->units[number][problem.row]));
  }

  ParquetBillFile& file_;
  const Binding& binding_;
  std::vector<SourceDictionary>& dictionaries_;
  const std::vector<std::unique_ptr<TextDecoder>> texts_;
  std::vector<AmountDecoder> amounts_;
  std::vector<BadRow> broken_;  // rows are rows here
  int64_t rows_left_ = 0;       // of the row group
  int64_t next_row_ = 1, first_row_ = 0;
  const RowBatch* batch_ = nullptr;
};

absl::Status ParquetBillFile::Check(const Binding& binding) const {
  const auto wrong = [&](const Column& column, absl::string_view what) {
    const Leaf& leaf = metadata_.leaves[static_cast<size_t>(column.leaf)];
    return absl::InvalidArgumentError(absl::StrCat(path_, ": column ",
                                                   base::EscapeForDisplay(column.name, 120), " (",
                                                   TypeName(leaf.type), ") ", what));
  };
  const auto text = [&](int number) -> absl::Status {
    const Column& column = metadata_.columns[static_cast<size_t>(number)];
    for (const int leaf : {column.leaf, column.value}) {
      if (leaf < 0) continue;
      PURSER_RETURN_IF_ERROR(CheckPages(leaf));
      const Leaf& one = metadata_.leaves[static_cast<size_t>(leaf)];
      if (!HasText(one)) return wrong(column, "has a type whose values have no text");
      if (column.value < 0 && one.max_repetition > 0) {
        return wrong(column, "holds lists, which are no values of a charge");
      }
    }
    return absl::OkStatus();
  };
  for (const TextSource& source : binding.texts) {
    if (source.column >= 0) PURSER_RETURN_IF_ERROR(text(source.column));
    for (const auto& [key, column] : source.members) PURSER_RETURN_IF_ERROR(text(column));
  }
  for (const AmountSource& source : binding.amounts) {
    AmountSource::Terms terms = source.terms;
    for (const auto& [value, more] : source.choices) {
      terms.insert(terms.end(), more.begin(), more.end());
    }
    for (const auto& [number, minus] : terms) {
      const Column& column = metadata_.columns[static_cast<size_t>(number)];
      const Leaf& leaf = metadata_.leaves[static_cast<size_t>(column.leaf)];
      // A list is one of several parts of a sum, as credits are of a cost; alone it is no amount.
      const bool listed = leaf.max_repetition > 0 && terms.size() == 1;
      if (column.value >= 0 || listed || !HasAmount(leaf)) {
        return wrong(column, "has a type whose values are no amounts");
      }
      PURSER_RETURN_IF_ERROR(CheckPages(column.leaf));
    }
  }
  return absl::OkStatus();
}

absl::Status ParquetBillFile::CheckPages(int number) const {
  const size_t leaf = static_cast<size_t>(number);
  for (size_t group = 0; group < metadata_.groups.size(); ++group) {
    const std::string why =
        WhyDeclined(metadata_.leaves[leaf], metadata_.groups[group].chunks[leaf]);
    if (why.empty()) continue;
    return absl::UnimplementedError(
        absl::StrCat(path_, ": row group ", group, ", column ",
                     base::EscapeForDisplay(metadata_.leaves[leaf].path, 120), ": ", why));
  }
  return absl::OkStatus();
}

std::unique_ptr<RowReader> ParquetBillFile::NewReader(const Binding& binding,
                                                      std::vector<SourceDictionary>& dictionaries) {
  return std::make_unique<ParquetRowReader>(*this, binding, dictionaries);
}

std::string ParquetBillFile::Digest() {
  PieceHasher hasher(options_.chunk_bytes);
  std::string piece;
  for (int64_t at = 0; at < size_; at += static_cast<int64_t>(piece.size())) {
    piece.resize(static_cast<size_t>(
        std::min<int64_t>(size_ - at, static_cast<int64_t>(options_.chunk_bytes))));
    if (!ReadAt(at, piece).ok()) break;  // another digest then: the file changed
    hasher.Update(piece);
  }
  return hasher.Finish();
}

}  // namespace

absl::StatusOr<std::unique_ptr<BillFile>> OpenParquet(const std::string& path,
                                                      const BillFile::Options& options) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return base::ErrnoStatus(errno, absl::StrCat("open billing file ", path));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat("billing file ", path, " is not a regular file"));
  }
  auto file = std::make_unique<ParquetBillFile>(fd, path, info.st_size, options);
  PURSER_RETURN_IF_ERROR(file->Start());
  return file;
}

}  // namespace purser::costs::parquet
