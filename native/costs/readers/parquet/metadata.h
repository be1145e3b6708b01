// What the footer of a Parquet file says: its columns and where their values are.
#ifndef PURSER_COSTS_READERS_PARQUET_METADATA_H_
#define PURSER_COSTS_READERS_PARQUET_METADATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs::parquet {

inline constexpr size_t kMaxFooterBytes = 64 << 20;
inline constexpr size_t kMaxColumns = 10'000;
inline constexpr size_t kMaxRowGroups = 1'000'000;
// A footer of few bytes may claim what takes gigabytes: columns in groups, their names, and what
// is said of each column in each row group.
inline constexpr size_t kMaxSchemaEntries = 4 * kMaxColumns;
inline constexpr size_t kMaxPathBytes = 1 << 10;
inline constexpr size_t kMaxColumnChunks = 2'000'000;
// A page of 30 bytes may be four million rows. Looked at beyond kFreeRows, since few rows that are
// all alike are harmless.
inline constexpr int64_t kMaxRowsPerByte = 1'000;
inline constexpr int64_t kFreeRows = 1 << 28;

enum class PhysicalType {
  kBoolean = 0,
  kInt32 = 1,
  kInt64 = 2,
  kInt96 = 3,
  kFloat = 4,
  kDouble = 5,
  kByteArray = 6,
  kFixed = 7,
};

// What a physical value means, as far as bills have it.
enum class Meaning {
  kPlain,    // a number, a text
  kDecimal,  // unscaled integer, big-endian where it is bytes
  kDate,     // days since 1970
  kMillis,   // since 1970
  kMicros,
  kNanos,
  kUuid,
  kUnsigned,
  kOther,  // intervals, times of day, 16-bit floats, geometry, …
};

struct Leaf {
  std::string path;  // names from the top, joined by '.'
  PhysicalType type = PhysicalType::kByteArray;
  int fixed_bytes = 0;  // of kFixed
  Meaning meaning = Meaning::kPlain;
  int scale = 0;  // of kDecimal
  int max_definition = 0;
  int max_repetition = 0;
  // The definition level from which on the repeated element exists; 0 without repetition.
  int element_definition = 0;
};

// A column as bills see it: a leaf, or a map of two.
struct Column {
  std::string name;
  int leaf = -1;   // of a map: its keys
  int value = -1;  // of a map: its values
};

struct ColumnChunk {
  int codec = 0;
  uint32_t encodings = 0;  // a bit for each that its pages may have, as the footer says
  int64_t values = 0;
  int64_t begin = 0;  // of its first page in the file
  int64_t bytes = 0;  // of all its pages as stored
};

struct RowGroup {
  int64_t rows = 0;
  int64_t first_row = 0;
  std::vector<ColumnChunk> chunks;  // by leaf
};

struct Metadata {
  std::vector<Leaf> leaves;
  std::vector<Column> columns;
  std::vector<RowGroup> groups;
  int64_t rows = 0;
};

// `footer` is the metadata's bytes, `file_bytes` the size of the file, of which every place is
// checked. INVALID_ARGUMENT says what cannot be.
absl::StatusOr<Metadata> ParseMetadata(absl::string_view footer, int64_t file_bytes);

absl::string_view TypeName(PhysicalType type);

// Of a page.
struct PageHeader {
  enum Type { kData = 0, kIndex = 1, kDictionary = 2, kDataV2 = 3 } type = kData;
  int64_t unpacked_bytes = 0;
  int64_t packed_bytes = 0;
  int64_t values = 0;
  int encoding = 0;
  int definition_encoding = 3;
  // Of version 2, where levels are never packed.
  int64_t definition_bytes = 0;
  int64_t repetition_bytes = 0;
  bool packed = true;
};
// Returns the bytes of the header, 0 when it is cut or damaged.
size_t ParsePageHeader(absl::string_view bytes, PageHeader& header);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_METADATA_H_
