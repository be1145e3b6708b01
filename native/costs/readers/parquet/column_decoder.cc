#include "costs/readers/parquet/column_decoder.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "costs/readers/parquet/map_decoder.h"
#include "costs/readers/parquet/page_numbers.h"
#include "costs/readers/parquet/tag_decoder.h"

namespace purser::costs::parquet {
namespace {

class FlatText final : public TextDecoder {
 public:
  FlatText(int file, const Leaf& leaf, int leaf_number, int column)
      : reader_(file, leaf), leaf_(leaf_number), column_(column) {}

  void Start(const RowGroup& group, const std::string& where) override {
    reader_.Start(group.chunks[static_cast<size_t>(leaf_)], where);
    next_ = 0;
    codes_.clear();
  }

  absl::Status Prepare(SourceDictionary& dictionary, size_t* rows) override {
    if (next_ == codes_.size()) {
      dictionary.Trim();
      PURSER_RETURN_IF_ERROR(LoadSlice(dictionary));
    }
    *rows = std::min(*rows, codes_.size() - next_);
    return absl::OkStatus();
  }

  absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                    RowBatch& batch) override {
    if (rows == codes_.size()) {
      std::swap(codes, codes_);  // a slice as a whole; it is not looked at again
      codes_.resize(rows);
    } else {
      codes.assign(codes_.begin() + static_cast<std::ptrdiff_t>(next_),
                   codes_.begin() + static_cast<std::ptrdiff_t>(next_ + rows));
    }
    next_ += rows;
    if (!some_no_text_) return absl::OkStatus();
    for (size_t row = 0; row < rows; ++row) {
      if (codes[row] != kNoText) continue;
      codes[row] = dictionary.texts.CodeOf("");
      batch.problems.push_back({static_cast<uint32_t>(row), column_, "the text is not UTF-8", ""});
    }
    return absl::OkStatus();
  }

 private:
  absl::Status LoadSlice(SourceDictionary& dictionary) {
    PURSER_ASSIGN_OR_RETURN(const bool more, reader_.NextSlice());
    if (!more) return reader_.TooFewRows();
    const size_t entries = reader_.entries();
    codes_.resize(entries);
    next_ = 0;
    some_no_text_ = false;
    if (reader_.all_same()) {
      const uint32_t code = numbers_.CodeOf(reader_, 0, dictionary.texts, dictionary.epoch);
      std::fill(codes_.begin(), codes_.end(), code);
      some_no_text_ = code == kNoText;
      return absl::OkStatus();
    }
    if (reader_.uses_dictionary() && reader_.codes().size() == entries) {
      some_no_text_ = numbers_.CodesOfPage(reader_, dictionary.texts, dictionary.epoch, codes_);
      return absl::OkStatus();
    }
    const uint32_t missing = dictionary.texts.CodeOf("");
    const std::vector<uint8_t>& levels = reader_.definitions();
    const auto full = static_cast<uint8_t>(reader_.leaf().max_definition);
    size_t value = 0;
    // Times repeat, and their texts cost more than a look at the last one.
    const bool integers = !reader_.uses_dictionary() && !reader_.values().integers.empty();
    for (size_t i = 0; i < entries; ++i) {
      if (!levels.empty() && levels[i] < full) {
        codes_[i] = missing;
        continue;
      }
      if (integers && value > 0 &&
          reader_.values().integers[value] == reader_.values().integers[value - 1]) {
        codes_[i] = last_;
      } else {
        last_ = codes_[i] = numbers_.CodeOf(reader_, value, dictionary.texts, dictionary.epoch);
        some_no_text_ |= codes_[i] == kNoText;
      }
      ++value;
    }
    return absl::OkStatus();
  }

  LeafReader reader_;
  const int leaf_;
  const int column_;
  PageNumbers numbers_;
  std::vector<uint32_t> codes_;  // of the slice, by row
  size_t next_ = 0;
  uint32_t last_ = 0;
  bool some_no_text_ = false;
};

}  // namespace

std::vector<std::unique_ptr<TextDecoder>> NewTextDecoders(int file, const Metadata& metadata,
                                                          const std::vector<TextSource>& sources) {
  std::vector<std::unique_ptr<TextDecoder>> decoders(sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    const TextSource& source = sources[i];
    if (decoders[i] != nullptr) continue;  // with a tag before
    if (!source.members.empty()) {
      decoders[i] = NewMembersDecoder(file, metadata, source);
      continue;
    }
    const Column& column = metadata.columns[static_cast<size_t>(source.column)];
    if (column.value < 0) {
      decoders[i] = std::make_unique<FlatText>(
          file, metadata.leaves[static_cast<size_t>(column.leaf)], column.leaf, source.column);
    } else if (source.tag.empty()) {
      decoders[i] = NewMapDecoder(file, metadata, column, source.column);
    } else {
      std::vector<size_t> tags;
      std::vector<std::string> keys;
      for (size_t j = i; j < sources.size(); ++j) {
        if (sources[j].column != source.column || sources[j].tag.empty()) continue;
        tags.push_back(j);
        keys.push_back(sources[j].tag);
      }
      auto together = NewTagDecoders(file, metadata, column, source.column, keys);
      for (size_t j = 0; j < tags.size(); ++j) decoders[tags[j]] = std::move(together[j]);
    }
  }
  return decoders;
}

}  // namespace purser::costs::parquet
