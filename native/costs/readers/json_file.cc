#include "costs/readers/json_file.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/amount.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_scanner.h"
#include "costs/readers/json_row.h"

namespace purser::costs {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kBatchRows = 1024;
// Rows whose members name the columns, beside those that every such bill may have.
constexpr size_t kRowsForColumns = 100;

constexpr absl::string_view kColumnsAtLeast[] = {"usage_start_time",
                                                 "usage_end_time",
                                                 "service.description",
                                                 "invoice.month",
                                                 "cost",
                                                 "credits.amount",
                                                 "currency",
                                                 "cost_type",
                                                 "cost_at_list",
                                                 "project.id",
                                                 "project.name",
                                                 "labels",
                                                 "resource.global_name",
                                                 "resource.name",
                                                 "location.region",
                                                 "location.zone",
                                                 "sku.id",
                                                 "sku.description",
                                                 "billing_account_id",
                                                 "usage.amount",
                                                 "usage.unit"};
constexpr absl::string_view kAllocationColumnsAtLeast[] = {"name",
                                                           "window.start",
                                                           "window.end",
                                                           "cpuCost",
                                                           "gpuCost",
                                                           "ramCost",
                                                           "pvCost",
                                                           "networkCost",
                                                           "loadBalancerCost",
                                                           "sharedCost",
                                                           "externalCost",
                                                           "properties.cluster",
                                                           "properties.namespace",
                                                           "properties.labels",
                                                           "properties.providerID"};

class JsonBillFile final : public BillFile {
 public:
  JsonBillFile(std::string path, const Options& options)
      : path_(std::move(path)), options_(options), hasher_(options.chunk_bytes) {}

  absl::Status Start() {
    PURSER_ASSIGN_OR_RETURN(file_, FileSource::Open(path_, options_.hash ? &hasher_ : nullptr));
    PURSER_ASSIGN_OR_RETURN(bytes_, Unpacked(*file_, path_));
    PURSER_RETURN_IF_ERROR(Fill(kReadBytes));
    // One object a line when the first line is one.
    const size_t end = text_.find('\n');
    const absl::StatusOr<JsonNode> first = ParseJsonNode(absl::string_view(text_).substr(0, end));
    const bool lines = first.ok() && first->kind == JsonNode::kObject &&
                       first->Find("data") == nullptr && (end != std::string::npos || ended_);
    if (lines) {
      AddColumns(kColumnsAtLeast);
      while (rows_.size() < kRowsForColumns) {
        PURSER_ASSIGN_OR_RETURN(const bool more, ReadLine());
        if (!more) break;
      }
    } else {
      PURSER_RETURN_IF_ERROR(ReadDocument());
    }
    for (const JsonRow& row : rows_) {
      for (const auto& [name, value] : row) AddColumn(name);
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& columns() const override { return columns_; }
  absl::Status Check(const Binding&) const override { return absl::OkStatus(); }
  std::unique_ptr<RowReader> NewReader(const Binding& binding,
                                       std::vector<SourceDictionary>& dictionaries) override;
  int64_t total_bytes() const override { return file_->total_bytes(); }
  int64_t bytes_read() const override { return read_.load(std::memory_order_relaxed); }
  std::string Digest() override { return hasher_.Finish(); }

  // Only the first thread reads.
  bool Take() { return !taken_.exchange(true); }
  // The next row in *row, which begins at *line (0 in a document). False at the end.
  absl::StatusOr<bool> NextRow(JsonRow& row, int64_t* line) {
    if (given_ == rows_.size()) {
      rows_.clear();
      row_lines_.clear();
      given_ = 0;
      PURSER_ASSIGN_OR_RETURN(const bool more, ReadLine());
      if (!more) return false;
    }
    *line = row_lines_[given_];
    row = std::move(rows_[given_++]);
    return true;
  }
  int ColumnOf(const std::string& name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? kNoColumn : found->second;
  }

 private:
  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line_ + 1, ": ", what));
  }
  void AddColumn(const std::string& name) {
    if (numbers_.emplace(name, static_cast<int>(columns_.size())).second) columns_.push_back(name);
  }
  template <typename Names>
  void AddColumns(const Names& names) {
    for (const absl::string_view name : names) AddColumn(std::string(name));
  }

  absl::Status Fill(size_t more) {
    const size_t have = text_.size();
    text_.resize(have + more);
    size_t count = 0;
    while (count < more) {
      PURSER_ASSIGN_OR_RETURN(const size_t some,
                              bytes_->Read(text_.data() + have + count, more - count));
      if (some == 0) break;
      count += some;
    }
    ended_ = count < more;
    text_.resize(have + count);
    read_.store(file_->bytes_read(), std::memory_order_relaxed);
    return absl::OkStatus();
  }

  absl::StatusOr<bool> ReadLine() {
    while (true) {
      const size_t end = text_.find('\n', at_);
      if (end == std::string::npos && !ended_) {
        if (text_.size() - at_ > kMaxRecordBytes) {
          return absl::ResourceExhaustedError(
              absl::StrCat(path_, ":", line_ + 1, ": a line has more than ", kMaxRecordBytes,
                           " bytes (kMaxRecordBytes)"));
        }
        text_.erase(0, at_);
        at_ = 0;
        PURSER_RETURN_IF_ERROR(Fill(kReadBytes));
        continue;
      }
      if (at_ == text_.size()) return false;
      const absl::string_view line = absl::StripAsciiWhitespace(
          absl::string_view(text_).substr(at_, end == std::string::npos ? end : end - at_));
      at_ = end == std::string::npos ? text_.size() : end + 1;
      if (line.empty()) {
        ++line_;
        continue;
      }
      const absl::StatusOr<JsonNode> node = ParseJsonNode(line);
      if (!node.ok()) return Wrong(node.status().message());
      if (node->kind != JsonNode::kObject) return Wrong("a line is no JSON object");
      ++line_;
      FlattenJson(*node, "", rows_.emplace_back());
      row_lines_.push_back(line_);
      return true;
    }
  }

  // {"data": [{NAME: ALLOCATION, …}, …]}, as OpenCost answers; also {"data": {NAME: ALLOCATION}}
  // and the list alone.
  absl::Status ReadDocument() {
    while (!ended_) {
      if (text_.size() > kMaxJsonDocumentBytes) {
        return absl::ResourceExhaustedError(
            absl::StrCat(path_, ": a JSON document has more than ", kMaxJsonDocumentBytes,
                         " bytes (kMaxJsonDocumentBytes); write one object a line"));
      }
      PURSER_RETURN_IF_ERROR(Fill(text_.size()));
    }
    const absl::StatusOr<JsonNode> document = ParseJsonNode(text_);
    if (!document.ok()) return Wrong(document.status().message());
    AddColumns(kAllocationColumnsAtLeast);
    const JsonNode* const data = document->Find("data");
    const JsonNode& sets = data != nullptr ? *data : *document;
    const auto add = [&](const JsonNode& allocation) {
      // Rows of an allocation have a window; sets of them are named by nothing but their names.
      if (allocation.kind != JsonNode::kObject || allocation.Find("window") == nullptr) return;
      FlattenJson(allocation, "", rows_.emplace_back());
      row_lines_.push_back(0);
    };
    for (const auto& [name, set] : sets.members) {
      add(set);
      for (const auto& [key, allocation] : set.members) add(allocation);
    }
    if (rows_.empty() && !(sets.kind == JsonNode::kArray || data != nullptr)) {
      return Wrong("neither one object a line nor the answer of an allocation API");
    }
    text_.clear();
    at_ = 0;
    return absl::OkStatus();
  }

  const std::string path_;
  const Options options_;
  PieceHasher hasher_;
  std::unique_ptr<FileSource> file_;
  std::unique_ptr<ByteSource> bytes_;
  std::string text_;
  size_t at_ = 0;
  bool ended_ = false;
  int64_t line_ = 0;
  std::vector<JsonRow> rows_;
  std::vector<int64_t> row_lines_;
  size_t given_ = 0;
  std::vector<std::string> columns_;
  absl::flat_hash_map<std::string, int> numbers_;
  std::atomic<bool> taken_{false};
  std::atomic<int64_t> read_{0};
};

class JsonRowReader final : public RowReader {
 public:
  JsonRowReader(JsonBillFile& file, const Binding& binding,
                std::vector<SourceDictionary>& dictionaries)
      : file_(file), binding_(binding), dictionaries_(dictionaries), mine_(file.Take()) {}

  absl::StatusOr<bool> Next(RowBatch& batch) override {
    batch.rows = 0;
    batch.problems.clear();
    batch.rounded = 0;
    batch.rounded_rows.clear();
    batch.codes.resize(binding_.texts.size());
    batch.units.resize(binding_.amounts.size());
    for (auto& codes : batch.codes) codes.clear();
    for (auto& units : batch.units) units.clear();
    for (SourceDictionary& dictionary : dictionaries_) dictionary.Trim();
    first_row_ += static_cast<int64_t>(lines_.size());
    lines_.clear();
    values_.resize(file_.columns().size());
    while (mine_ && batch.rows < kBatchRows) {
      int64_t line;
      PURSER_ASSIGN_OR_RETURN(const bool more, file_.NextRow(row_, &line));
      if (!more) break;
      for (std::string& value : values_) value.clear();
      for (auto& [name, value] : row_) {
        if (const int column = file_.ColumnOf(name); column >= 0) {
          values_[static_cast<size_t>(column)] = std::move(value);
        }
      }
      AddRow(batch);
      lines_.push_back(line);
      ++batch.rows;
    }
    return batch.rows > 0;
  }

  const std::vector<BadRow>& broken() const override { return broken_; }
  int64_t first_row() const override { return first_row_; }
  BadRow Describe(const RowProblem& problem) const override {
    BadRow bad;
    bad.line = lines_[problem.row];
    bad.row = first_row_ + problem.row;
    bad.offset = -1;
    bad.reason = problem.reason;
    bad.value = problem.value;
    if (problem.column >= 0) bad.column = file_.columns()[static_cast<size_t>(problem.column)];
    return bad;
  }

 private:
  void AddRow(RowBatch& batch) {
    for (size_t i = 0; i < binding_.texts.size(); ++i) {
      const int column = binding_.texts[i].column;
      batch.codes[i].push_back(dictionaries_[i].texts.CodeOf(
          column < 0 ? absl::string_view() : values_[static_cast<size_t>(column)]));
    }
    for (size_t i = 0; i < binding_.amounts.size(); ++i) {
      const AmountSource& source = binding_.amounts[i];
      __int128 sum = 0;
      for (const AmountSource::Term& term : source.terms) {
        const std::string& text = values_[static_cast<size_t>(term.column)];
        if (text.empty() && source.may_be_empty) continue;
        __int128 amount = 0;
        const AmountKind kind = ParseAmount(text.data(), text.size(), &amount);
        const auto row = static_cast<uint32_t>(batch.rows);
        if (kind == AmountKind::kRounded) {
          ++batch.rounded;
          batch.rounded_rows.push_back(row);
        }
        if (kind == AmountKind::kBad) {
          batch.problems.push_back({row, term.column, AmountProblem(text), text});
        } else if (__builtin_add_overflow(sum, term.minus ? -amount : amount, &sum)) {
          batch.problems.push_back(
              {row, term.column, "the sum of the row's amounts does not fit", text});
        }
      }
      batch.units[i].push_back(sum);
    }
  }

  JsonBillFile& file_;
  const Binding& binding_;
  std::vector<SourceDictionary>& dictionaries_;
  const bool mine_;
  JsonRow row_;
  std::vector<std::string> values_;  // of the row, by column
  std::vector<int64_t> lines_;       // of the batch's rows
  int64_t first_row_ = 1;
  std::vector<BadRow> broken_;
};

std::unique_ptr<RowReader> JsonBillFile::NewReader(const Binding& binding,
                                                   std::vector<SourceDictionary>& dictionaries) {
  return std::make_unique<JsonRowReader>(*this, binding, dictionaries);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BillFile>> OpenJson(const std::string& path,
                                                   const BillFile::Options& options) {
  auto file = std::make_unique<JsonBillFile>(path, options);
  PURSER_RETURN_IF_ERROR(file->Start());
  return file;
}

}  // namespace purser::costs
