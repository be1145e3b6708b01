#include "costs/readers/parquet/metadata.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs::parquet {
namespace {

using ::testing::HasSubstr;

// Thrift's compact protocol, as much of it as footers need.
std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string Integer(int64_t value) { return Varint(static_cast<uint64_t>(value) << 1); }
std::string Text(const std::string& text) { return Varint(text.size()) + text; }

class Struct {
 public:
  Struct& Add(int id, int type, const std::string& value) {
    text_ += static_cast<char>((id - last_) << 4 | type);
    text_ += value;
    last_ = id;
    return *this;
  }
  Struct& Int32(int id, int64_t value) { return Add(id, 5, Integer(value)); }
  Struct& Int64(int id, int64_t value) { return Add(id, 6, Integer(value)); }
  // Of structs.
  Struct& List(int id, size_t count, const std::string& elements) {
    return Add(id, 9, absl::StrCat("\xFC", Varint(count), elements));
  }
  std::string Done() const { return text_ + '\0'; }

 private:
  std::string text_;
  int last_ = 0;
};

std::string Group(const std::string& name, int64_t children) {
  return Struct().Int32(3, 0).Add(4, 8, Text(name)).Int32(5, children).Done();
}
std::string Column(const std::string& name) {
  return Struct().Int32(1, 6).Int32(3, 0).Add(4, 8, Text(name)).Done();
}
std::string Chunk(int64_t values) {
  return Struct().Add(3, 12, Struct().Int64(5, values).Int64(7, 10).Int64(9, 4).Done()).Done();
}
std::string RowGroupOf(size_t columns, const std::string& chunks, int64_t rows) {
  return Struct().List(1, columns, chunks).Int64(3, rows).Done();
}
std::string Footer(size_t entries, const std::string& schema, int64_t rows, size_t groups = 0,
                   const std::string& group_list = "") {
  return Struct()
      .Int32(1, 1)
      .List(2, entries, schema)
      .Int64(3, rows)
      .List(4, groups, group_list)
      .Done();
}

std::string Problem(const std::string& footer) {
  const auto metadata = ParseMetadata(footer, 1'000);
  return metadata.ok() ? "fine" : std::string(metadata.status().message());
}

const std::string& TwoColumns() {
  static const auto& schema = *new std::string(Group("root", 2) + Column("a") + Column("b"));
  return schema;
}

// Rows that a footer does not tell of would be money that nobody misses.
TEST(MetadataTest, RowsMustAgree) {
  const auto footer = [](int64_t a, int64_t b, int64_t group, int64_t all) {
    return Footer(3, TwoColumns(), all, 1, RowGroupOf(2, Chunk(a) + Chunk(b), group));
  };
  EXPECT_EQ(Problem(footer(7, 7, 7, 7)), "fine");
  EXPECT_THAT(Problem(footer(7, 7, 6, 6)),
              HasSubstr("column a has 7 values, its row group 6 rows"));
  EXPECT_THAT(Problem(footer(7, 6, 7, 7)),
              HasSubstr("column b has 6 values, its row group 7 rows"));
  EXPECT_THAT(Problem(footer(7, 7, 7, 8)),
              HasSubstr("the footer counts 8 rows, its row groups have 7"));
  EXPECT_THAT(Problem(Footer(3, TwoColumns(), 7)), HasSubstr("its row groups have 0"));
}

// A few bytes that ask for gigabytes.
TEST(MetadataTest, ClaimsAreBounded) {
  EXPECT_THAT(Problem(Footer(kMaxSchemaEntries + 1, std::string(kMaxSchemaEntries + 1, '\0'), 0)),
              HasSubstr("kMaxSchemaEntries"));
  EXPECT_THAT(
      Problem(Footer(
          4, Group("root", 1) + Group(std::string(2'000, 'n'), 2) + Column("a") + Column("b"), 0)),
      HasSubstr("kMaxPathBytes"));
  const auto rows = [](int64_t count) {
    return Footer(3, TwoColumns(), count, 1, RowGroupOf(2, Chunk(count) + Chunk(count), count));
  };
  EXPECT_EQ(Problem(rows(kFreeRows)), "fine");
  EXPECT_THAT(Problem(rows(kFreeRows + 1)), HasSubstr("kMaxRowsPerByte"));
  // Each group on its own is as good as another.
  const size_t groups = kMaxColumnChunks / kMaxColumns + 1;
  std::string columns, chunks, list;
  for (size_t i = 0; i < kMaxColumns; ++i) {
    columns += Column("c");
    chunks += Chunk(0);
  }
  for (size_t i = 0; i < groups; ++i) list += RowGroupOf(kMaxColumns, chunks, 0);
  EXPECT_THAT(
      Problem(Footer(1 + kMaxColumns, Group("root", kMaxColumns) + columns, 0, groups, list)),
      HasSubstr("kMaxColumnChunks"));
}

}  // namespace
}  // namespace purser::costs::parquet
