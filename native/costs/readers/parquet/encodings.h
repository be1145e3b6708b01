// The encodings of Parquet's values and levels. All functions check that what they read lies in the
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

// Behind the bytes of a page stand this many that may be read (their values do not matter).
inline constexpr size_t kPageSlack = 16;

// Numbers of `width` bits (0 to 32) in the hybrid of runs and packed bits, some at a time. The
// bytes have slack and outlive the reader.
class RunReader {
 public:
  RunReader() = default;
  RunReader(absl::string_view bytes, int width) : bytes_(bytes), width_(width) {}

  // The next `count` numbers.
  bool Take(size_t count, uint32_t* out);
  // Whether the next `count` are `value` in one run; then they are taken. Else nothing is.
  bool TakeSame(size_t count, uint32_t value);

 private:
  // Goes on to the next run when this one is empty.
  bool Begin();
  void TakePacked(size_t count, uint32_t* out);

  absl::string_view bytes_;
  int width_ = 0;
  size_t left_ = 0;  // of the run
  bool packed_ = false;
  uint32_t value_ = 0;          // of a run that is not packed
  const char* bits_ = nullptr;  // of a packed one
  size_t done_ = 0;             // numbers taken of it
};

// Values of one page or dictionary: one of the vectors is used, by the physical type.
struct Values {
  std::vector<int64_t> integers;         // BOOLEAN, INT32, INT64; INT96 as nanoseconds since 1970
  std::vector<double> doubles;           // FLOAT, DOUBLE
  std::vector<absl::string_view> bytes;  // BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY; in the page or `made`
  std::deque<std::string> made;
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
