// Rows of any file in the form in which they are summed: each text as its number in a dictionary,
// each amount as exact units.
#ifndef PURSER_COSTS_READERS_ROW_BATCH_H_
#define PURSER_COSTS_READERS_ROW_BATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "costs/readers/columns.h"
#include "costs/readers/text_dictionary.h"

namespace purser::costs {

// Dictionaries above this are begun anew: texts that never repeat must not fill the memory.
inline constexpr size_t kMaxDictionaryBytes = 4 << 20;

// The texts of one TextSource, numbered, as they stand in the file.
struct SourceDictionary {
  TextDictionary texts;
  // Changes when the numbers begin anew.
  uint64_t epoch = 0;
  bool quoted = false;  // texts are CSV fields with their quotes

  void Trim() {
    if (texts.bytes() <= kMaxDictionaryBytes) return;
    texts.Clear();
    ++epoch;
  }
};

struct RowProblem {
  uint32_t row;
  int column;  // of the file; kNoColumn: the row
  std::string reason;
  std::string value;  // of the column, where the file's own text is not at hand
};

struct RowBatch {
  size_t rows = 0;
  std::vector<std::vector<uint32_t>> codes;  // by Binding::texts, then row
  std::vector<std::vector<__int128>> units;  // by Binding::amounts, then row; 10^-18
  // Rows that cannot be counted; a row may have several problems.
  std::vector<RowProblem> problems;
  int64_t rounded = 0;  // amounts that lost digits
  std::vector<uint32_t> rounded_rows;
};

// The value of a CSV field: without its quotes; `NULL` without quotes is nothing.
std::string FieldValue(absl::string_view raw);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_ROW_BATCH_H_
