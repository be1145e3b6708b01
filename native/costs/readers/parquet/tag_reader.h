// The values of some tags of a column of maps, of all rows: the inside of the tags' decoders.
#ifndef PURSER_COSTS_READERS_PARQUET_TAG_READER_H_
#define PURSER_COSTS_READERS_PARQUET_TAG_READER_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/parquet/level_masks.h"
#include "costs/readers/parquet/metadata.h"
#include "costs/readers/parquet/page_numbers.h"
#include "costs/readers/text_dictionary.h"

namespace purser::costs::parquet {

// Of the texts that a reader keeps.
inline constexpr size_t kMaxTagTextBytes = 16 << 20;

// A leaf with the place in its slice.
struct TagSide {
  TagSide(int file, const Leaf& leaf)
      : reader(file, leaf), full(static_cast<uint8_t>(leaf.max_definition)) {}

  size_t left() const { return loaded ? reader.entries() - entry : 0; }
  absl::Status Load() {
    PURSER_ASSIGN_OR_RETURN(loaded, reader.NextSlice());
    entry = value = 0;
    if (loaded && reader.definitions().empty()) all_full.resize(reader.entries(), full);
    return absl::OkStatus();
  }
  const uint8_t* repetitions() const { return reader.repetitions().data() + entry; }
  const uint8_t* definitions() const {
    return reader.definitions().empty() ? all_full.data() : reader.definitions().data() + entry;
  }
  // Of the values that are there among the next entries.
  size_t Values(size_t entries) const { return CountOfLevel(definitions(), entries, full); }

  LeafReader reader;
  const uint8_t full;  // the level of a value that is there
  size_t entry = 0, value = 0;
  bool loaded = false;
  std::vector<uint8_t> all_full;
};

// The asked tags' values of all rows, slice after slice. A row has a cell for each name of each
// tag (of the names that only users' tags have, once such are met): the entries of a slice are put
// into them without a question, and what was found is looked at afterwards.
class TagReader {
 public:
  // Numbers that texts() always has: of a tag that is missing, of one without a value, and of what
  // is not UTF-8.
  static constexpr uint32_t kMissingText = 0, kTrueText = 1, kWrongText = 2;

  TagReader(int file, const Metadata& metadata, const Column& map,
            const std::vector<std::string>& keys)
      : map_(map),
        keys_(file, metadata.leaves[static_cast<size_t>(map.leaf)]),
        values_(file, metadata.leaves[static_cast<size_t>(map.value)]),
        tags_(keys.size()) {
    size_t name = 0;
    for (const char* const mark : {"", "user:", "user_"}) {  // as FindTag
      for (size_t tag = 0; tag < keys.size(); ++tag) {
        const auto next = static_cast<uint16_t>(cell_of_name_.size() + 1);
        const uint16_t cell =
            cell_of_name_.emplace(absl::StrCat(mark, keys[tag]), next).first->second;
        if (name > 0) marked_.insert(cell);
        tags_[tag].cells[name] = cell - 1;
      }
      if (name++ == 0) cells_ = cell_of_name_.size();
    }
    NumberTexts();
  }

  void Start(const RowGroup& group, const std::string& where) {
    keys_.reader.Start(group.chunks[static_cast<size_t>(map_.leaf)], where);
    values_.reader.Start(group.chunks[static_cast<size_t>(map_.value)], where);
    keys_.loaded = values_.loaded = open_ = ended_ = false;
    for (Tag& tag : tags_) tag.texts.clear();
    wrong_.clear();
    rows_ = 0;
    begin_ = 0;
  }

  // Makes rows from the row group's row `row` on ready, and brings *rows down to them.
  absl::Status Prepare(size_t row, size_t* rows) {
    Drop(row - begin_);
    const auto ready = [&] { return rows_ - (open_ ? 1 : 0); };
    while (ready() < *rows && !ended_) PURSER_RETURN_IF_ERROR(LoadRows());
    if (ready() == 0) return keys_.reader.TooFewRows();
    *rows = std::min(*rows, ready());
    return absl::OkStatus();
  }

  // By row from the prepared one on: numbers of texts().
  const uint32_t* TextsOf(size_t tag) const { return tags_[tag].texts.data(); }
  const TextDictionary& texts() const { return texts_; }
  // Changes when the texts are numbered anew, which happens in Prepare.
  uint64_t generation() const { return generation_; }
  struct Wrong {
    size_t row;  // from the prepared one on
    const char* reason;
  };
  const std::vector<Wrong>& wrong() const { return wrong_; }

 private:
  // What is found in a row under a name: the number of the value's entry in the page's dictionary,
  // or its place among the slice's values; `missing_` when it is not there, `missing_ + 1` of a key
  // alone.
  using Cell = uint32_t;
  static constexpr size_t kNames = 3;
  struct Tag {
    size_t cells[kNames];         // of its names in a row
    std::vector<uint32_t> texts;  // numbers of texts() by row
  };

  // The rows of the next entries that both leaves have at hand.
  absl::Status LoadRows() {
    if (texts_.bytes() > kMaxTagTextBytes) NumberTexts();
    for (TagSide* const side : {&keys_, &values_}) {
      if (side->left() == 0) PURSER_RETURN_IF_ERROR(side->Load());
    }
    const size_t entries = std::min(keys_.left(), values_.left());
    if (entries == 0) {
      if (keys_.left() != values_.left()) return NotTogether();
      ended_ = true;
      open_ = false;
      return absl::OkStatus();
    }
    PURSER_RETURN_IF_ERROR(CheckLevels(entries));
    const size_t keys = keys_.Values(entries), values = values_.Values(entries);
    LookAtKeys(keys);
    LookAtValues(values);
    const size_t loaded = (open_ ? 1 : 0) + CountOfLevel(keys_.repetitions(), entries, 0);
    if (!Scatter(entries, loaded)) TellWrong(entries);
    TakeCells(loaded);
    keys_.entry += entries;
    keys_.value += keys;
    values_.entry += entries;
    values_.value += values;
    return absl::OkStatus();
  }

  absl::Status NotTogether() const {
    return absl::InvalidArgumentError(
        absl::StrCat("column ", keys_.reader.leaf().path, ": keys and values do not go together"));
  }
  absl::Status CheckLevels(size_t entries) const {
    const uint8_t* const rows = keys_.repetitions();
    if (std::memcmp(rows, values_.repetitions(), entries) != 0) return NotTogether();
    if (!open_ && rows[0] != 0) return keys_.reader.TooFewRows();
    const auto key_element = static_cast<uint8_t>(keys_.reader.leaf().element_definition);
    const auto value_element = static_cast<uint8_t>(values_.reader.leaf().element_definition);
    const uint8_t* const key_levels = keys_.definitions();
    const uint8_t* const value_levels = values_.definitions();
    uint8_t apart = 0;
    for (size_t i = 0; i < entries; ++i) {
      apart |= static_cast<uint8_t>(key_levels[i] >= key_element) ^
               static_cast<uint8_t>(value_levels[i] >= value_element);
    }
    return apart == 0 ? absl::OkStatus() : NotTogether();
  }

  // The cells that the next keys' values belong into: 0 of those not asked for.
  void LookAtKeys(size_t count) {
    const LeafReader& reader = keys_.reader;
    key_cells_.resize(count + kMaskBits);  // which may be read
    if (!reader.uses_dictionary()) {
      for (size_t i = 0; i < count; ++i) key_cells_[i] = CellOf(reader.values(), keys_.value + i);
      return;
    }
    if (dictionary_ != reader.dictionary_number()) {
      dictionary_ = reader.dictionary_number();
      dictionary_cells_.resize(reader.dictionary_size());
      for (size_t i = 0; i < dictionary_cells_.size(); ++i) {
        dictionary_cells_[i] = CellOf(reader.dictionary(), i);
      }
    }
    const uint32_t* const numbers = reader.codes().data() + keys_.value;
    for (size_t i = 0; i < count; ++i) key_cells_[i] = dictionary_cells_[numbers[i]];
  }
  uint16_t CellOf(const Values& values, size_t index) {
    absl::string_view key;
    if (!TextOf(keys_.reader.leaf(), values, index, scratch_, &key)) return 0;
    const auto found = cell_of_name_.find(key);
    if (found == cell_of_name_.end()) return 0;
    if (!some_marked_ && marked_.contains(found->second)) {
      some_marked_ = true;
      cells_ = cell_of_name_.size();
      open_texts_.resize(cells_, kUnknown);
    }
    return found->second;
  }
  void LookAtValues(size_t count) {
    const LeafReader& reader = values_.reader;
    value_cells_.resize(count);
    if (reader.uses_dictionary()) {
      std::copy_n(reader.codes().begin() + static_cast<std::ptrdiff_t>(values_.value), count,
                  value_cells_.begin());
      missing_ = static_cast<Cell>(reader.dictionary_size());
      if (texts_of_dictionary_ == reader.dictionary_number()) return;
      texts_of_dictionary_ = reader.dictionary_number();
    } else {
      std::iota(value_cells_.begin(), value_cells_.end(), static_cast<Cell>(values_.value));
      missing_ = static_cast<Cell>(values_.value + count);
      texts_of_dictionary_ = kNoDictionary;
    }
    texts_of_cells_.assign(missing_ + 2, kUnknown);
    texts_of_cells_[missing_] = kMissingText;
    texts_of_cells_[missing_ + 1] = kTrueText;
  }

  // Puts the values into the cells of `rows` rows, the first of which is the open one if there is
  // one. False when a row is wrong.
  bool Scatter(size_t entries, size_t rows) {
    row_cells_.assign(rows * cells_, missing_);
    const uint8_t key_full = keys_.full;
    const uint8_t* const key_levels = keys_.definitions();
    const uint8_t* levels[] = {keys_.repetitions(), key_levels, values_.definitions()};
    uint8_t rest[std::size(levels)][kMaskBits] = {};
    uint8_t rows_upto[kMaskBits], keys_upto[kMaskBits], values_upto[kMaskBits];
    // The rows begun, keys and values of the entries before; of rows without the first.
    size_t row = open_ ? 0 : ~size_t{0}, key = 0, value = 0, put = 0;
    for (size_t first = 0; first < entries; first += kMaskBits) {
      const size_t count = std::min(kMaskBits, entries - first);
      if (count < kMaskBits) {
        for (size_t i = 0; i < std::size(levels); ++i) {
          std::memcpy(rest[i], levels[i], count);
          levels[i] = rest[i];
        }
      }
      CountLevel(levels[0], 0, rows_upto);
      const uint64_t with_key = CountLevel(levels[1], key_full, keys_upto) & LowBits(count);
      CountLevel(levels[2], values_.full, values_upto);
      const size_t keys = keys_upto[count - 1];
      const uint64_t asked = MaskOfNotZero(key_cells_.data() + key) & LowBits(keys);
      for (uint64_t left = SpreadOver(asked, with_key); left != 0; left &= left - 1) {
        const auto i = static_cast<size_t>(std::countr_zero(left));
        const size_t name = key_cells_[key + keys_upto[i] - 1];
        const bool has_value = levels[2][i] == values_.full;
        const Cell found = has_value ? value_cells_[value + values_upto[i] - 1] : missing_ + 1;
        row_cells_[(row + rows_upto[i]) * cells_ + name - 1] = found;
        ++put;
      }
      row += rows_upto[count - 1];
      key += keys;
      value += values_upto[count - 1];
      for (const uint8_t*& next : levels) next += kMaskBits;
    }
    // Each name has a cell of its own, or it is there twice; and each element has a key.
    const auto full = std::count_if(row_cells_.begin(), row_cells_.end(),
                                    [&](Cell cell) { return cell != missing_; });
    bool good = put == static_cast<size_t>(full);
    if (keys_.reader.leaf().element_definition < key_full) {
      const auto element = static_cast<uint8_t>(keys_.reader.leaf().element_definition);
      for (size_t i = 0; i < entries; ++i) {
        good &= (key_levels[i] < element) | (key_levels[i] == key_full);
      }
    }
    for (size_t name = 0; open_ && name < cells_; ++name) {
      good &= row_cells_[name] == missing_ || open_texts_[name] == kUnknown;
    }
    return good;
  }

  // As Scatter, entry by entry: which rows are wrong.
  void TellWrong(size_t entries) {
    const uint8_t* const levels = keys_.definitions();
    const auto element = static_cast<uint8_t>(keys_.reader.leaf().element_definition);
    std::vector<bool> met(1 + cells_);
    for (size_t name = 1; open_ && name <= cells_; ++name) {
      met[name] = open_texts_[name - 1] != kUnknown;
    }
    size_t row = rows_ - 1;  // the open one, or that before the first
    size_t key = 0;
    for (size_t i = 0; i < entries; ++i) {
      if (keys_.repetitions()[i] == 0) {
        ++row;
        met.assign(met.size(), false);
      }
      if (levels[i] < keys_.full) {
        if (levels[i] >= element) wrong_.push_back({row, "a key is missing"});
        continue;
      }
      const size_t name = key_cells_[key++];
      if (name != 0 && met[name]) wrong_.push_back({row, "a tag is there twice"});
      met[name] = true;
    }
  }

  // From the cells to the texts of the rows; the last one stays open.
  void TakeCells(size_t loaded) {
    const size_t begin = rows_ - (open_ ? 1 : 0);
    rows_ = begin + loaded;
    const Cell* const cells = row_cells_.data();
    for (Tag& tag : tags_) {
      tag.texts.resize(rows_);
      uint32_t* const texts = tag.texts.data() + begin;
      const Cell* const own = cells + tag.cells[0];
      uint32_t most = 0;
      for (size_t row = 0; row < loaded; ++row) {
        texts[row] = texts_of_cells_[own[row * cells_]];
        most = std::max(most, texts[row]);
      }
      if (most != kUnknown && !some_marked_) continue;
      for (size_t row = 0; row < loaded; ++row) texts[row] = FirstText(tag, cells + row * cells_);
    }
    if (open_) {
      KeepOpen(cells);
      for (Tag& tag : tags_) {
        const auto there = std::find_if(
            std::begin(tag.cells), std::end(tag.cells),
            [&](size_t cell) { return cell < cells_ && open_texts_[cell] != kUnknown; });
        tag.texts[begin] = there == std::end(tag.cells) ? kMissingText : open_texts_[*there];
      }
      if (loaded == 1) return;  // it goes on
    }
    open_ = true;
    open_texts_.assign(cells_, kUnknown);
    KeepOpen(cells + (loaded - 1) * cells_);
  }
  // A tag's text: under its own name, else under that of a user's tag.
  uint32_t FirstText(const Tag& tag, const Cell* row) {
    for (const size_t cell : tag.cells) {
      if (cell < cells_ && row[cell] != missing_) return TextOfCell(row[cell]);
    }
    return kMissingText;
  }
  uint32_t TextOfCell(Cell cell) {
    uint32_t& number = texts_of_cells_[cell];
    if (number != kUnknown) return number;
    const LeafReader& reader = values_.reader;
    absl::string_view text;
    const bool good =
        TextOf(reader.leaf(), reader.uses_dictionary() ? reader.dictionary() : reader.values(),
               cell, scratch_, &text);
    return number = good ? texts_.CodeOf(text) : kWrongText;
  }
  // What the row that may go on has so far: the next slice has other numbers.
  void KeepOpen(const Cell* cells) {
    for (size_t name = 0; name < cells_; ++name) {
      if (cells[name] != missing_) open_texts_[name] = TextOfCell(cells[name]);
    }
  }

  void Drop(size_t rows) {
    if (rows == 0) return;
    for (Tag& tag : tags_) {
      tag.texts.erase(tag.texts.begin(), tag.texts.begin() + static_cast<std::ptrdiff_t>(rows));
    }
    std::erase_if(wrong_, [&](const Wrong& one) { return one.row < rows; });
    for (Wrong& one : wrong_) one.row -= rows;
    rows_ -= rows;
    begin_ += rows;
  }

  // Begins the texts anew, with those that are still referred to.
  void NumberTexts() {
    const TextDictionary old = std::move(texts_);
    texts_ = TextDictionary();
    for (const char* const text : {"", "true", "\xff"}) texts_.CodeOf(text);
    ++generation_;
    texts_of_dictionary_ = kNoDictionary;
    const auto renumber = [&](std::vector<uint32_t>& numbers) {
      for (uint32_t& number : numbers) {
        if (number > kWrongText && number != kUnknown) number = texts_.CodeOf(old.TextOf(number));
      }
    };
    for (Tag& tag : tags_) renumber(tag.texts);
    if (open_) renumber(open_texts_);
  }

  static constexpr int64_t kNoDictionary = -1;
  const Column map_;
  TagSide keys_, values_;
  std::vector<Tag> tags_;
  size_t cells_ = 0;  // of a row: those of the tags' own names come first
  absl::flat_hash_map<std::string, uint16_t> cell_of_name_;  // from 1 on
  absl::flat_hash_set<uint16_t> marked_;                     // those of users' tags
  bool some_marked_ = false;  // such have been met: rows have cells for them too
  size_t begin_ = 0;          // the row group's row that tags_ begin with
  size_t rows_ = 0;           // that they have
  bool open_ = false;         // the last one may go on
  bool ended_ = false;
  std::vector<uint16_t> key_cells_, dictionary_cells_;
  int64_t dictionary_ = kNoDictionary;  // of the keys
  std::vector<Cell> value_cells_;
  std::vector<Cell> row_cells_;
  Cell missing_ = 0;
  std::vector<uint32_t> texts_of_cells_;  // kUnknown: not looked at yet
  int64_t texts_of_dictionary_ = kNoDictionary;
  std::vector<uint32_t> open_texts_;  // by name; kUnknown: nothing
  TextDictionary texts_;
  uint64_t generation_ = 0;
  std::vector<Wrong> wrong_;
  std::string scratch_;
};

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_TAG_READER_H_
