// Pages of Parquet as tests need them. Test only.
#ifndef PURSER_COSTS_READERS_PARQUET_TESTING_PAGES_H_
#define PURSER_COSTS_READERS_PARQUET_TESTING_PAGES_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "costs/readers/parquet/encodings.h"
#include "costs/readers/parquet/metadata.h"
#include "gtest/gtest.h"

namespace purser::costs::parquet::testing {

using Numbers = std::vector<uint32_t>;

inline void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
inline void AppendFour(size_t value, std::string& out) {
  for (int byte = 0; byte < 4; ++byte) out += static_cast<char>(value >> (8 * byte));
}

// As runs of one number each, or packed as a whole.
inline std::string Runs(const Numbers& numbers, int width, bool packed) {
  std::string out;
  if (!packed) {
    for (size_t i = 0, end = 0; i < numbers.size(); i = end) {
      while (end < numbers.size() && numbers[end] == numbers[i]) ++end;
      AppendVarint((end - i) << 1, out);
      for (int byte = 0; byte < (width + 7) / 8; ++byte) {
        out += static_cast<char>(numbers[i] >> (8 * byte));
      }
    }
    return out;
  }
  const size_t groups = (numbers.size() + 7) / 8;
  AppendVarint(groups << 1 | 1, out);
  std::string bits(groups * static_cast<size_t>(width), '\0');
  for (size_t i = 0; i < numbers.size(); ++i) {
    for (size_t bit = 0; bit < static_cast<size_t>(width); ++bit) {
      const size_t at = i * static_cast<size_t>(width) + bit;
      if ((numbers[i] >> bit & 1) != 0) bits[at / 8] |= static_cast<char>(1 << at % 8);
    }
  }
  return out + bits;
}

inline std::string Plain(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    AppendFour(text.size(), out);
    out += text;
  }
  return out;
}

// A page of version 1 with its header, not packed.
inline std::string Page(int type, size_t values, int encoding, const std::string& body) {
  std::string out;
  const auto field = [&](int delta, uint64_t value) {
    out += static_cast<char>(delta << 4 | 5);  // an int32
    AppendVarint(value << 1, out);
  };
  field(1, static_cast<uint64_t>(type));
  field(1, body.size());
  field(1, body.size());
  out += static_cast<char>((type == 0 ? 2 : 4) << 4 | 12);  // the header of its type
  field(1, values);
  field(1, static_cast<uint64_t>(encoding));
  if (type == 0) {
    field(1, kRle);
    field(1, kRle);
  }
  out += std::string(2, '\0');
  return out + body;
}

// A file in memory with a map as its only column, of one row group.
class MapFile {
 public:
  // `sides`: the pages of its keys and of its values, with as many `entries` each.
  MapFile(size_t rows, size_t entries, const std::vector<std::string>& sides)
      : descriptor(memfd_create("map", MFD_CLOEXEC)) {
    std::string bytes = "PAR1";
    group.rows = static_cast<int64_t>(rows);
    for (const std::string& side : sides) {
      ColumnChunk chunk;
      chunk.values = static_cast<int64_t>(entries);
      chunk.begin = static_cast<int64_t>(bytes.size());
      chunk.bytes = static_cast<int64_t>(side.size());
      bytes += side;
      group.chunks.push_back(chunk);
    }
    EXPECT_EQ(write(descriptor, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    Leaf leaf;
    leaf.path = "Tags.key_value.key";
    leaf.max_definition = 3;
    leaf.max_repetition = 1;
    leaf.element_definition = 2;
    metadata.leaves.assign(sides.size(), leaf);
  }
  ~MapFile() { close(descriptor); }
  MapFile(const MapFile&) = delete;
  MapFile& operator=(const MapFile&) = delete;

  const int descriptor;
  const Column map = {"Tags", 0, 1};
  Metadata metadata;
  RowGroup group;
};

}  // namespace purser::costs::parquet::testing

#endif  // PURSER_COSTS_READERS_PARQUET_TESTING_PAGES_H_
