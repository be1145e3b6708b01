#include "costs/readers/parquet/map_decoder.h"

#include <numeric>
#include <string>
#include <vector>

#include "costs/readers/parquet/testing/pages.h"
#include "costs/readers/tags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs::parquet {
namespace {

using ::testing::HasSubstr;
using testing::Numbers;

// One side of a map: a dictionary of one text, and rows that have it so many times each.
std::string Side(const std::string& text, const std::vector<size_t>& rows) {
  std::string out = testing::Page(2, 1, kPlain, testing::Plain({text}));
  Numbers repetitions;
  for (const size_t entries : rows) {
    repetitions.push_back(0);
    repetitions.insert(repetitions.end(), entries - 1, 1);
  }
  std::string body;
  for (const auto& [numbers, bits] :
       {std::pair(repetitions, 1), std::pair(Numbers(repetitions.size(), 3), 2)}) {
    const std::string written = testing::Runs(numbers, bits, /*packed=*/false);
    testing::AppendFour(written.size(), body);
    body += written;
  }
  body += '\1';
  body += testing::Runs(Numbers(repetitions.size(), 0), 1, /*packed=*/false);
  return out + testing::Page(0, repetitions.size(), kRleDictionary, body);
}

struct Read {
  absl::Status status;
  std::vector<std::string> texts;
  RowBatch batch;
};

// The rows of a map whose entries all have this key and this value.
Read ReadRows(const std::string& key, const std::string& value, const std::vector<size_t>& rows) {
  const testing::MapFile file(rows.size(), std::accumulate(rows.begin(), rows.end(), size_t{0}),
                              {Side(key, rows), Side(value, rows)});
  const auto decoder = NewMapDecoder(file.descriptor, file.metadata, file.map, /*column=*/7);
  decoder->Start(file.group, "bill.parquet");
  Read read;
  SourceDictionary dictionary;
  size_t count = rows.size();
  EXPECT_TRUE(decoder->Prepare(dictionary, &count).ok());
  std::vector<uint32_t> codes;
  read.status = decoder->Take(count, dictionary, codes, read.batch);
  for (size_t row = 0; read.status.ok() && row < count; ++row) {
    read.texts.emplace_back(dictionary.texts.TextOf(codes[row]));
  }
  return read;
}

TEST(MapDecoderTest, IsJson) {
  const Read read = ReadRows("a", "\"b\"", {1, 2});
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.texts[0], R"({"a":"\"b\""})");
  EXPECT_EQ(read.texts[1], R"({"a":"\"b\"","a":"\"b\""})") << "told when tags are read";
  EXPECT_TRUE(read.batch.problems.empty());
}

// A text of a dictionary stands in a file once, and in a row as often as the row says.
TEST(MapDecoderTest, WhatIsMadeOfFewBytesIsBounded) {
  // One row of a terabyte, in fewer bytes than a page may have.
  Read read = ReadRows("a", std::string(1 << 20, 'x'), {1'000'000, 1});
  ASSERT_TRUE(read.status.ok()) << read.status;
  ASSERT_EQ(read.batch.problems.size(), 1u);
  EXPECT_EQ(read.batch.problems[0].row, 0u);
  EXPECT_THAT(read.batch.problems[0].reason, HasSubstr("kMaxTagsBytes"));
  EXPECT_EQ(read.texts[0], "");
  // As many entries as tags may just have, and more.
  for (const auto& [entries, problems] : {std::pair{40'000, 0u}, {50'000, 1u}}) {
    read = ReadRows("", "", {static_cast<size_t>(entries)});
    EXPECT_EQ(read.batch.problems.size(), problems) << entries;
  }
  // Rows that differ, each within its limit.
  std::vector<size_t> rows(1'000);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = 1'000 + i;
  read = ReadRows("a", std::string(120, 'x'), rows);
  EXPECT_EQ(read.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(read.status.message()), HasSubstr("kMaxMadeBytes"));
}

}  // namespace
}  // namespace purser::costs::parquet
