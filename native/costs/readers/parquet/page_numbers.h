// Numbers of a page's values in a dictionary of texts: each entry of the page's own dictionary is
// looked up once.
#ifndef PURSER_COSTS_READERS_PARQUET_PAGE_NUMBERS_H_
#define PURSER_COSTS_READERS_PARQUET_PAGE_NUMBERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "costs/readers/parquet/convert.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/text_dictionary.h"

namespace purser::costs::parquet {

// In place of numbers: not looked up yet; the value is no text.
inline constexpr uint32_t kUnknown = ~uint32_t{0};
inline constexpr uint32_t kNoText = kUnknown - 1;

// One thread. `generation` changes when `texts` begin anew.
class PageNumbers {
 public:
  // Of the page's value number `value`; kNoText when it is none.
  uint32_t CodeOf(const LeafReader& reader, size_t value, TextDictionary& texts,
                  uint64_t generation) {
    if (!reader.uses_dictionary()) return Look(reader, reader.values(), value, texts);
    return CodeOfNumber(reader, reader.codes()[value], texts, generation);
  }
  // Of the page's dictionary entry `number`.
  uint32_t CodeOfNumber(const LeafReader& reader, uint32_t number, TextDictionary& texts,
                        uint64_t generation) {
    if (dictionary_ != reader.dictionary_number() || generation_ != generation) {
      dictionary_ = reader.dictionary_number();
      generation_ = generation;
      codes_.assign(reader.dictionary_size(), kUnknown);
    }
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
    uint32_t any = 0;
    for (size_t i = 0; i < numbers.size(); ++i) {
      out[i] = codes_[numbers[i]];
      any |= out[i];
    }
    if (any >> 31 == 0) return false;  // neither unknown nor no text
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

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_PAGE_NUMBERS_H_
