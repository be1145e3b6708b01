#include "costs/readers/parquet/column_decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/parquet/convert.h"
#include "json/json.h"

namespace purser::costs::parquet {
namespace {

constexpr uint32_t kUnknown = ~uint32_t{0};
constexpr uint32_t kNoText = kUnknown - 1;
// Of the texts and pairs that a map keeps.
constexpr size_t kMaxMapBytes = 16 << 20;

// Numbers of a page's values in a dictionary of texts: each entry of the page's own dictionary is
// looked up once.
class Numbers {
 public:
  uint32_t CodeOf(const LeafReader& reader, size_t value, TextDictionary& texts,
                  uint64_t generation) {
    if (!reader.uses_dictionary()) return Look(reader, reader.values(), value, texts);
    if (dictionary_ != reader.dictionary_number() || generation_ != generation) {
      dictionary_ = reader.dictionary_number();
      generation_ = generation;
      codes_.assign(reader.dictionary_size(), kUnknown);
    }
    const uint32_t number = reader.codes()[value];
    uint32_t& code = codes_[number];
    if (code == kUnknown) code = Look(reader, reader.dictionary(), number, texts);
    return code;
  }
  // Of a page without missing values that uses its dictionary: all at once. True when one is no
  // text.
  bool CodesOfPage(const LeafReader& reader, TextDictionary& texts, uint64_t generation,
                   std::vector<uint32_t>& out) {
    CodeOf(reader, 0, texts, generation);  // brings the numbers up to date
    const std::vector<uint32_t>& numbers = reader.codes();
    bool some_no_text = false;
    for (size_t i = 0; i < numbers.size(); ++i) {
      uint32_t& code = codes_[numbers[i]];
      if (code == kUnknown) code = Look(reader, reader.dictionary(), numbers[i], texts);
      some_no_text |= code == kNoText;
      out[i] = code;
    }
    return some_no_text;
  }

 private:
  uint32_t Look(const LeafReader& reader, const Values& values, size_t index,
                TextDictionary& texts) {
    absl::string_view text;
    if (!TextOf(reader.leaf(), values, index, scratch_, &text)) return kNoText;
    return texts.CodeOf(text);
  }

  int64_t dictionary_ = -1;
  uint64_t generation_ = 0;
  std::vector<uint32_t> codes_;
  std::string scratch_;
};

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
      PURSER_RETURN_IF_ERROR(LoadPage(dictionary));
    }
    *rows = std::min(*rows, codes_.size() - next_);
    return absl::OkStatus();
  }

  absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                    RowBatch& batch) override {
    codes.assign(codes_.begin() + static_cast<std::ptrdiff_t>(next_),
                 codes_.begin() + static_cast<std::ptrdiff_t>(next_ + rows));
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
  absl::Status LoadPage(SourceDictionary& dictionary) {
    PURSER_ASSIGN_OR_RETURN(const bool more, reader_.NextPage());
    if (!more) return reader_.TooFewRows();
    const size_t entries = reader_.entries();
    codes_.resize(entries);
    next_ = 0;
    some_no_text_ = false;
    if (reader_.uses_dictionary() && reader_.codes().size() == entries) {
      some_no_text_ = numbers_.CodesOfPage(reader_, dictionary.texts, dictionary.epoch, codes_);
      return absl::OkStatus();
    }
    const uint32_t missing = dictionary.texts.CodeOf("");
    const std::vector<uint32_t>& levels = reader_.definitions();
    const auto full = static_cast<uint32_t>(reader_.leaf().max_definition);
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
  Numbers numbers_;
  std::vector<uint32_t> codes_;  // of the page, by row
  size_t next_ = 0;
  uint32_t last_ = 0;
  bool some_no_text_ = false;
};

// The pairs of texts that a row has, numbered as a whole: their JSON is made once.
class Pairs {
 public:
  // Before rows are taken.
  void Prepare(SourceDictionary& dictionary) {
    dictionary.Trim();
    if (keys.bytes() + values.bytes() + tuples_.bytes() > kMaxMapBytes) {
      keys.Clear();
      values.Clear();
      tuples_.Clear();
      ++generation;
      codes_.clear();
    }
    if (epoch_ != dictionary.epoch) codes_.clear();
    epoch_ = dictionary.epoch;
  }
  // `pair` is the numbers of key and value, of the value kUnknown when there is none.
  uint32_t CodeOf(const std::vector<uint32_t>& pairs, SourceDictionary& dictionary) {
    const uint32_t tuple = tuples_.CodeOf(reinterpret_cast<const char*>(pairs.data()),
                                          pairs.size() * sizeof(uint32_t));
    if (codes_.size() <= tuple) codes_.resize(tuple + 1, kUnknown);
    if (codes_[tuple] != kUnknown) return codes_[tuple];
    std::string text = "{";
    for (size_t i = 0; i < pairs.size(); i += 2) {
      absl::StrAppend(
          &text, i > 0 ? "," : "", json::Dump(std::string(keys.TextOf(pairs[i]))), ":",
          pairs[i + 1] == kUnknown ? "null" : json::Dump(std::string(values.TextOf(pairs[i + 1]))));
    }
    text += "}";
    codes_[tuple] = dictionary.texts.CodeOf(text);
    return codes_[tuple];
  }

  TextDictionary keys, values;
  uint64_t generation = 0;

 private:
  TextDictionary tuples_;
  std::vector<uint32_t> codes_;
  uint64_t epoch_ = 0;
};

// Goes through the entries of a leaf over its pages.
class Cursor {
 public:
  Cursor(int file, const Leaf& leaf) : reader_(file, leaf) {}
  void Start(const ColumnChunk& chunk, const std::string& where) {
    reader_.Start(chunk, where);
    entry_ = value_ = 0;
    loaded_ = false;
  }
  // Whether an entry of the page is left; else ask Has.
  bool Ready() const { return loaded_ && entry_ < reader_.entries(); }
  // False behind the last entry.
  absl::StatusOr<bool> Has() {
    while (!loaded_ || entry_ == reader_.entries()) {
      PURSER_ASSIGN_OR_RETURN(loaded_, reader_.NextPage());
      entry_ = value_ = 0;
      if (!loaded_) return false;
    }
    return true;
  }
  bool BeginsRow() const {
    return reader_.repetitions().empty() || reader_.repetitions()[entry_] == 0;
  }
  bool HasElement() const { return Level() >= reader_.leaf().element_definition; }
  bool HasValue() const { return Level() == reader_.leaf().max_definition; }
  uint32_t Code(TextDictionary& texts, uint64_t generation) {
    return numbers_.CodeOf(reader_, value_, texts, generation);
  }
  void Advance() {
    value_ += HasValue();
    ++entry_;
  }
  const LeafReader& reader() const { return reader_; }

 private:
  int Level() const {
    return reader_.definitions().empty() ? 0 : static_cast<int>(reader_.definitions()[entry_]);
  }
  LeafReader reader_;
  Numbers numbers_;
  size_t entry_ = 0, value_ = 0;
  bool loaded_ = false;
};

class MapText final : public TextDecoder {
 public:
  MapText(int file, const Metadata& metadata, const Column& map, int column)
      : keys_(file, metadata.leaves[static_cast<size_t>(map.leaf)]),
        values_(file, metadata.leaves[static_cast<size_t>(map.value)]),
        map_(map),
        column_(column) {}

  void Start(const RowGroup& group, const std::string& where) override {
    keys_.Start(group.chunks[static_cast<size_t>(map_.leaf)], where);
    values_.Start(group.chunks[static_cast<size_t>(map_.value)], where);
  }
  absl::Status Prepare(SourceDictionary& dictionary, size_t*) override {
    pairs_.Prepare(dictionary);
    return absl::OkStatus();
  }

  absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                    RowBatch& batch) override {
    codes.resize(rows);
    for (size_t row = 0; row < rows; ++row) {
      row_.clear();
      bool good = true;
      for (bool first = true;; first = false) {
        bool has_key = keys_.Ready(), has_value = values_.Ready();
        if (!has_key) {
          PURSER_ASSIGN_OR_RETURN(has_key, keys_.Has());
        }
        if (!has_value) {
          PURSER_ASSIGN_OR_RETURN(has_value, values_.Has());
        }
        if (has_key != has_value || (first && !has_key)) return keys_.reader().TooFewRows();
        if (!has_key || (!first && keys_.BeginsRow())) break;
        if (keys_.BeginsRow() != values_.BeginsRow() ||
            keys_.HasElement() != values_.HasElement()) {
          return absl::InvalidArgumentError(absl::StrCat("column ", keys_.reader().leaf().path,
                                                         ": keys and values do not go together"));
        }
        if (keys_.HasElement()) {
          const uint32_t key =
              keys_.HasValue() ? keys_.Code(pairs_.keys, pairs_.generation) : kNoText;
          const uint32_t value =
              values_.HasValue() ? values_.Code(pairs_.values, pairs_.generation) : kUnknown;
          good = good && key != kNoText && value != kNoText;
          if (good) row_.insert(row_.end(), {key, value});
        }
        keys_.Advance();
        values_.Advance();
      }
      codes[row] = good ? pairs_.CodeOf(row_, dictionary) : dictionary.texts.CodeOf("");
      if (!good) {
        batch.problems.push_back(
            {static_cast<uint32_t>(row), column_, "a key is missing, or a text is not UTF-8", ""});
      }
    }
    return absl::OkStatus();
  }

 private:
  Cursor keys_, values_;
  const Column map_;
  const int column_;
  Pairs pairs_;
  std::vector<uint32_t> row_;
};

// Columns that are one tag each.
class MembersText final : public TextDecoder {
 public:
  MembersText(int file, const Metadata& metadata, const TextSource& source) : source_(source) {
    for (const auto& [key, column] : source.members) {
      const int leaf = metadata.columns[static_cast<size_t>(column)].leaf;
      leaves_.push_back(leaf);
      cursors_.emplace_back(file, metadata.leaves[static_cast<size_t>(leaf)]);
    }
  }
  void Start(const RowGroup& group, const std::string& where) override {
    for (size_t i = 0; i < cursors_.size(); ++i) {
      cursors_[i].Start(group.chunks[static_cast<size_t>(leaves_[i])], where);
    }
  }
  absl::Status Prepare(SourceDictionary& dictionary, size_t*) override {
    pairs_.Prepare(dictionary);
    return absl::OkStatus();
  }
  absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                    RowBatch& batch) override {
    codes.resize(rows);
    for (size_t row = 0; row < rows; ++row) {
      row_.clear();
      for (size_t i = 0; i < cursors_.size(); ++i) {
        PURSER_ASSIGN_OR_RETURN(const bool has, cursors_[i].Has());
        if (!has) return cursors_[i].reader().TooFewRows();
        if (cursors_[i].HasValue()) {
          const uint32_t value = cursors_[i].Code(pairs_.values, pairs_.generation);
          if (value == kNoText) {
            batch.problems.push_back({static_cast<uint32_t>(row), source_.members[i].second,
                                      "the text is not UTF-8", ""});
          } else if (!pairs_.values.TextOf(value).empty()) {
            row_.insert(row_.end(), {pairs_.keys.CodeOf(source_.members[i].first), value});
          }
        }
        cursors_[i].Advance();
      }
      codes[row] = pairs_.CodeOf(row_, dictionary);
    }
    return absl::OkStatus();
  }

 private:
  const TextSource& source_;
  std::vector<int> leaves_;
  std::vector<Cursor> cursors_;
  Pairs pairs_;
  std::vector<uint32_t> row_;
};

}  // namespace

std::unique_ptr<TextDecoder> TextDecoder::For(int file, const Metadata& metadata,
                                              const TextSource& source) {
  if (!source.members.empty()) return std::make_unique<MembersText>(file, metadata, source);
  const Column& column = metadata.columns[static_cast<size_t>(source.column)];
  if (column.value >= 0) return std::make_unique<MapText>(file, metadata, column, source.column);
  return std::make_unique<FlatText>(file, metadata.leaves[static_cast<size_t>(column.leaf)],
                                    column.leaf, source.column);
}

}  // namespace purser::costs::parquet
