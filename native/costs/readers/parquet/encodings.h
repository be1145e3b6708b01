// The encodings of Parquet's values. All functions check that what they read lies in the
// bytes given; false means that the page is damaged.
#ifndef PURSER_COSTS_READERS_PARQUET_ENCODINGS_H_
#define PURSER_COSTS_READERS_PARQUET_ENCODINGS_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "costs/readers/parquet/metadata.h"

namespace purser::costs::parquet {

// Values of one page or dictionary: one of the members is used, by the physical type.
struct Values {
  std::vector<int64_t> integers;         // BOOLEAN, INT32, INT64; INT96 as nanoseconds since 1970
  std::vector<double> doubles;           // FLOAT, DOUBLE
  std::vector<absl::string_view> bytes;  // BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY; in the page or `made`
  // FIXED_LEN_BYTE_ARRAY where they stand one behind the other, in place of `bytes`.
  absl::string_view fixed;
  size_t fixed_bytes = 0;  // of each; 0: they are in `bytes`
  std::deque<std::string> made;

  absl::string_view BytesAt(size_t index) const {
    return fixed_bytes == 0 ? bytes[index] : fixed.substr(index * fixed_bytes, fixed_bytes);
  }
  void Clear();
};

enum Encoding {
  kPlain = 0,
  kPlainDictionary = 2,
  kRle = 3,
  kBitPacked = 4,
  kDeltaBinaryPacked = 5,
  kDeltaLengthByteArray = 6,
  kDeltaByteArray = 7,
  kRleDictionary = 8,
  kByteStreamSplit = 9,
};
std::string EncodingName(int encoding);

enum class Decoded { kDone, kDamaged, kUnknown };
// `count` plain values of a leaf, taken off the bytes. Of BOOLEAN a byte holds eight: only the last
// call may take a part of one.
bool TakePlain(absl::string_view& bytes, const Leaf& leaf, size_t count, Values& values);
// `count` values of a leaf, not the numbers of a dictionary. kUnknown: an encoding that this type
// does not have here.
Decoded DecodeValues(absl::string_view bytes, const Leaf& leaf, int encoding, size_t count,
                     Values& values);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_ENCODINGS_H_
