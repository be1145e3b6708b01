#include "costs/readers/parquet/map_decoder.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/parquet/page_numbers.h"
#include "costs/readers/tags.h"
#include "json/writer.h"

namespace purser::costs::parquet {
namespace {

// Of the texts and pairs that a map keeps.
constexpr size_t kMaxMapBytes = 16 << 20;
// Few bytes of a file may be many entries with long texts: of what is made of the rows of a batch,
// and the entries of a row whose text is not too long in any case ("":"",).
constexpr size_t kMaxMadeBytes = 64 << 20;
constexpr size_t kMaxRowNumbers = 2 * (kMaxTagsBytes / 6);

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
    made_ = 0;
  }
  // `pair` is the numbers of key and value, of the value kUnknown when there is none. kNoText when
  // the text would be longer than tags may be.
  uint32_t CodeOf(const std::vector<uint32_t>& pairs, SourceDictionary& dictionary) {
    const uint32_t tuple = tuples_.CodeOf(reinterpret_cast<const char*>(pairs.data()),
                                          pairs.size() * sizeof(uint32_t));
    if (codes_.size() <= tuple) codes_.resize(tuple + 1, kUnknown);
    if (codes_[tuple] != kUnknown) return codes_[tuple];
    std::string text = "{";
    for (size_t i = 0; i < pairs.size(); i += 2) {
      if (text.size() > kMaxTagsBytes) return codes_[tuple] = kNoText;
      if (i > 0) text += ',';
      json::AppendQuoted(keys.TextOf(pairs[i]), &text);
      text += ':';
      if (pairs[i + 1] == kUnknown) {
        text += "null";
      } else {
        json::AppendQuoted(values.TextOf(pairs[i + 1]), &text);
      }
    }
    text += "}";
    made_ += text.size();
    codes_[tuple] = dictionary.texts.CodeOf(text);
    return codes_[tuple];
  }

  absl::Status CheckMade() const {
    if (made_ <= kMaxMadeBytes) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat("the maps of few rows have more than ",
                                                     kMaxMadeBytes, " bytes (kMaxMadeBytes)"));
  }

  TextDictionary keys, values;
  uint64_t generation = 0;

 private:
  size_t made_ = 0;  // since Prepare
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
      PURSER_ASSIGN_OR_RETURN(loaded_, reader_.NextSlice());
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
  // Of an entry of the page's own dictionary.
  uint32_t CodeOfNumber(uint32_t number, TextDictionary& texts, uint64_t generation) {
    return numbers_.CodeOfNumber(reader_, number, texts, generation);
  }
  void Advance() {
    value_ += HasValue();
    ++entry_;
  }
  // Of an entry that begins a row: how many entries the row has; 0 when it may go on in the next
  // slice.
  size_t RowEntries() const {
    const uint8_t* const levels = reader_.repetitions().data() + entry_;
    const size_t left = reader_.repetitions().size() - entry_;
    size_t end = 1;
    while (end < left && levels[end] != 0) ++end;
    return end < left ? end : 0;
  }
  // Whether the next `count` entries are a row that another one begins behind.
  bool IsRow(size_t count) const {
    const uint8_t* const levels = reader_.repetitions().data() + entry_;
    if (reader_.repetitions().size() - entry_ <= count) return false;
    bool same = levels[0] == 0 && levels[count] == 0;
    for (size_t i = 1; i < count; ++i) same &= levels[i] != 0;
    return same;
  }
  // The numbers of the next `count` values in the page's own dictionary; null when one is missing
  // or there is no dictionary.
  const uint32_t* PageNumbersOf(size_t count) const {
    if (!reader_.uses_dictionary()) return nullptr;
    if (!reader_.definitions().empty()) {
      const auto full = static_cast<uint8_t>(reader_.leaf().max_definition);
      const uint8_t* const levels = reader_.definitions().data() + entry_;
      bool all = true;
      for (size_t i = 0; i < count; ++i) all &= levels[i] == full;
      if (!all) return nullptr;
    }
    return reader_.codes().data() + value_;
  }
  void Skip(size_t entries, size_t values) {
    entry_ += entries;
    value_ += values;
  }
  const LeafReader& reader() const { return reader_; }

 private:
  int Level() const {
    return reader_.definitions().empty() ? reader_.leaf().max_definition
                                         : static_cast<int>(reader_.definitions()[entry_]);
  }
  LeafReader reader_;
  PageNumbers numbers_;
  size_t entry_ = 0, value_ = 0;
  bool loaded_ = false;
};

// Rows by the numbers of their keys and values in the pages' own dictionaries, a block of them at a
// time: a row that was met before is found as a whole, and memory is on its way to one row while
// others are looked at.
class RowBlock {
 public:
  static constexpr size_t kRows = 32;

  // Before rows are taken.
  void Prepare(const SourceDictionary& dictionary, uint64_t generation) {
    if (epoch_ == dictionary.epoch && generation_ == generation && met_.bytes() <= kMaxMapBytes) {
      return;
    }
    epoch_ = dictionary.epoch;
    generation_ = generation;
    Forget();
  }

  // Takes the row that begins here into the block. False when it must be taken pair by pair: not
  // all of it is in the pages at hand and their dictionaries.
  bool Take(Cursor& keys, Cursor& values) {
    if (!keys.Ready() || !values.Ready() || !keys.BeginsRow()) return false;
    const size_t entries = keys.RowEntries();
    if (entries == 0 || entries > kMaxPairs || !values.IsRow(entries)) return false;
    size_t pairs = entries;
    uint32_t* const numbers = numbers_[rows_];
    if (entries == 1 && !keys.HasElement() && !values.HasElement()) {
      pairs = 0;
    } else {
      const uint32_t* const key_numbers = keys.PageNumbersOf(entries);
      const uint32_t* const value_numbers = values.PageNumbersOf(entries);
      if (key_numbers == nullptr || value_numbers == nullptr) return false;
      for (size_t i = 0; i < pairs; ++i) {  // too few for a call
        numbers[i] = key_numbers[i];
        numbers[pairs + i] = value_numbers[i];
      }
    }
    if (rows_ == 0 && (keys_dictionary_ != keys.reader().dictionary_number() ||
                       values_dictionary_ != values.reader().dictionary_number())) {
      keys_dictionary_ = keys.reader().dictionary_number();
      values_dictionary_ = values.reader().dictionary_number();
      Forget();
    }
    keys.Skip(entries, pairs);
    values.Skip(entries, pairs);
    pairs_[rows_] = pairs;
    hashes_[rows_] = HashBytes(Bytes(rows_), Size(rows_));
    met_.PrefetchSlot(hashes_[rows_]);
    ++rows_;
    return true;
  }
  size_t rows() const { return rows_; }

  // Ends the block, before its pages are left: `on_row` gets each row's code, and `make` is asked
  // for those not met before, by the numbers of the keys and, behind them, of the values.
  template <typename Make, typename OnRow>
  void End(const Make& make, const OnRow& on_row) {
    for (size_t i = 0; i < rows_; ++i) met_.PrefetchEntry(hashes_[i]);
    for (size_t i = 0; i < rows_; ++i) met_.PrefetchText(hashes_[i]);
    for (size_t i = 0; i < rows_; ++i) {
      const uint32_t number = met_.CodeOf(Bytes(i), Size(i), hashes_[i]);
      if (number >= codes_.size()) codes_.resize(number + 1, kUnknown);
      uint32_t& code = codes_[number];
      if (code == kUnknown) code = make(numbers_[i], pairs_[i]);
      on_row(code);
    }
    rows_ = 0;
  }

 private:
  static constexpr size_t kMaxPairs = 16;
  const char* Bytes(size_t row) const { return reinterpret_cast<const char*>(numbers_[row]); }
  size_t Size(size_t row) const { return 2 * pairs_[row] * sizeof(uint32_t); }
  void Forget() {
    met_.Clear();
    codes_.clear();
  }

  uint64_t epoch_ = 0, generation_ = 0;
  int64_t keys_dictionary_ = -1, values_dictionary_ = -1;
  TextDictionary met_;
  std::vector<uint32_t> codes_;
  size_t rows_ = 0;
  uint32_t numbers_[kRows][2 * kMaxPairs] = {};
  size_t pairs_[kRows] = {};
  uint64_t hashes_[kRows] = {};
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
    block_.Prepare(dictionary, pairs_.generation);
    return absl::OkStatus();
  }

  absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                    RowBatch& batch) override {
    codes.resize(rows);
    size_t done = 0;
    while (done < rows) {
      PURSER_RETURN_IF_ERROR(pairs_.CheckMade());
      while (done + block_.rows() < rows && block_.rows() < RowBlock::kRows &&
             block_.Take(keys_, values_)) {
      }
      if (block_.rows() > 0) {
        block_.End([&](const uint32_t* numbers,
                       size_t pairs) { return CodeOfNumbers(numbers, pairs, dictionary); },
                   [&](uint32_t code) { Put(code, done++, dictionary, codes, batch); });
        continue;
      }
      PURSER_ASSIGN_OR_RETURN(const bool good, ReadRow());
      Put(good ? pairs_.CodeOf(row_, dictionary) : kNoText, done++, dictionary, codes, batch);
    }
    return absl::OkStatus();
  }

 private:
  // The pairs of the next row into row_. False when one of them is no text.
  absl::StatusOr<bool> ReadRow() {
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
      if (!has_key || (!first && keys_.BeginsRow())) return good;
      if (keys_.BeginsRow() != values_.BeginsRow() || keys_.HasElement() != values_.HasElement()) {
        return absl::InvalidArgumentError(absl::StrCat("column ", keys_.reader().leaf().path,
                                                       ": keys and values do not go together"));
      }
      if (keys_.HasElement()) {
        const uint32_t key =
            keys_.HasValue() ? keys_.Code(pairs_.keys, pairs_.generation) : kNoText;
        const uint32_t value =
            values_.HasValue() ? values_.Code(pairs_.values, pairs_.generation) : kUnknown;
        good = good && key != kNoText && value != kNoText && row_.size() < kMaxRowNumbers;
        if (good) row_.insert(row_.end(), {key, value});
      }
      keys_.Advance();
      values_.Advance();
    }
  }
  // kNoText when a key or a value is none.
  uint32_t CodeOfNumbers(const uint32_t* numbers, size_t pairs, SourceDictionary& dictionary) {
    row_.clear();
    for (size_t i = 0; i < pairs; ++i) {
      const uint32_t key = keys_.CodeOfNumber(numbers[i], pairs_.keys, pairs_.generation);
      const uint32_t value =
          values_.CodeOfNumber(numbers[pairs + i], pairs_.values, pairs_.generation);
      if (key == kNoText || value == kNoText) return kNoText;
      row_.insert(row_.end(), {key, value});
    }
    return pairs_.CodeOf(row_, dictionary);
  }
  void Put(uint32_t code, size_t row, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
           RowBatch& batch) const {
    codes[row] = code == kNoText ? dictionary.texts.CodeOf("") : code;
    if (code != kNoText) return;
    batch.problems.push_back(
        {static_cast<uint32_t>(row), column_,
         absl::StrCat("a key is missing, a text is not UTF-8, or there are more than ",
                      kMaxTagsBytes, " bytes (kMaxTagsBytes)"),
         ""});
  }

  Cursor keys_, values_;
  const Column map_;
  const int column_;
  Pairs pairs_;
  RowBlock block_;
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
      PURSER_RETURN_IF_ERROR(pairs_.CheckMade());
      if (codes[row] != kNoText) continue;
      codes[row] = dictionary.texts.CodeOf("");
      batch.problems.push_back(
          {static_cast<uint32_t>(row), source_.members[0].second,
           absl::StrCat("the tags have more than ", kMaxTagsBytes, " bytes (kMaxTagsBytes)"), ""});
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

std::unique_ptr<TextDecoder> NewMapDecoder(int file, const Metadata& metadata, const Column& map,
                                           int column) {
  return std::make_unique<MapText>(file, metadata, map, column);
}

std::unique_ptr<TextDecoder> NewMembersDecoder(int file, const Metadata& metadata,
                                               const TextSource& source) {
  return std::make_unique<MembersText>(file, metadata, source);
}

}  // namespace purser::costs::parquet
