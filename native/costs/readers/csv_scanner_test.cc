#include "costs/readers/csv_scanner.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Gives at most `step` bytes a time, so that every border is met.
class DripSource final : public ByteSource {
 public:
  DripSource(absl::string_view text, size_t step) : inner_(text), step_(step) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    return inner_.Read(buffer, std::min(size, step_));
  }

 private:
  StringSource inner_;
  size_t step_;
};

// Records as text: fields in [], quoted ones in {}, problems behind.
absl::StatusOr<std::vector<std::string>> Scan(absl::string_view text, size_t step = 1 << 20) {
  DripSource source(text, step);
  CsvScanner scanner(source, "a.csv");
  std::vector<std::string> records;
  while (true) {
    absl::StatusOr<const CsvRecord*> record = scanner.Next();
    if (!record.ok()) return record.status();
    if (*record == nullptr) return records;
    std::string shown;
    for (const CsvField& field : (*record)->fields) {
      absl::StrAppend(&shown, field.quoted ? "{" : "[", field.text, field.quoted ? "}" : "]");
    }
    if (!(*record)->problem.empty()) absl::StrAppend(&shown, "!", (*record)->problem);
    records.push_back(shown);
  }
}

TEST(CsvScannerTest, WhatRfc4180Allows) {
  EXPECT_THAT(*Scan("a,b\n1,2\n"), ElementsAre("[a][b]", "[1][2]"));
  EXPECT_THAT(*Scan("\xEF\xBB\xBF"
                    "a,b\r\n1,2\r\n"),
              ElementsAre("[a][b]", "[1][2]"));
  EXPECT_THAT(*Scan("\"a,\"\"b\"\"\",\"line\nend\r\n\"\n"),
              ElementsAre("{a,\"b\"}{line\nend\r\n}"));
  EXPECT_THAT(*Scan(",\n\"\",\"\"\"\"\n,"), ElementsAre("[][]", "{}{\"}", "[][]"));
  EXPECT_THAT(*Scan("no end"), ElementsAre("[no end]"));
  EXPECT_THAT(*Scan("a\n\n\r\n\nb"), ElementsAre("[a]", "[b]"));
  EXPECT_THAT(*Scan("a\rb,c\n"), ElementsAre("[a\rb][c]"));
  EXPECT_THAT(*Scan("\"a\"\r\n\"b\""), ElementsAre("{a}", "{b}"));
  EXPECT_TRUE(Scan("")->empty());
  EXPECT_TRUE(Scan("\n\r\n")->empty());
}

TEST(CsvScannerTest, WhatItDoesNotAllowIsToldAndLeftBehind) {
  EXPECT_THAT(
      *Scan("a\"b,c\n1,2\n"),
      ElementsAre("[a\"b][c]!a quote inside a field that does not begin with one", "[1][2]"));
  EXPECT_THAT(*Scan("\"a\"b,c\n1,2\n"),
              ElementsAre("[\"a\"b][c]!characters behind the closing quote of a field", "[1][2]"));
  const absl::Status open = Scan("a,b\n1,\"2\n3,4\n").status();
  EXPECT_EQ(open.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(open.message(), HasSubstr("a.csv:2: the file ends inside a quoted field"));
}

TEST(CsvScannerTest, LimitsAreNamed) {
  const std::string large = absl::StrCat("a\n\"", std::string(kMaxRecordBytes - 1, 'x'), "\"\n");
  const absl::Status record = Scan(large).status();
  EXPECT_EQ(record.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(record.message(), HasSubstr("a.csv:2: a record has more than"));
  EXPECT_TRUE(Scan(absl::StrCat("a\n\"", std::string(kMaxRecordBytes - 2, 'x'), "\"\r\n")).ok());
  EXPECT_THAT(Scan(std::string(kMaxFields + 1, ',')).status().message(), HasSubstr("kMaxFields"));
}

TEST(CsvScannerTest, PlacesAreExact) {
  const std::string text = "\xEF\xBB\xBFh\r\n\"a\nb\"\r\n\r\nlast";
  StringSource source(text);
  CsvScanner scanner(source, "a.csv");
  const CsvRecord* record = *scanner.Next();
  EXPECT_EQ(record->offset, 3);
  record = *scanner.Next();
  EXPECT_EQ(record->line, 2);
  EXPECT_EQ(record->row, 1);
  EXPECT_EQ(record->offset, 6);
  EXPECT_EQ(record->raw, "\"a\nb\"");
  record = *scanner.Next();
  EXPECT_EQ(record->line, 5);
  EXPECT_EQ(record->offset, static_cast<int64_t>(text.size()) - 4);
}

// The same records whatever the pieces, and what was written is what is read.
TEST(CsvScannerTest, RandomFilesInRandomPieces) {
  base::SeededRng rng(7);
  const absl::string_view alphabet = "ab,\"\n\r ";
  for (int round = 0; round < 400; ++round) {
    std::string text;
    std::vector<std::string> expected;
    const bool crlf = rng.Below(2) == 0;
    const uint64_t records = rng.Below(8);
    for (uint64_t r = 0; r < records; ++r) {
      std::string shown;
      const uint64_t fields = 1 + rng.Below(4);
      for (uint64_t f = 0; f < fields; ++f) {
        std::string value;
        const uint64_t size = rng.Below(rng.Below(10) == 0 ? 60 : 5);
        for (uint64_t i = 0; i < size; ++i) value += alphabet[rng.Below(alphabet.size())];
        const bool quoted = fields == 1 || value.find_first_of(",\"\n\r") != std::string::npos;
        if (f > 0) text += ",";
        if (quoted) {
          text += '"';
          for (const char c : value) text += c == '"' ? std::string("\"\"") : std::string(1, c);
          text += '"';
        } else {
          text += value;
        }
        absl::StrAppend(&shown, quoted ? "{" : "[", value, quoted ? "}" : "]");
      }
      text += crlf ? "\r\n" : "\n";
      expected.push_back(shown);
    }
    EXPECT_EQ(*Scan(text), expected) << text;
    EXPECT_EQ(*Scan(text, 1 + rng.Below(7)), expected) << text;
  }
}

TEST(CsvScannerTest, RecordsLargerThanTheBuffer) {
  std::string text = "h\n";
  for (int i = 0; i < 5; ++i) absl::StrAppend(&text, "\"", std::string(700'000, 'a' + i), "\"\n");
  const std::vector<std::string> records = *Scan(text, 100'000);
  ASSERT_EQ(records.size(), 6u);
  EXPECT_EQ(records[5].size(), 700'002u);
  EXPECT_EQ(records[5][1], 'e');
}

}  // namespace
}  // namespace purser::costs
