#include "json/json.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/writer.h"

namespace purser::json {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(absl::string_view text, const Limits& limits = {}) {
  const auto parsed = Parse(text, limits);
  return parsed.ok() ? "parsed" : std::string(parsed.status().message());
}

TEST(ParseTest, ReadsValuesOfAllKinds) {
  const auto value = Parse(R"({"a":[1,-2,3.5,"x\u00e9\ud83d\ude00",true,null],"b":{}})");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(Dump(*value), "{\"a\":[1,-2,3.5,\"x\xC3\xA9\xF0\x9F\x98\x80\",true,null],\"b\":{}}");
  EXPECT_EQ(*Parse("18446744073709551615"), nlohmann::json(18446744073709551615ULL));
  EXPECT_EQ(*Parse("\xEF\xBB\xBF 1"), nlohmann::json(1));
}

TEST(ParseTest, NamesLineAndColumn) {
  EXPECT_THAT(ErrorOf("{\n  \"a\": 1,\n  b\n}"), HasSubstr("3:3: "));
  EXPECT_THAT(ErrorOf(""), HasSubstr("1:1: "));
  EXPECT_THAT(ErrorOf("1e999"), HasSubstr("out of range"));
  EXPECT_THAT(ErrorOf("[1] 2"), HasSubstr("1:5: "));
}

TEST(ParseTest, RefusesWhatReadersDisagreeOn) {
  EXPECT_THAT(ErrorOf(R"({"a":1,"a":2})"), HasSubstr("\"a\" is there twice"));
  EXPECT_THAT(ErrorOf("\"\xFF\""), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf("NaN"), HasSubstr("1:"));
  EXPECT_THAT(ErrorOf("\"\\ud800\""), HasSubstr("surrogate"));
}

TEST(ParseTest, LimitsAreNamed) {
  EXPECT_THAT(ErrorOf("[[[]]]", {.max_depth = 2}), HasSubstr("max_depth"));
  EXPECT_EQ(ErrorOf("[[]]", {.max_depth = 2}), "parsed");
  EXPECT_THAT(ErrorOf("[1,2,3]", {.max_values = 3}), HasSubstr("max_values"));
  EXPECT_THAT(ErrorOf("[1,2,3]", {.max_bytes = 3}), HasSubstr("max_bytes"));
  EXPECT_EQ(Parse(std::string(100'000, '[')).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(DumpTest, BadBytesDoNotThrow) { EXPECT_EQ(Dump("a\xFF"), "\"a\xEF\xBF\xBD\""); }

TEST(PointerTest, EscapesTokens) { EXPECT_EQ(PointerToken("a/b~c"), "a~1b~0c"); }

TEST(StatusTest, ListsEveryViolation) {
  EXPECT_TRUE(ToStatus({}, "input").ok());
  EXPECT_EQ(ToStatus({{"", "must be object"}, {"/c", "is required"}}, "input").message(),
            "input: the value must be object; /c is required");
}

TEST(WriterTest, WritesNestedValues) {
  std::string out;
  Writer writer(&out);
  writer.BeginObject()
      .Key("s")
      .String("a\"\\\n\x01")
      .Key("n")
      .Int(-5)
      .Key("u")
      .Uint(18446744073709551615ULL);
  writer.Key("d").Number("0.000000000000000001").Key("a").BeginArray().Bool(true).Null();
  writer.BeginObject().EndObject().Value({{"k", 1}}).EndArray().Key("r").Raw("[1,2]").EndObject();
  EXPECT_TRUE(writer.complete());
  EXPECT_EQ(out,
            "{\"s\":\"a\\\"\\\\\\n\\u0001\",\"n\":-5,\"u\":18446744073709551615,"
            "\"d\":0.000000000000000001,\"a\":[true,null,{},{\"k\":1}],\"r\":[1,2]}");
  EXPECT_TRUE(Parse(out).ok());
}

TEST(WriterTest, ValuesAreWrittenAsTheLibraryDoes) {
  const nlohmann::json value = {
      {"text", "a\"b\\c\n\x01 \xC3\xA4 \xE2\x82\xAC"},
      {"numbers", {0, -7, INT64_MIN, UINT64_MAX, 1.5, 1e300}},
      {"empty", {{"object", nlohmann::json::object()}, {"array", nlohmann::json::array()}}},
      {"others", {nullptr, true, false}}};
  std::string out;
  AppendValue(value, &out);
  EXPECT_EQ(out, Dump(value));
}

TEST(WriterTest, QuotesAsTheLibraryDoes) {
  for (const char* text : {"", "plain", "\xC3\xA9\xF0\x9F\x98\x80", "\x7F\t\b\f\r", "a/b"}) {
    std::string out;
    AppendQuoted(text, &out);
    EXPECT_EQ(out, Dump(text)) << text;
  }
  std::string out;
  AppendQuoted("a\xC3(\xED\xA0\x80", &out);
  EXPECT_TRUE(Parse(out).ok()) << out;
}

}  // namespace
}  // namespace purser::json
