// Exact sums by groups: a hash table whose keys are numbers of texts, packed to few bits.
//
//   GroupTable table(/*parts=*/3, /*measures=*/2);
//   const uint32_t code = table.part(0).CodeOf("2026-11-01");
//   PURSER_RETURN_IF_ERROR(table.Add(batch));
//   ForEachSorted({&table}, [](const GroupRow& row) { … });  // sorted_groups.h
#ifndef PURSER_COSTS_GROUP_TABLE_H_
#define PURSER_COSTS_GROUP_TABLE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "costs/readers/large_buffer.h"
#include "costs/readers/text_dictionary.h"

namespace purser::costs {

// Where a part's number stands in the words of a key.
struct KeyField {
  size_t word;
  int shift;
  int width;

  uint32_t In(const uint64_t* key) const {
    return static_cast<uint32_t>(key[word] >> shift) &
           static_cast<uint32_t>((uint64_t{1} << width) - 1);
  }
};
// How many bits a number below `values` takes.
int BitsFor(size_t values);
// Fields of these widths (bits, at most 32), earlier parts in higher bits: keys compare as their
// parts do. `*words` is how many words they take.
std::vector<KeyField> LayOut(const std::vector<int>& widths, size_t* words);

// What is said of a sum of amounts that no longer fits: OUT_OF_RANGE.
absl::Status SumOverflow();

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

  // Valid while the table is not changed.
  class Group {
   public:
    uint32_t code(size_t part) const { return table_.fields_[part].In(record_); }
    int64_t charges() const { return static_cast<int64_t>(record_[table_.words_]); }
    __int128 units(size_t measure) const {
      return UnitsOf(record_ + table_.words_ + 1 + 2 * measure);
    }

   private:
    friend class GroupTable;
    Group(const GroupTable& table, const uint64_t* record) : table_(table), record_(record) {}
    const GroupTable& table_;
    const uint64_t* const record_;
  };
  // By when they came first.
  Group group(size_t index) const { return {*this, Record(index)}; }
  // Brings a group into the cache.
  void PrefetchGroup(size_t index) const {
    for (size_t word = 0; word < stride_; word += kLineWords) {
      __builtin_prefetch(Record(index) + word);
    }
  }

  size_t parts() const { return parts_.size(); }
  size_t measures() const { return measures_; }
  size_t groups() const { return groups_; }
  size_t bytes() const;  // memory in use
  void Clear();

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t index_plus_one = 0;
  };

  // A group: the words of its key, the number of charges, two words for each sum.
  uint64_t* Record(size_t index) const {
    return pages_[index >> kPageBits] + (index & ((size_t{1} << kPageBits) - 1)) * stride_;
  }
  static size_t StrideOf(size_t key_words, size_t measures);
  static uint64_t HashOf(const uint64_t* key, size_t words);
  bool SameKey(const uint64_t* record, const uint64_t* key) const;
  static bool AddUnits(uint64_t* sum, __int128 units);
  static __int128 UnitsOf(const uint64_t* sum) {
    return static_cast<__int128>(static_cast<unsigned __int128>(sum[1]) << 64 | sum[0]);
  }
  uint64_t* FindOrAdd(const uint64_t* key, uint64_t hash);
  void GrowSlots(size_t slots);
  // Memory for the next 2^kPageBits groups.
  void AddPage();
  // Makes room in the keys for all numbers given out so far.
  void FitFields();
  template <bool kOneWord>
  absl::Status AddBlock(const Batch& batch, size_t first, size_t count);
  // Hashes of a block's keys, and the records that are likely theirs, or null; in two passes, so
  // that memory is on its way to some while the others are looked at.
  void Prefetch(const uint64_t* keys, size_t count, size_t words, uint64_t* hashes,
                uint64_t** records) const;

  static constexpr size_t kLineWords = 8;  // of the cache
  static constexpr int kPageBits = 12;
  static constexpr size_t kSlabPages = 8;  // had at once by a table that is large already
  static constexpr size_t kBlock = 128;

  std::vector<TextDictionary> parts_;
  const size_t measures_;
  std::vector<KeyField> fields_;
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
