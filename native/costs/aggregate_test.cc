#include "costs/aggregate.h"

#include <stdlib.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/rng.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_scanner.h"
#include "costs/readers/days.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string& Fixture() {
  static const auto& path =
      *new std::string(PURSER_SOURCE_DIR "/native/costs/testdata/oddities.csv");
  return path;
}

// "[key][key]currency sum sum charges" by group.
std::vector<std::string> Shown(const absl::StatusOr<AggregateResult>& result) {
  if (!result.ok()) return {result.status().ToString()};
  std::vector<std::string> rows;
  const absl::Status status = result->ForEach([&](const AggregateRow& row) {
    std::string text;
    for (const absl::string_view key : row.keys) absl::StrAppend(&text, "[", key, "]");
    absl::StrAppend(&text, row.currency);
    for (const base::Decimal sum : row.sums) absl::StrAppend(&text, " ", sum.ToString());
    rows.push_back(absl::StrCat(text, " ", row.charges));
    return absl::OkStatus();
  });
  if (!status.ok()) rows.push_back(status.ToString());
  return rows;
}

std::vector<std::string> Sum(std::vector<std::string> group_by) {
  return Shown(Aggregate(
      {.paths = {Fixture()}, .group_by = std::move(group_by), .measures = {"BilledCost"}}));
}

class AggregateFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "bills-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, absl::string_view text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string WriteGzip(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    gzFile file = gzopen(path.c_str(), "wb1");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path;
  }

  std::string folder_;
};

TEST(AggregateTest, SumsByAnyColumn) {
  EXPECT_THAT(Sum({}), ElementsAre("EUR 3.5 1", "USD 12.250000097385785372 5"));
  EXPECT_THAT(Sum({"month", "tag:team"}),
              ElementsAre("[2026-10][]USD 11.250000097379661922 3", "[2026-10][data]EUR 3.5 1",
                          "[2026-10][data]USD 1.00000000000612345 2"));
  EXPECT_THAT(
      Sum({"day", "sub_account_id", "x_Note"}),
      ElementsAre("[2026-10-05][][]USD 1 1", "[2026-10-05][4711][]USD 0.000000097385785372 2",
                  "[2026-10-06][][]USD -0.75 1", "[2026-10-06][4711][]EUR 3.5 1",
                  "[2026-10-31][4711][]USD 12 1"));
}

TEST(AggregateTest, ErrorsNameWhatIsWrong) {
  EXPECT_THAT(Sum({"Colour"})[0], HasSubstr("column Colour (FOCUS section \"Colour\") is missing"));
  EXPECT_EQ(Aggregate({.paths = {"/nowhere.csv"}}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Aggregate({.paths = {Fixture()},
                       .group_by = std::vector<std::string>(kMaxGroupColumns + 1, "day")})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Aggregate({.paths = {Fixture()}, .measures = {}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Aggregate({.paths = {Fixture()}, .group_by = {"day", ""}}).status().message(),
              HasSubstr("to group by or to sum is empty"));
}

// What the file holds by the slow way: one record after another, one number after another.
std::vector<std::string> Expected(absl::string_view text, int64_t* bad) {
  StringSource source(text);
  CsvScanner scanner(source, "a.csv");
  const CsvRecord* record = *scanner.Next();
  std::map<std::string, size_t> at;
  for (size_t i = 0; i < record->fields.size(); ++i) at[std::string(record->fields[i].text)] = i;
  const size_t columns = at.size();
  std::map<std::vector<std::string>, std::pair<base::Decimal, int64_t>> groups;
  *bad = 0;
  while (true) {
    absl::StatusOr<const CsvRecord*> next = scanner.Next();
    EXPECT_TRUE(next.ok()) << next.status();
    record = *next;
    if (record == nullptr) break;
    const auto value = [&](const char* column) {
      const CsvField& field = record->fields[at[column]];
      return !field.quoted && field.text == "NULL" ? "" : std::string(field.text);
    };
    if (record->fields.size() != columns || !record->problem.empty()) {
      ++*bad;
      continue;
    }
    const absl::StatusOr<base::Decimal> billed = base::Decimal::Parse(value("BilledCost"));
    const absl::StatusOr<absl::CivilDay> day = ParseDay(value("ChargePeriodStart"));
    if (!billed.ok() || !day.ok() || value("BillingCurrency") != "USD") {
      ++*bad;
      continue;
    }
    auto& [sum, charges] =
        groups[{absl::FormatCivilTime(*day), value("ServiceName"), value("x_A")}];
    EXPECT_TRUE(base::Decimal::Add(sum, *billed, &sum));
    ++charges;
  }
  std::vector<std::string> rows;
  for (const auto& [keys, sums] : groups) {
    rows.push_back(absl::StrCat("[", absl::StrJoin(keys, "]["), "]USD ", sums.first.ToString(), " ",
                                sums.second));
  }
  return rows;
}

// A field of letters that CSV cares about.
std::string RandomText(base::SeededRng& rng, uint64_t most) {
  const absl::string_view alphabet = "ab,\"\n\r {}:";
  std::string text;
  for (uint64_t size = rng.Below(most); size > 0; --size) text += alphabet[rng.Below(10)];
  return text;
}

std::string CsvField(const std::string& value, bool quote) {
  if (!quote && value.find_first_of(",\"\n") == std::string::npos) return value;
  std::string text = "\"";
  for (const char c : value) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

std::string RandomBill(base::SeededRng& rng, bool broken) {
  const char* const amounts[] = {
      "1",     "-0.5",  "0.000000000000000001", "9.7379661922E-8",
      "12E3",  "1E-19", "170141183460469.25",   "0.10000000000000000000000",
      "3.5e0", "007"};
  const char* const days[] = {"2026-10-05T00:00:00Z", "2026-10-06", "2026-10-07 10:00:00"};
  const std::string end = rng.Below(3) == 0 ? "\r\n" : "\n";
  std::string text = rng.Below(4) == 0 ? "\xEF\xBB\xBF" : "";
  absl::StrAppend(&text, "ServiceName,BilledCost,x_A,ChargePeriodStart,x_B,BillingCurrency", end);
  for (uint64_t rows = rng.Below(60); rows > 0; --rows) {
    std::vector<std::string> fields = {
        CsvField(RandomText(rng, 4), rng.Below(3) == 0),
        CsvField(amounts[rng.Below(std::size(amounts))], rng.Below(3) == 0),
        rng.Below(3) == 0 ? std::string("NULL") : CsvField(RandomText(rng, 3), false),
        days[rng.Below(3)],
        CsvField(RandomText(rng, rng.Below(8) == 0 ? 300 : 12), rng.Below(2) == 0),
        "USD"};
    if (broken && rng.Below(8) == 0) {
      switch (rng.Below(5)) {
        case 0:
          fields.pop_back();
          break;
        case 1:
          fields.push_back("more");
          break;
        case 2:
          fields[1] = "abc";
          break;
        case 3:
          fields[3] = "2026-13-01";
          break;
        case 4:
          fields[0] = "a\"b";
          break;
      }
    }
    absl::StrAppend(&text, absl::StrJoin(fields, ","), end);
    if (broken && rng.Below(8) == 0) absl::StrAppend(&text, end);  // an empty line
  }
  if (rng.Below(4) == 0 && text.size() > 100) text.resize(text.size() - end.size());
  return text;
}

// However a file is cut, packed and shared among threads, it holds what the slow reader finds.
TEST_F(AggregateFilesTest, RandomBillsInAnyPieces) {
  base::SeededRng rng(11);
  for (int round = 0; round < 300; ++round) {
    const std::string text = RandomBill(rng, round % 2 == 1);
    int64_t bad = 0;
    const std::vector<std::string> expected = Expected(text, &bad);
    const std::string path = rng.Below(3) == 0 ? WriteGzip("bill", text) : Write("bill", text);
    for (const size_t piece : {size_t{64}, 64 + rng.Below(400), size_t{0}}) {
      AggregateRequest request{.paths = {path},
                               .group_by = {"day", "ServiceName", "x_A"},
                               .measures = {"BilledCost"},
                               .leave_out_bad_rows = true,
                               .threads = static_cast<int>(1 + rng.Below(3)),
                               .chunk_bytes = piece};
      const absl::StatusOr<AggregateResult> result = Aggregate(request);
      std::vector<std::string> shown = Shown(result);
      std::sort(shown.begin(), shown.end());
      std::vector<std::string> sorted = expected;
      std::sort(sorted.begin(), sorted.end());
      ASSERT_EQ(shown, sorted) << "round " << round << " piece " << piece << "\n" << text;
      ASSERT_EQ(result->rows_bad, bad) << "round " << round << "\n" << text;
    }
  }
}

// A record's begin, its end and each of its bytes at every place of a piece.
TEST_F(AggregateFilesTest, EveryOffsetOfAPiece) {
  const std::string header = "BilledCost,ServiceName,BillingCurrency\n";
  for (size_t pad = 0; pad < 130; ++pad) {
    const std::string text = absl::StrCat(header, "1,", std::string(pad, 'x'),
                                          ",USD\n2,\"a\"\"b,\n\",USD\n3,\"\",USD\r\n4,c,USD");
    const std::string path = Write("bill.csv", text);
    for (const size_t piece : {64, 65, 100}) {
      const auto result = Aggregate({.paths = {path},
                                     .group_by = {"BilledCost"},
                                     .measures = {"BilledCost"},
                                     .threads = 2,
                                     .chunk_bytes = piece});
      ASSERT_THAT(Shown(result),
                  ElementsAre("[1]USD 1 1", "[2]USD 2 1", "[3]USD 3 1", "[4]USD 4 1"))
          << pad << " " << piece;
    }
  }
}

TEST_F(AggregateFilesTest, BadRowsAreToldWithTheirPlaceWhateverTheThreads) {
  std::string text = "BilledCost,ServiceName,BillingCurrency\n";
  for (int row = 1; row <= 5000; ++row) {
    if (row % 1000 == 500) {
      absl::StrAppend(&text, "x,\"two\nlines\",USD\n");
    } else if (row == 3000) {
      absl::StrAppend(&text, "1,short\n");
    } else {
      absl::StrAppend(&text, "1,service,USD\n");
    }
  }
  const std::string path = Write("bill.csv", text);
  for (const int threads : {1, 3}) {
    AggregateRequest request{
        .paths = {path}, .measures = {"BilledCost"}, .threads = threads, .chunk_bytes = 1000};
    EXPECT_THAT(std::string(Aggregate(request).status().message()),
                HasSubstr("bill.csv:501: column BilledCost: value \"x\": \"x\" is not a decimal "
                          "number: a digit is expected first (row 500, byte "));
    request.leave_out_bad_rows = true;
    const auto result = Aggregate(request);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->rows_read, 5000);
    EXPECT_EQ(result->rows_bad, 6);
    ASSERT_EQ(result->problems.size(), 6u);
    EXPECT_THAT(result->problems[1], HasSubstr("bill.csv:1502:"));
    EXPECT_THAT(result->problems[3],
                HasSubstr("bill.csv:3004: the row has 2 fields, the header 3 (row 3000, byte "));
    EXPECT_THAT(result->problems[5], HasSubstr("bill.csv:4505:"));
    EXPECT_THAT(Shown(result), ElementsAre("USD 4994 4994"));
  }
}

// Groups that never repeat go through files; the answer is the same.
TEST_F(AggregateFilesTest, AFileOfBadRowsAloneIsRead) {
  const std::string path = Write("bad.csv",
                                 "BilledCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
                                 "ChargeCategory,ServiceName,ResourceId,SubAccountId,Tags\n"
                                 "1,USD\n");
  for (const size_t piece : {size_t{0}, size_t{64}}) {
    const auto result = Aggregate({.paths = {path},
                                   .group_by = {"ServiceName"},
                                   .measures = {"BilledCost"},
                                   .leave_out_bad_rows = true,
                                   .chunk_bytes = piece});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->rows_bad, 1);
    EXPECT_THAT(Shown(result), ElementsAre());
  }
}

TEST_F(AggregateFilesTest, AFileWithoutAnyCurrencyIsRead) {
  const std::string path = Write("none.csv",
                                 "BilledCost,BillingCurrency,ServiceName\n"
                                 "1,usd,a\n"
                                 "2,,b\n");
  const auto result = Aggregate({.paths = {path},
                                 .group_by = {"ServiceName"},
                                 .measures = {"BilledCost"},
                                 .leave_out_bad_rows = true});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->rows_bad, 2);
  EXPECT_THAT(Shown(result), ElementsAre());
}

TEST_F(AggregateFilesTest, TheFirstRowMayBeBad) {
  const std::string path = Write("first.csv",
                                 "BilledCost,BillingCurrency,ServiceName\n"
                                 "1,USD,\xbf\n"
                                 "2,USD,a\n");
  const auto result = Aggregate({.paths = {path},
                                 .group_by = {"ServiceName"},
                                 .measures = {"BilledCost"},
                                 .leave_out_bad_rows = true});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->problems.size(), 1u);
  EXPECT_THAT(result->problems[0], testing::HasSubstr(":2: the row is not UTF-8 text"));
  EXPECT_EQ(result->rows_read, 2);
}

// Quantities and prices are NULL where there is nothing to measure; costs never are.
TEST_F(AggregateFilesTest, AmountsMayBeNullWhereFocusAllowsIt) {
  const std::string path = Write("bill.csv",
                                 "BilledCost,BillingCurrency,ConsumedQuantity,ServiceName\n"
                                 "1,USD,2.5,A\n2,USD,NULL,A\n3,USD,,A\n4,USD,0.5,A\n");
  const auto sums = [&](const std::string& measure) {
    const auto result = Aggregate({.paths = {path}, .measures = {measure}});
    if (!result.ok()) return std::string(result.status().message());
    std::string text;
    EXPECT_TRUE(result
                    ->ForEach([&](const AggregateRow& row) {
                      absl::StrAppend(&text, row.sums[0].ToString(), " of ", row.charges);
                      return absl::OkStatus();
                    })
                    .ok());
    return text;
  };
  EXPECT_EQ(sums("ConsumedQuantity"), "3 of 4");
  EXPECT_EQ(sums("BilledCost"), "10 of 4");
  Write("bill.csv", "BilledCost,BillingCurrency\n1,USD\nNULL,USD\n");
  EXPECT_THAT(sums("BilledCost"), HasSubstr("no amount; FOCUS allows no NULL here (row 2"));
}

TEST_F(AggregateFilesTest, GroupsThatDoNotFitIntoMemory) {
  std::string text = "BilledCost,ResourceId,Tags,BillingCurrency\n";
  for (int row = 0; row < 40'000; ++row) {
    absl::StrAppend(&text, row % 7, ",resource-", row % 15'000, ",\"{\"\"n\"\":\"\"", row,
                    "\"\"}\",USD\n");
  }
  const std::string path = Write("bill.csv", text);
  AggregateRequest request{.paths = {path},
                           .group_by = {"ResourceId"},
                           .measures = {"BilledCost"},
                           .threads = 2,
                           .chunk_bytes = 4096};
  const std::vector<std::string> expected = Shown(Aggregate(request));
  EXPECT_EQ(expected.size(), 15'000u);
  request.group_bytes = 400'000;
  const auto result = Aggregate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_NE(result->groups->runs, nullptr);
  EXPECT_EQ(Shown(result), expected);
  EXPECT_EQ(Shown(result), expected);
  request.group_by = {"tag:n"};
  EXPECT_EQ(Shown(Aggregate(request)).size(), 40'000u);
}

TEST_F(AggregateFilesTest, SeveralFilesWithColumnsInAnyOrderAreOneAnswer) {
  const std::string a =
      Write("a.csv", "BilledCost,ServiceName,BillingCurrency\n1,s,USD\n2,t,EUR\n");
  const std::string b =
      WriteGzip("b.csv.gz", "billing_currency,x_more,service_name,billed_cost\nUSD,,s,10\n");
  EXPECT_THAT(Shown(Aggregate({.paths = {a, b},
                               .group_by = {"ServiceName"},
                               .measures = {"BilledCost"},
                               .threads = 2})),
              ElementsAre("[s]USD 11 2", "[t]EUR 2 1"));
  const std::string empty = Write("c.csv", "BilledCost,ServiceName,BillingCurrency\n");
  EXPECT_THAT(Shown(Aggregate({.paths = {empty}})), ElementsAre(HasSubstr("EffectiveCost")));
  EXPECT_TRUE(Shown(Aggregate({.paths = {empty}, .measures = {"BilledCost"}})).empty());
  EXPECT_THAT(Shown(Aggregate({.paths = {Write("d.csv", "")}}))[0], HasSubstr("d.csv is empty"));
}

TEST_F(AggregateFilesTest, NothingFitsWithoutLimit) {
  std::string text = "BilledCost,ServiceName,BillingCurrency\n";
  absl::StrAppend(&text, "170141183460469231731,s,USD\n1,s,USD\n");
  EXPECT_EQ(
      Aggregate({.paths = {Write("a.csv", text)}, .measures = {"BilledCost"}}).status().code(),
      absl::StatusCode::kOutOfRange);
  text = absl::StrCat("BilledCost,ServiceName,BillingCurrency\n1,s,USD\n1,\"",
                      std::string(kMaxRecordBytes, 'x'), "\",USD\n2,a,USD\n");
  const absl::Status large =
      Aggregate({.paths = {Write("b.csv", text)}, .measures = {"BilledCost"}}).status();
  EXPECT_EQ(large.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(large.message()), HasSubstr("b.csv:3: a record has more than"));
  text = absl::StrCat("BilledCost,ServiceName,BillingCurrency\n1,s,USD\n1,\"",
                      std::string(300, 'x'), ",USD\n");
  EXPECT_THAT(std::string(Aggregate({.paths = {Write("c.csv", text)}, .measures = {"BilledCost"}})
                              .status()
                              .message()),
              HasSubstr("c.csv:3: the file ends inside a quoted field"));
  // A field of many megabytes is a field.
  text = absl::StrCat("BilledCost,ServiceName,BillingCurrency\n1,s,USD\n1,\"",
                      std::string(7 << 20, 'x'), "\",USD\n3,s,USD\n");
  EXPECT_THAT(
      Shown(Aggregate({.paths = {Write("d.csv", text)}, .measures = {"BilledCost"}, .threads = 3})),
      ElementsAre("USD 5 3"));
}

}  // namespace
}  // namespace purser::costs
