// Exact sums by groups: a hash table whose keys are numbers of texts, packed to few bits.
//
//   GroupTable table(/*parts=*/3, /*measures=*/2);
//   const uint32_t code = table.part(0).CodeOf("2026-11-01");
//   PURSER_RETURN_IF_ERROR(table.Add(batch));
//   table.ForEachSorted([](const GroupTable::Row& row) { … });
#ifndef PURSER_COSTS_GROUP_TABLE_H_
#define PURSER_COSTS_GROUP_TABLE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/decimal.h"
#include "costs/readers/large_buffer.h"
#include "costs/readers/text_dictionary.h"

namespace purser::costs {

// One thread.
class GroupTable {
 public:
  GroupTable(size_t parts, size_t measures);
  GroupTable(const GroupTable&) = delete;
  GroupTable& operator=(const GroupTable&) = delete;

  // Rows to be added: by part the numbers of its texts, by measure the amounts, each by row.
  struct Batch {
    size_t rows = 0;
    std::vector<std::vector<uint32_t>> codes;
    std::vector<uint8_t> same;  // by part: its number stands only once, for all rows
    const std::vector<std::vector<__int128>>* units = nullptr;
    std::vector<uint8_t> skip;  // rows left out; empty: none
  };

  TextDictionary& part(size_t part) { return parts_[part]; }
  const TextDictionary& part(size_t part) const { return parts_[part]; }

  // OUT_OF_RANGE when a sum no longer fits; the table is of no use then.
  absl::Status Add(const Batch& batch);
  absl::Status Merge(const GroupTable& other);

  struct Row {
    size_t same = 0;  // how many of the first parts are those of the row before
    std::vector<absl::string_view> keys;
    std::vector<base::Decimal> sums;
    int64_t charges = 0;
  };
  // By the texts of the parts. The row is valid during the call; an error ends it.
  absl::Status ForEachSorted(const std::function<absl::Status(const Row&)>& on_row) const;
  // In no order: the numbers of the texts instead of the texts.
  struct CodedRow {
    std::vector<uint32_t> codes;
    std::vector<base::Decimal> sums;
    int64_t charges = 0;
  };
  absl::Status ForEach(const std::function<absl::Status(const CodedRow&)>& on_row) const;
  // The row of that order's place `index`.
  void ReadRow(size_t index, CodedRow& row) const;

  size_t groups() const { return groups_; }
  size_t bytes() const;  // memory in use
  void Clear();

 private:
  // Where a part's number stands in the words of a key.
  struct Field {
    size_t word;
    int shift;
    int width;
  };
  struct Slot {
    uint32_t tag = 0;
    uint32_t index_plus_one = 0;
  };

  // A group: the words of its key, the number of charges, two words for each sum.
  uint64_t* Record(size_t index) const {
    return pages_[index >> kPageBits] + (index & ((size_t{1} << kPageBits) - 1)) * stride_;
  }
  static uint64_t HashOf(const uint64_t* key, size_t words);
  bool SameKey(const uint64_t* record, const uint64_t* key) const;
  static bool AddUnits(uint64_t* sum, __int128 units);
  static __int128 UnitsOf(const uint64_t* sum);
  uint64_t* FindOrAdd(const uint64_t* key, uint64_t hash);
  void GrowSlots(size_t slots);
  // Memory for the next 2^kPageBits groups.
  void AddPage();
  // Makes room in the keys for all numbers given out so far.
  void FitFields();
  static std::vector<Field> LayOut(const std::vector<int>& widths, size_t* words);
  uint32_t CodeIn(const uint64_t* record, const Field& field) const;
  template <bool kOneWord>
  absl::Status AddBlock(const Batch& batch, size_t first, size_t count);
  // Hashes of a block's keys, and the records that are likely theirs, or null; in two passes, so
  // that memory is on its way to some while the others are looked at.
  void Prefetch(const uint64_t* keys, size_t count, size_t words, uint64_t* hashes,
                uint64_t** records) const;

  static constexpr int kPageBits = 12;
  static constexpr size_t kSlabPages = 8;  // had at once by a table that is large already
  static constexpr size_t kBlock = 128;

  std::vector<TextDictionary> parts_;
  const size_t measures_;
  std::vector<Field> fields_;
  size_t words_ = 1;
  size_t stride_ = 0;
  size_t groups_ = 0;
  std::vector<uint64_t*> pages_;
  std::vector<LargeBuffer> slabs_;  // what the pages are in
  size_t slab_bytes_ = 0;
  size_t free_pages_ = 0;  // of the last slab
  LargeArray<Slot> slots_;
  std::vector<uint64_t> keys_;  // of a block
  std::vector<uint64_t> same_;  // what the keys of a batch have in common
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_GROUP_TABLE_H_
