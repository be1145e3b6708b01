#include "document/yaml.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::document {
namespace {

using ::testing::HasSubstr;

std::string Read(absl::string_view text) {
  const auto document = ParseYamlDocument(text, "f.yaml");
  return document.ok() ? json::Dump(document->value)
                       : absl::StrCat("error: ", document.status().message());
}
std::string ErrorOf(absl::string_view text, const Limits& limits = {}) {
  const auto documents = ParseYaml(text, "f.yaml", limits);
  return documents.ok() ? "parsed" : std::string(documents.status().message());
}

TEST(YamlTest, CoreSchema) {
  EXPECT_EQ(Read("[null, ~, , Null]"),
            "error: f.yaml:1:11: did not find expected node content "
            "while parsing a flow node");
  EXPECT_EQ(Read("[null, ~, Null, nULL]"), "[null,null,null,\"nULL\"]");
  EXPECT_EQ(Read("[true, False, yes, no, on, off, y]"),
            "[true,false,\"yes\",\"no\",\"on\",\"off\",\"y\"]");
  EXPECT_EQ(Read("[1, -2, +3, 0o17, 0x1F, 0123, 1_000, 08:30]"),
            "[1,-2,3,15,31,123,\"1_000\",\"08:30\"]");
  EXPECT_EQ(Read("[1.5, .5, 1., 1e3, -1.5E-2, 1.2.3, 2024-01-01, .]"),
            "[1.5,0.5,1.0,1000.0,-0.015,\"1.2.3\",\"2024-01-01\",\".\"]");
  EXPECT_EQ(Read("[18446744073709551615, -9223372036854775808, 100000000000000000000]"),
            "[18446744073709551615,-9223372036854775808,1e+20]");
  EXPECT_EQ(Read("[\"1\", '2', !!str 3, ! 4]"), "[\"1\",\"2\",\"3\",\"4\"]");
  EXPECT_EQ(Read("[!!int \"7\", !!float 7, !!bool 'true', !!null '']"), "[7,7.0,true,null]");
  EXPECT_EQ(Read("a:\nb: |\n  x\n  y\nc: >-\n  x\n  y\n"), R"({"a":null,"b":"x\ny\n","c":"x y"})");
  EXPECT_EQ(Read("8080: a\ntrue: b\n~: c\n"), R"({"8080":"a","true":"b","~":"c"})");
}

TEST(YamlTest, RefusesWithPlace) {
  EXPECT_THAT(ErrorOf("a: 1\nb: 2\na: 3\n"), HasSubstr("f.yaml:3:1: key \"a\" is there twice"));
  EXPECT_THAT(ErrorOf("a: .inf"), HasSubstr("f.yaml:1:4: .inf has no value in JSON"));
  EXPECT_THAT(ErrorOf("a: !thing x"), HasSubstr("unknown tag !thing"));
  EXPECT_THAT(ErrorOf("a: !!binary x"), HasSubstr("unknown tag !!binary"));
  EXPECT_THAT(ErrorOf("a: !!int x"), HasSubstr("\"x\" is no !!int"));
  EXPECT_THAT(ErrorOf("!!map [a]"), HasSubstr("unknown tag"));
  EXPECT_THAT(ErrorOf("? [a]\n: b\n"), HasSubstr("f.yaml:1:3: a key must be a scalar"));
  EXPECT_THAT(ErrorOf("a: [1\nb: 2"), HasSubstr("f.yaml:2:"));
  EXPECT_THAT(ErrorOf("a: \"\xFF\""), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf("a: 'x"), HasSubstr("quoted scalar"));
  EXPECT_THAT(ErrorOf("a:\n\t- b"), HasSubstr("f.yaml:2:1: "));
  EXPECT_THAT(ErrorOf("a: 1e400"), HasSubstr("out of range"));
}

TEST(YamlTest, AnchorsAndMerge) {
  EXPECT_EQ(Read("a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\n"),
            R"({"a":{"p":1,"q":2},"b":{"p":1,"q":2},"c":{"p":1,"q":3}})");
  EXPECT_EQ(Read("a: &x {p: 1}\nb: &y {p: 2, r: 2}\nc:\n  q: 3\n  <<: [*x, *y]\n"),
            R"({"a":{"p":1},"b":{"p":2,"r":2},"c":{"p":1,"q":3,"r":2}})");
  EXPECT_EQ(Read("a: &x 1\nb: &x 2\nc: *x\n"), R"({"a":1,"b":2,"c":2})");
  EXPECT_EQ(Read("&k a: 1\nb: *k\n"), R"({"a":1,"b":"a"})");
  EXPECT_EQ(Read("\"<<\": 1\n"), R"({"<<":1})");
  EXPECT_THAT(ErrorOf("a: *x"), HasSubstr("f.yaml:1:4: alias *x has no anchor"));
  EXPECT_THAT(ErrorOf("a: &x [*x]"), HasSubstr("inside its own anchor"));
  EXPECT_THAT(ErrorOf("a: {<<: 1}"), HasSubstr("merge key"));
  EXPECT_THAT(ErrorOf("a: &x 1\n---\nb: *x"), HasSubstr("has no anchor"));
}

TEST(YamlTest, Positions) {
  const auto document =
      ParseYamlDocument("# head\na:\n  - x\n  - b/c: 1\n    \"d~\": {e: 2}\n", "f.yaml");
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->Where("f.yaml", ""), "f.yaml:2:1");
  EXPECT_EQ(document->Where("f.yaml", "/a"), "f.yaml:3:3");
  EXPECT_EQ(document->Where("f.yaml", "/a/0"), "f.yaml:3:5");
  EXPECT_EQ(document->Where("f.yaml", "/a/1"), "f.yaml:4:5");
  EXPECT_EQ(document->Where("f.yaml", "/a/1/b~1c"), "f.yaml:4:10");
  EXPECT_EQ(document->Where("f.yaml", "/a/1/d~0/e"), "f.yaml:5:15");
  EXPECT_EQ(document->Where("f.yaml", "/a/1/d~0/none/deeper"), "f.yaml:5:11");
  EXPECT_EQ(document->Where("f.yaml", "/none"), "f.yaml:2:1");
}

TEST(YamlTest, ManyDocuments) {
  const auto documents = ParseYaml("a: 1\n---\n---\nb: 2\n...\n", "f.yaml");
  ASSERT_TRUE(documents.ok());
  ASSERT_EQ(documents->size(), 3);
  EXPECT_TRUE((*documents)[1].value.is_null());
  EXPECT_EQ((*documents)[2].Where("f", "/b"), "f:4:4");
  EXPECT_EQ(ParseYaml("", "f")->size(), 0);
  EXPECT_EQ(ParseYaml("# only a comment\n", "f")->size(), 0);
  EXPECT_THAT(Read("a\n---\nb\n"), HasSubstr("exactly one document, holds 2"));
  EXPECT_THAT(Read(""), HasSubstr("holds 0"));
  EXPECT_THAT(ErrorOf("---\n---\n---\n", {.max_documents = 2}), HasSubstr("max_documents"));
}

TEST(YamlTest, JsonIsYaml) {
  EXPECT_EQ(Read("{\"a\": [1, \"x\\/\\n\\u00e9\"],\n\t\"b\": {}}"),
            "{\"a\":[1,\"x/\\n\xC3\xA9\"],\"b\":{}}");
  EXPECT_EQ(Read(" {\"a\": \"\\ud83d\\ude00\"}"), "{\"a\":\"\xF0\x9F\x98\x80\"}");
  const std::string long_key(2000, 'k');
  EXPECT_EQ(Read(absl::StrCat("{\"", long_key, "\":1}")), absl::StrCat("{\"", long_key, "\":1}"));
}

TEST(YamlTest, BombsStopAtTheLimits) {
  std::string laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 12; ++i) {
    absl::StrAppend(&laughs, "a", i, ": &a", i, " [");
    for (int k = 0; k < 9; ++k) absl::StrAppend(&laughs, k == 0 ? "" : ", ", "*a", i - 1);
    absl::StrAppend(&laughs, "]\n");
  }
  EXPECT_THAT(ErrorOf(laughs), HasSubstr("max_nodes"));
  // Few values, much text.
  std::string fat = absl::StrCat("a: &a \"", std::string(1'000'000, 'x'), "\"\nb: [");
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&fat, "*a, ");
  EXPECT_THAT(ErrorOf(fat + "]\n"), HasSubstr("kMaxYamlExpansion"));
  EXPECT_THAT(ErrorOf(std::string(100'000, '[')), HasSubstr("max_depth"));
  std::string blocks;
  for (int i = 0; i < 300; ++i) absl::StrAppend(&blocks, std::string(i, ' '), "a:\n");
  EXPECT_THAT(ErrorOf(blocks), HasSubstr("max_depth"));
  std::string dashes;
  for (int i = 0; i < 100'000; ++i) dashes += "- ";
  EXPECT_THAT(ErrorOf(dashes), HasSubstr("max_depth"));
  EXPECT_THAT(ErrorOf("[1, 2, 3]", {.max_nodes = 3}), HasSubstr("max_nodes"));
  EXPECT_THAT(ErrorOf("abc", {.max_bytes = 2}), HasSubstr("max_bytes"));
}

TEST(YamlTest, LongKeysDoNotMultiplyPositions) {
  std::string text;
  for (int i = 0; i < 40; ++i) absl::StrAppend(&text, "{? \"", std::string(50'000, 'k'), "\" : ");
  text += "[";
  for (int i = 0; i < 10'000; ++i) text += "1,";
  text += "]" + std::string(40, '}');
  const auto document = ParseYamlDocument(text, "f.yaml");
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_LT(document->positions.size(), 50);
}

TEST(ToYamlTest, BlockStyle) {
  const auto value = json::Parse(
      R"({"apiVersion":"v1","list":[1,"two",{"a":1,"b":[true,null]},[],[[1,2],3]],"map":{},
          "text":"line 1\nline 2\n","text2":"a\n\nb","quoted":["yes","1.0","","a: b"," x","# c"]})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(ToYaml(*value), R"(apiVersion: v1
list:
  - 1
  - two
  - a: 1
    b:
      - true
      - null
  - []
  - - - 1
      - 2
    - 3
map: {}
quoted:
  - "yes"
  - "1.0"
  - ""
  - "a: b"
  - " x"
  - "# c"
text: |
  line 1
  line 2
text2: |-
  a

  b
)");
  EXPECT_EQ(ToYaml("x"), "x\n");
  EXPECT_EQ(ToYaml(nlohmann::json::array({1})), "- 1\n");
}

TEST(ToYamlTest, ReadsBackAsItWas) {
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "a",
                                          "a ",
                                          " a",
                                          "-",
                                          "- a",
                                          "?x",
                                          "a#b",
                                          "a #b",
                                          "a:b",
                                          "a: b",
                                          "a:",
                                          "null",
                                          "~",
                                          "TRUE",
                                          "0x1F",
                                          "1e3",
                                          ".inf",
                                          "<<",
                                          "*a",
                                          "&a",
                                          "!a",
                                          "%a",
                                          "@a",
                                          "`a",
                                          "|",
                                          ">",
                                          "\n",
                                          "a\n",
                                          "a\nb",
                                          "a\n\n",
                                          "\na",
                                          " a\nb",
                                          "a\n b\n",
                                          "a \nb",
                                          "a\tb",
                                          "\ta\nb",
                                          "a\r\nb",
                                          "a\x01\nb",
                                          "---",
                                          "--- a",
                                          "...",
                                          "a\n---\n",
                                          "{a}",
                                          "[a]",
                                          "a, b",
                                          "'a'",
                                          "\"a\"",
                                          "\xC2\x85",
                                          "\xC3\xA9",
                                          "\xE2\x80\xA8\n",
                                          "\xEF\xBB\xBF"
                                          "a",
                                          "\x7F",
                                          "\xEF\xBF\xBF",
                                          "\xF0\x9F\x98\x80\n\xF0\x9F\x98\x80",
                                          "a\\b",
                                          "key: |\n  x\n",
                                          "a\n#b\n"};
  for (const std::string& text : texts) {
    for (const nlohmann::json& value :
         {nlohmann::json(text), nlohmann::json({{"k", text}}), nlohmann::json::array({text, 1}),
          nlohmann::json({{text, nlohmann::json::array({nlohmann::json::array({text})})}})}) {
      const std::string yaml = ToYaml(value);
      const auto back = ParseYamlDocument(yaml, "back.yaml");
      ASSERT_TRUE(back.ok()) << back.status() << "\n" << yaml;
      EXPECT_EQ(json::Dump(back->value), json::Dump(value)) << yaml;
    }
  }
}

}  // namespace
}  // namespace purser::document
