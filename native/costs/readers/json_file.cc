#include "costs/readers/json_file.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/amount.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_scanner.h"
#include "costs/readers/json_row.h"

namespace purser::costs {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kBatchRows = 1024;
// Rows whose members name the columns, beside those that every such bill may have.
constexpr size_t kRowsForColumns = 1'000;
constexpr size_t kBytesForColumns = 4 << 20;  // then they are fewer

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

// A row as it stands in the file.
struct JsonRecord {
  JsonRow row = {};
  std::string raw = {};      // the line; of a document the row as an object of its own
  int64_t number = 0;        // from 1
  int64_t line = 0;          // 0 in a document
  int64_t offset = -1;       // -1 in a document
  std::string problem = {};  // "", or why it is no row
};

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
      size_t bytes = 0;
      while (records_.size() < kRowsForColumns && bytes < kBytesForColumns) {
        PURSER_ASSIGN_OR_RETURN(const bool more, ReadLine());
        if (!more) break;
        bytes += records_.back().raw.size();
      }
    } else {
      PURSER_RETURN_IF_ERROR(ReadDocument());
    }
    for (const JsonRecord& record : records_) {
      for (const auto& [name, value] : record.row) AddColumn(name);
    }
    // What such bills may have and the first rows need not.
    const bool is_google = numbers_.contains("usage_start_time");
    if (is_google) AddColumns(kColumnsAtLeast);
    knows_columns_ = is_google || is_document_;
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
  // False at the end.
  absl::StatusOr<bool> Next(JsonRecord& record) {
    if (given_ == records_.size()) {
      records_.clear();
      given_ = 0;
      PURSER_ASSIGN_OR_RETURN(const bool more, ReadLine());
      if (!more) return false;
    }
    record = std::move(records_[given_++]);
    record.number = ++numbered_;
    return true;
  }
  // Whether a name that is no column is of no interest; else a row would lose what it says.
  bool knows_columns() const { return knows_columns_; }
  int ColumnOf(const std::string& name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? kNoColumn : found->second;
  }

 private:
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
      const size_t bytes = std::min(end, text_.size()) - at_;
      if (bytes > kMaxRecordBytes) {
        return absl::ResourceExhaustedError(absl::StrCat(path_, ":", line_ + 1,
                                                         ": a line has more than ", kMaxRecordBytes,
                                                         " bytes (kMaxRecordBytes)"));
      }
      if (end == std::string::npos && !ended_) {
        text_.erase(0, at_);
        at_ = 0;
        PURSER_RETURN_IF_ERROR(Fill(kReadBytes));
        continue;
      }
      if (at_ == text_.size()) return false;
      const bool whole = end != std::string::npos;
      const absl::string_view line =
          absl::StripAsciiWhitespace(absl::string_view(text_).substr(at_, bytes));
      const int64_t offset = offset_;
      at_ += bytes + (whole ? 1 : 0);
      offset_ += static_cast<int64_t>(bytes + (whole ? 1 : 0));
      ++line_;
      if (line.empty()) continue;
      JsonRecord record{.raw = std::string(line), .line = line_, .offset = offset};
      if (is_document_) {
        record.line = 0;
        record.offset = -1;
      }
      const absl::StatusOr<JsonNode> node = ParseJsonNode(line);
      if (!node.ok()) {
        record.problem = std::string(node.status().message());
        if (!whole) {
          return absl::InvalidArgumentError(absl::StrCat(path_, ":", line_, ": ", record.problem,
                                                         ", where the file ends: it is cut off"));
        }
      } else if (node->kind != JsonNode::kObject) {
        record.problem = "the line is no JSON object";
      } else {
        FlattenJson(*node, "", record.row);
      }
      records_.push_back(std::move(record));
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
      PURSER_RETURN_IF_ERROR(
          Fill(std::min(text_.size(), kMaxJsonDocumentBytes + 1 - text_.size())));
    }
    const auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat(path_, ": ", what));
    };
    AddColumns(kAllocationColumnsAtLeast);
    // As lines, of which one at a time is looked at.
    std::string lines;
    lines.reserve(text_.size());
    const absl::StatusOr<JsonNode> rest = ParseJsonNode(text_, [&](const JsonNode& node) {
      // Sets of allocations are named by nothing but their names.
      if (node.Find("window") == nullptr || node.Find("cpuCost") == nullptr) return false;
      JsonRow row;
      FlattenJson(node, "", row);
      // Parts of a pod's volumes and load balancers are named by what they are of; their costs
      // stand in the pod's own members.
      std::erase_if(row, [](const auto& member) {
        return absl::StartsWith(member.first, "pvs.") ||
               absl::StartsWith(member.first, "lbAllocations.");
      });
      for (const auto& [name, value] : row) AddColumn(name);
      absl::StrAppend(&lines, JsonOfRow(row), "\n");
      return true;
    });
    if (!rest.ok()) return wrong(rest.status().message());
    const JsonNode* const data = rest->Find("data");
    const JsonNode& sets = data != nullptr ? *data : *rest;
    const bool is_list = sets.kind == JsonNode::kArray || sets.kind == JsonNode::kNull;
    if (!is_list && (data == nullptr || sets.kind != JsonNode::kObject)) {
      return wrong("neither one object a line nor the answer of an allocation API");
    }
    for (const auto& [name, set] : sets.members) {
      const bool is_set = set.kind == JsonNode::kObject || set.kind == JsonNode::kNull;
      if (is_set && set.members.empty()) continue;
      return wrong(absl::StrCat(
          "\"", base::EscapeForDisplay(set.members.empty() ? name : set.members[0].name, 80),
          "\" is no allocation: it has no window, or no cpuCost"));
    }
    text_ = std::move(lines);
    at_ = 0;
    is_document_ = true;
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
  bool is_document_ = false;
  bool knows_columns_ = false;
  int64_t line_ = 0;    // the last one read
  int64_t offset_ = 0;  // of the next one
  std::vector<JsonRecord> records_;
  size_t given_ = 0;
  int64_t numbered_ = 0;
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
    broken_.clear();
    records_.clear();
    values_.resize(file_.columns().size());
    size_t bytes = 0;
    while (mine_ && batch.rows < kBatchRows && bytes < kReadBytes) {
      JsonRecord record;
      PURSER_ASSIGN_OR_RETURN(const bool more, file_.Next(record));
      if (!more) break;
      if (batch.rows == 0 && broken_.empty()) first_row_ = record.number;
      bytes += record.raw.size();
      if (!record.problem.empty()) {
        broken_.push_back(Describe(record, record.problem));
        continue;
      }
      Place(record, batch);
      AddRow(batch);
      records_.push_back(std::move(record));
      ++batch.rows;
    }
    return batch.rows > 0 || !broken_.empty();
  }

  const std::vector<BadRow>& broken() const override { return broken_; }
  int64_t first_row() const override { return first_row_; }
  BadRow Describe(const RowProblem& problem) const override {
    const JsonRecord& record = records_[problem.row];
    BadRow bad = Describe(record, problem.reason);
    bad.value = problem.value;
    if (problem.column >= 0) bad.column = file_.columns()[static_cast<size_t>(problem.column)];
    bad.ReadMoney(binding_.money, [&](int column) -> std::string {
      for (const auto& [name, value] : record.row) {
        if (file_.ColumnOf(name) == column) return value;
      }
      return "";
    });
    return bad;
  }

 private:
  static BadRow Describe(const JsonRecord& record, std::string reason) {
    BadRow bad;
    bad.line = record.line;
    bad.row = record.number;
    bad.offset = record.offset;
    bad.raw = record.raw;
    bad.reason = std::move(reason);
    return bad;
  }
  void Place(const JsonRecord& record, RowBatch& batch) {
    for (absl::string_view& value : values_) value = absl::string_view();
    for (const auto& [name, value] : record.row) {
      if (const int column = file_.ColumnOf(name); column >= 0) {
        values_[static_cast<size_t>(column)] = value;
      } else if (!file_.knows_columns() && !value.empty()) {
        batch.problems.push_back(
            {static_cast<uint32_t>(batch.rows), kNoColumn,
             absl::StrCat(
                 "\"", base::EscapeForDisplay(name, 80),
                 "\" is in none of the first rows, which name the columns; write null there"),
             ""});
      }
    }
  }
  void AddRow(RowBatch& batch) {
    for (size_t i = 0; i < binding_.texts.size(); ++i) {
      const int column = binding_.texts[i].column;
      const absl::string_view text =
          column < 0 ? absl::string_view() : values_[static_cast<size_t>(column)];
      batch.codes[i].push_back(dictionaries_[i].texts.CodeOf(text));
      if (text.find('\0') == absl::string_view::npos) continue;
      batch.problems.push_back(
          {static_cast<uint32_t>(batch.rows), column, "the text holds NUL", std::string(text)});
    }
    for (size_t i = 0; i < binding_.amounts.size(); ++i) {
      const AmountSource& source = binding_.amounts[i];
      __int128 sum = 0;
      for (const AmountSource::Term& term : source.terms) {
        const absl::string_view text = values_[static_cast<size_t>(term.column)];
        if (text.empty() && source.may_be_empty) continue;
        __int128 amount = 0;
        const AmountKind kind = ParseAmount(text.data(), text.size(), &amount);
        const auto row = static_cast<uint32_t>(batch.rows);
        if (kind == AmountKind::kRounded) {
          ++batch.rounded;
          batch.rounded_rows.push_back(row);
        }
        if (kind == AmountKind::kBad) {
          batch.problems.push_back({row, term.column, AmountProblem(text), std::string(text)});
        } else if (__builtin_add_overflow(sum, term.minus ? -amount : amount, &sum)) {
          batch.problems.push_back(
              {row, term.column, "the sum of the row's amounts does not fit", std::string(text)});
        }
      }
      batch.units[i].push_back(sum);
    }
  }

  JsonBillFile& file_;
  const Binding& binding_;
  std::vector<SourceDictionary>& dictionaries_;
  const bool mine_;
  std::vector<absl::string_view> values_;  // of the row, by column
  std::vector<JsonRecord> records_;        // the batch's rows
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
