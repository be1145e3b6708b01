// The values of one column in one row group, page after page.
#ifndef PURSER_COSTS_READERS_PARQUET_LEAF_READER_H_
#define PURSER_COSTS_READERS_PARQUET_LEAF_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "costs/readers/large_buffer.h"
#include "costs/readers/parquet/encodings.h"
#include "costs/readers/parquet/metadata.h"
#include "costs/readers/parquet/run_reader.h"

namespace purser::costs::parquet {

inline constexpr int64_t kMaxPageBytes = 64 << 20;
inline constexpr int64_t kMaxPageValues = 1 << 22;
inline constexpr size_t kMaxTextBytes = 8 << 20;
// Entries of a page that are decoded at a time: what is made of them stays in a core's cache.
inline constexpr size_t kSliceEntries = 4096;

// Why pages of the chunk are not read, as far as the footer tells; "" when nothing is known against
// it.
std::string WhyDeclined(const Leaf& leaf, const ColumnChunk& chunk);

// One thread.
class LeafReader {
 public:
  // `file` is open for reading; `where` names it and the row group for errors.
  LeafReader(int file, const Leaf& leaf) : file_(file), leaf_(leaf) {}

  void Start(const ColumnChunk& chunk, std::string where);
  // Reads and unpacks the next page with values; false behind the last one. NextSlice does so by
  // itself.
  absl::StatusOr<bool> NextPage();
  // Decodes the next slice of a page with values: up to kSliceEntries of them, or the whole page
  // where its encoding needs that. False behind the last one. INVALID_ARGUMENT names the file, the
  // column and the page that is damaged or has a codec or an encoding that is not known.
  absl::StatusOr<bool> NextSlice();

  // Of the slice: one entry for each value, missing ones too. Empty when none is missing.
  const std::vector<uint8_t>& definitions() const { return definitions_; }
  // Empty when the level is always 0.
  const std::vector<uint8_t>& repetitions() const { return repetitions_; }
  size_t entries() const { return entries_; }

  // The values that are there, either as numbers into dictionary() or as values().
  bool uses_dictionary() const { return uses_dictionary_; }
  const std::vector<uint32_t>& codes() const { return codes_; }
  // Whether all entries are there and have one number in one run.
  bool all_same() const { return all_same_; }
  const Values& dictionary() const { return dictionary_; }
  size_t dictionary_size() const { return dictionary_size_; }
  // Changes with the dictionary.
  int64_t dictionary_number() const { return dictionary_number_; }
  const Values& values() const { return values_; }

  const Leaf& leaf() const { return leaf_; }
  // The error of a column that ended before its row group.
  absl::Status TooFewRows() const;

 private:
  absl::Status Wrong(absl::string_view what) const;
  absl::Status ReadAt(int64_t offset, size_t size);  // into packed_
  // The bytes of a page's body, unpacked, with slack behind; valid until the buffers change.
  absl::StatusOr<absl::string_view> Unpack(absl::string_view packed, int64_t size,
                                           LargeBuffer& buffer);
  absl::Status ReadDictionary(const PageHeader& header);
  // Gets ready for the slices of a page.
  absl::Status ReadData(const PageHeader& header);
  absl::Status DecodeSlice();
  absl::Status DecodeLevels(size_t count, size_t* present);
  // RESOURCE_EXHAUSTED: a text is too long. `most` is what the longest may have.
  absl::Status CheckTexts(const Values& values, size_t most) const;

  const int file_;
  const Leaf& leaf_;
  ColumnChunk chunk_;
  std::string where_;
  int64_t at_ = 0;       // of the next page in the file
  int64_t page_at_ = 0;  // of this one
  int64_t values_left_ = 0;
  // What is left of the page.
  size_t page_left_ = 0;
  int encoding_ = 0;
  size_t longest_text_ = 0;  // that the page may have
  absl::string_view plain_;
  RunReader definition_runs_, repetition_runs_, code_runs_;
  LargeBuffer packed_, page_, dictionary_page_;
  size_t entries_ = 0;
  std::vector<uint8_t> definitions_, repetitions_;
  std::vector<uint32_t> codes_;
  bool uses_dictionary_ = false;
  bool all_same_ = false;
  bool has_dictionary_ = false;
  Values dictionary_, values_;
  size_t dictionary_size_ = 0;
  int64_t dictionary_number_ = 0;
};

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_LEAF_READER_H_
