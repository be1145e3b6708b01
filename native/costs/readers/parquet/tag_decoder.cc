#include "costs/readers/parquet/tag_decoder.h"

#include <cstdint>
#include <utility>

#include "base/status.h"
#include "costs/readers/parquet/page_numbers.h"
#include "costs/readers/parquet/tag_reader.h"

namespace purser::costs::parquet {
namespace {

class TagText final : public TextDecoder {
 public:
  TagText(std::shared_ptr<TagReader> reader, size_t tag, int column)
      : reader_(std::move(reader)), tag_(tag), column_(column) {}

  void Start(const RowGroup& group, const std::string& where) override {
    if (tag_ == 0) reader_->Start(group, where);
    next_ = 0;
  }
  absl::Status Prepare(SourceDictionary& dictionary, size_t* rows) override {
    PURSER_RETURN_IF_ERROR(reader_->Prepare(next_, rows));
    dictionary.Trim();
    if (epoch_ != dictionary.epoch || generation_ != reader_->generation()) codes_.clear();
    epoch_ = dictionary.epoch;
    generation_ = reader_->generation();
    codes_.resize(reader_->texts().size(), kUnknown);
    return absl::OkStatus();
  }
  absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                    RowBatch& batch) override {
    codes.resize(rows);
    const uint32_t* const numbers = reader_->TextsOf(tag_);
    uint32_t most = 0;
    for (size_t row = 0; row < rows; ++row) {
      codes[row] = codes_[numbers[row]];
      most = std::max(most, codes[row]);
    }
    for (size_t row = 0; most == kUnknown && row < rows; ++row) {
      if (codes[row] != kUnknown) continue;
      const bool wrong = numbers[row] == TagReader::kWrongText;
      if (wrong) Tell(row, "the text is not UTF-8", batch);
      codes[row] = dictionary.texts.CodeOf(wrong ? "" : reader_->texts().TextOf(numbers[row]));
      if (!wrong) codes_[numbers[row]] = codes[row];
    }
    for (const TagReader::Wrong& wrong : reader_->wrong()) {
      if (tag_ == 0 && wrong.row < rows) Tell(wrong.row, wrong.reason, batch);
    }
    next_ += rows;
    return absl::OkStatus();
  }

 private:
  void Tell(size_t row, const char* reason, RowBatch& batch) const {
    batch.problems.push_back({static_cast<uint32_t>(row), column_, reason, ""});
  }

  const std::shared_ptr<TagReader> reader_;
  const size_t tag_;
  const int column_;
  size_t next_ = 0;              // of the row group
  std::vector<uint32_t> codes_;  // by the reader's number of the text
  uint64_t epoch_ = 0, generation_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<TextDecoder>> NewTagDecoders(int file, const Metadata& metadata,
                                                         const Column& map, int column,
                                                         const std::vector<std::string>& keys) {
  const auto reader = std::make_shared<TagReader>(file, metadata, map, keys);
  std::vector<std::unique_ptr<TextDecoder>> decoders;
  for (size_t tag = 0; tag < keys.size(); ++tag) {
    decoders.push_back(std::make_unique<TagText>(reader, tag, column));
  }
  return decoders;
}

}  // namespace purser::costs::parquet
