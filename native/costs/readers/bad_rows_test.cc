// Rows that cannot be counted, whatever the format: where they stand, why, what they are, and their
// money.
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "costs/bill_scan.h"
#include "costs/readers/bad_row.h"
#include "costs/readers/column_map.h"
#include "costs/readers/json_row.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BadRowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "bad-rows-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<ScanResult> Scan(absl::string_view text, bool leave_out = true,
                                  std::shared_ptr<const BillFormat> format = nullptr) {
    const std::string path = folder_ + "/bill";
    std::ofstream(path, std::ios::binary) << text;
    ScanRequest request;
    request.paths = {path};
    request.wanted = {.texts = {"ChargePeriodStart", "BillingCurrency", "ServiceName"},
                      .amounts = {"BilledCost"},
                      .format = std::move(format)};
    request.parts = {{KeyPart::kDay, 0}, {KeyPart::kCurrency, 1}, {KeyPart::kText, 2}};
    request.currency = 1;
    bad_.clear();
    if (leave_out) {
      request.on_bad_row = [this](const std::string&, const BadRow& row) {
        bad_.push_back(row);
        return absl::OkStatus();
      };
    }
    return ScanBills(request);
  }
  // "line row byte column value money" of each, in the file's order.
  std::vector<std::string> Bad(absl::string_view text, int64_t good,
                               std::shared_ptr<const BillFormat> format = nullptr) {
    const auto scanned = Scan(text, true, std::move(format));
    if (!scanned.ok()) return {scanned.status().ToString()};
    EXPECT_EQ(scanned->rows_added, good);
    EXPECT_EQ(scanned->rows_bad, static_cast<int64_t>(bad_.size()));
    std::sort(bad_.begin(), bad_.end(), [](auto& a, auto& b) { return a.row < b.row; });
    std::vector<std::string> shown;
    for (const BadRow& row : bad_) {
      shown.push_back(
          absl::StrCat(row.line, " ", row.row, " ", row.offset, " ", row.column, " \"", row.value,
                       "\" ", row.billed.has_value() ? row.billed->ToString() : "-", row.currency));
    }
    return shown;
  }

  std::string folder_;
  std::vector<BadRow> bad_;
};

std::string Line(absl::string_view cost, absl::string_view time = "2026-11-02T01:00:00Z",
                 absl::string_view service = "S3") {
  return absl::StrCat(R"({"usage_start_time":")", time, R"(","service":{"description":")", service,
                      R"("},"cost":)", cost,
                      R"(,"currency":"EUR","credits":[{"amount":-0.5}],"invoice":{"month":)",
                      R"("202611"}})", "\n");
}

TEST_F(BadRowsTest, OfLinesOfJson) {
  const std::string broken = "{\"cost\": \n";
  const std::string text =
      absl::StrCat(Line("1"), broken, Line("\"x\""), "\n[1]\n", Line("3", "2026-13-01"),
                   Line("4", "2026-11-02", "a\\u0000b"), Line("5"));
  const int64_t one = static_cast<int64_t>(Line("1").size());
  EXPECT_THAT(Bad(text, 2), ElementsAre(absl::StrCat("2 2 ", one, "  \"\" -"),
                                        absl::StrCat("3 3 ", one + 10, " cost \"x\" -"),
                                        absl::StrCat("5 4 ", 2 * one + 13, "  \"\" -"),
                                        absl::StrCat("6 5 ", 2 * one + 17,
                                                     " usage_start_time \"2026-13-01\" "
                                                     "2.5EUR"),
                                        HasSubstr("service.description")));
  EXPECT_THAT(bad_[0].reason, HasSubstr("not JSON at byte"));
  EXPECT_EQ(bad_[0].raw + "\n", "{\"cost\":\n");
  EXPECT_EQ(bad_[2].reason, "the line is no JSON object");
  EXPECT_EQ(bad_[3].raw + "\n", Line("3", "2026-13-01"));
  EXPECT_EQ(bad_[4].reason, "the text holds NUL");
  EXPECT_THAT(std::string(Scan(text, false).status().message()),
              HasSubstr("bill:2: not JSON at byte"));
  // Nobody knows what is missing where a file is cut.
  const absl::Status cut = Scan(text.substr(0, text.size() - 5)).status();
  EXPECT_EQ(cut.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(cut.message()), HasSubstr("bill:8: not JSON"));
  EXPECT_THAT(std::string(cut.message()), HasSubstr("it is cut off"));
}

// The first rows name the columns: what only a later one has must not be lost.
TEST_F(BadRowsTest, OfLinesWithColumnsOfTheirOwn) {
  const std::string row =
      R"({"BilledCost":1,"BillingCurrency":"USD","ChargePeriodStart":"2026-11-01","ServiceName":"a")";
  std::string text;
  for (int i = 0; i < 1'100; ++i) absl::StrAppend(&text, row, "}\n");
  EXPECT_THAT(
      Bad(absl::StrCat(text, row, R"(,"Tags":{"team":"web"}})", "\n", row, R"(,"x":null})"), 1'101),
      ElementsAre(HasSubstr("1101 1101 ")));
  EXPECT_THAT(bad_[0].reason, HasSubstr("\"Tags\" is in none of the first rows"));
  EXPECT_THAT(Bad(absl::StrCat(row, R"(,"Tags":null})", "\n", text, row, R"(,"Tags":{}})"), 1'102),
              ElementsAre());
}

TEST_F(BadRowsTest, OfAllocations) {
  const auto allocation = [](absl::string_view name, absl::string_view cost,
                             absl::string_view start) {
    return absl::StrCat("\"", name, R"(": {"name": ")", name, R"(", "cpuCost": )", cost,
                        R"(, "ramCost": 1, "window": {"start": ")", start, "\"}}");
  };
  EXPECT_THAT(Bad(absl::StrCat("{\"data\": [{", allocation("a", "1", "2026-11-02T00:00:00Z"), ", ",
                               allocation("b", "0.5", "yesterday"), "}]}"),
                  1),
              ElementsAre("0 2 -1 window.start \"yesterday\" 1.5USD"));
  EXPECT_EQ(bad_[0].raw,
            R"({"name":"b","cpuCost":"0.5","ramCost":"1","window.start":"yesterday"})");
  // Objects that are no rows are no empty bill.
  for (const char* const text :
       {"[{\"cost\": 1}, {\"cost\": 2}]", "{\"data\":\n {\"a\": {\"cpuCost\": 1}}}",
        "{\n\"code\": 500, \"message\": \"no\"}", "[1, 2]", "{\"data\": [1]}",
        "{\"data\": \"none\"}",
        "{\"data\": {\"sets\": [{\"window\": {}, \"x\": {\"cpuCost\": 1}}]}}"}) {
    EXPECT_EQ(Scan(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  for (const char* const text : {"{\"data\": []}", "{\"data\": [{}]}", "{\"data\": null}"}) {
    const auto none = Scan(text);
    EXPECT_TRUE(none.ok()) << text << none.status();
  }
}

// Values of JSON take far more memory than text.
TEST_F(BadRowsTest, MemoryOfJsonIsBounded) {
  std::string many = "[0";
  for (size_t i = 0; i < kMaxJsonNodes; ++i) many += ",0";
  many += "]";
  const absl::Status document = Scan(many).status();
  EXPECT_EQ(document.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(document.message()), HasSubstr("kMaxJsonNodes"));
  const std::string line = Line("1");
  EXPECT_THAT(
      Bad(absl::StrCat(line, line.substr(0, line.size() - 2), ",\"more\":", many, "}\n"), 1),
      ElementsAre(HasSubstr("2 2 ")));
  EXPECT_THAT(bad_[0].reason, HasSubstr("kMaxJsonNodes"));
  // What is taken is not held.
  std::string text = "{\"data\": [{\"x\": null";
  constexpr int kAllocations = 30'000;
  for (int i = 0; i < kAllocations; ++i) {
    absl::StrAppend(
        &text, ", \"", i, "\": {\"name\": \"", i, "\", \"cpuCost\": 0.25, \"window\": ",
        "{\"start\": \"2026-11-02T00:00:00Z\"}, \"more\": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ",
        "0, 0, 0, 0, 0]}");
  }
  text.replace(text.find("\"x\": null, "), 11, "");
  const auto scanned = Scan(absl::StrCat(text, "}]}"));
  ASSERT_TRUE(scanned.ok()) << scanned.status();
  EXPECT_EQ(scanned->rows_added, kAllocations);
}

// Its cost may be a sum, its currency the same for all.
TEST_F(BadRowsTest, OfAMappedBill) {
  const auto format = MapColumns({{"BilledCost", "Cost + Tax - Off"},
                                  {"BillingCurrency", "=CHF"},
                                  {"ChargePeriodStart", "Date"},
                                  {"ServiceName", "Product"}});
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_THAT(Bad("Date,Product,Cost,Tax,Off\n"
                  "2026-11-02,a,1,1,\n"
                  "2026-11-32,a,10,1,0.5\n"
                  "2026-11-32,a,10,,x\n",
                  1, *format),
              ElementsAre("3 2 44 Date \"2026-11-32\" 10.5CHF", HasSubstr("4 3 66 Off \"x\" -")));
}

TEST_F(BadRowsTest, OfFocus) {
  EXPECT_THAT(Bad("BilledCost,BillingCurrency,ChargePeriodStart,ServiceName\n"
                  "1,USD,2026-11-02,a\n"
                  "2,USD,2026-11-02\n"
                  "3,usd,2026-11-02,a\n"
                  "\"4\",USD,today,a\n"
                  "5,\xff$1,today,a\n",
                  1),
              ElementsAre("3 2 76  \"\" -", "4 3 93 BillingCurrency \"usd\" 3usd",
                          "5 4 112 ChargePeriodStart \"today\" 4USD", HasSubstr("6 5 ")));
  EXPECT_FALSE(bad_[3].billed.has_value()) << "of no currency";
  EXPECT_EQ(bad_[2].raw, "\"4\",USD,today,a");
}

TEST_F(BadRowsTest, WhatIsNoBillIsNamed) {
  using namespace std::string_literals;
  const std::pair<std::string, const char*> files[] = {
      {"PK\x03\x04 and more", "a ZIP archive"},
      {"\x28\xB5\x2F\xFD and more", "packed with zstd"},
      {"BZh91AY", "packed with bzip2"},
      {"\xFD\x37zXZ\0"s, "packed with xz"},
      {"\xFF\xFE"
       "B\0i\0"s,
       "UTF-16 text"},
  };
  for (const auto& [text, name] : files) {
    const absl::Status status = Scan(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
  // A byte order mark tells nothing of the format.
  EXPECT_THAT(Bad(absl::StrCat("\xEF\xBB\xBF", Line("1"), Line("2")), 2), ElementsAre());
}

}  // namespace
}  // namespace purser::costs
