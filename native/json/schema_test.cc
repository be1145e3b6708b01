#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::json {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "pointer message" of each violation.
std::vector<std::string> Check(absl::string_view schema_text, absl::string_view instance_text) {
  auto compiled = Schema::Compile(*Parse(schema_text));
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  std::vector<std::string> out;
  if (!compiled.ok()) return out;
  for (const Violation& violation : compiled->Validate(*Parse(instance_text))) {
    out.push_back(violation.pointer + " " + violation.message);
  }
  return out;
}

std::string CompileError(absl::string_view text) {
  const auto compiled = Schema::Compile(*Parse(text));
  return compiled.ok() ? "compiled" : std::string(compiled.status().message());
}

TEST(SchemaTest, AllViolationsAtOnceInOrder) {
  EXPECT_THAT(Check(R"({"type":"object","required":["name","size"],"additionalProperties":false,
                "properties":{"name":{"type":"string","minLength":3,"pattern":"^[a-z]+$"},
                              "size":{"type":"integer","minimum":10},
                              "zone":{"enum":["a","b"]},
                              "list":{"type":"array","items":{"type":"number"}}}})",
                    R"({"name":"A","zone":"c","list":[1,"x",2,3,4,5,6,7,8,9,"y"],"more":1})"),
              ElementsAre("/list/1 must be number, is string", "/list/10 must be number, is string",
                          "/more is not known here; known are list, name, size, zone",
                          "/name must have at least 3 characters, has 1",
                          "/name must match the pattern ^[a-z]+$", "/size is required",
                          "/zone must be one of \"a\", \"b\"; is \"c\""));
}

TEST(SchemaTest, Numbers) {
  EXPECT_THAT(Check(R"({"minimum":1,"maximum":3})", "2"), IsEmpty());
  EXPECT_THAT(Check(R"({"exclusiveMinimum":1})", "1"), ElementsAre(" must be above 1, is 1"));
  EXPECT_THAT(Check(R"({"exclusiveMaximum":1.5})", "1.5"),
              ElementsAre(" must be below 1.5, is 1.5"));
  EXPECT_THAT(Check(R"({"multipleOf":0.0001})", "0.0075"), IsEmpty());
  EXPECT_THAT(Check(R"({"multipleOf":0.0001})", "0.00751").size(), 1);
  EXPECT_THAT(Check(R"({"multipleOf":3})", "-9"), IsEmpty());
  EXPECT_THAT(Check(R"({"multipleOf":3})", "10"), ElementsAre(" must be a multiple of 3, is 10"));
  EXPECT_THAT(Check(R"({"type":"integer"})", "1.0"), IsEmpty());
  EXPECT_THAT(Check(R"({"type":"integer"})", "1.5"), ElementsAre(" must be integer, is number"));
}

TEST(SchemaTest, StringsCountUtf16Units) {
  EXPECT_THAT(Check(R"({"maxLength":2})", "\"\xF0\x9F\x98\x80\""), IsEmpty());
  EXPECT_THAT(Check(R"({"maxLength":1})", "\"\xF0\x9F\x98\x80\"").size(), 1);
}

TEST(SchemaTest, Formats) {
  const auto ok = [](const char* format, const char* text) {
    return Check(R"({"format":")" + std::string(format) + "\"}", "\"" + std::string(text) + "\"")
        .empty();
  };
  EXPECT_TRUE(ok("date", "2024-02-29"));
  EXPECT_FALSE(ok("date", "2023-02-29"));
  EXPECT_TRUE(ok("date-time", "2024-02-29T12:00:00.5Z"));
  EXPECT_TRUE(ok("date-time", "2024-02-29T12:00:00+01:30"));
  EXPECT_FALSE(ok("date-time", "2024-02-29 12:00:00"));
  EXPECT_FALSE(ok("date-time", "2024-02-29T12:00:00"));
  EXPECT_TRUE(ok("email", "a.b+c@example.org"));
  EXPECT_FALSE(ok("email", "a..b@example.org"));
  EXPECT_FALSE(ok("email", "a@"));
  EXPECT_TRUE(ok("uri", "https://example.org/a?b=%20#c"));
  EXPECT_FALSE(ok("uri", "/relative"));
  EXPECT_FALSE(ok("uri", "http://a b"));
  EXPECT_TRUE(ok("uuid", "2EB8AA08-aa98-11ea-b4aa-73b441d16380"));
  EXPECT_FALSE(ok("uuid", "2eb8aa08aa9811eab4aa73b441d16380"));
  EXPECT_TRUE(ok("some-form-widget", "anything"));
}

TEST(SchemaTest, Arrays) {
  EXPECT_THAT(Check(R"({"items":[{"type":"string"},{"type":"number"}],"additionalItems":false})",
                    R"(["a",1,2])"),
              ElementsAre("/2 is not allowed"));
  EXPECT_THAT(Check(R"({"uniqueItems":true})", R"([{"a":1},2,{"a":1.0}])"),
              ElementsAre(" must not hold {\"a\":1} twice"));
  EXPECT_THAT(Check(R"({"contains":{"const":5}})", "[1,5]"), IsEmpty());
  EXPECT_THAT(Check(R"({"contains":{"const":5}})", "[]").size(), 1);
  EXPECT_THAT(Check(R"({"minItems":1,"maxItems":2})", "[1,2,3]"),
              ElementsAre(" must have at most 2 items, has 3"));
}

TEST(SchemaTest, Objects) {
  EXPECT_THAT(Check(R"({"patternProperties":{"^x-":{"type":"number"}},
                        "additionalProperties":{"type":"string"}})",
                    R"({"x-a":"1","b":2})"),
              ElementsAre("/b must be string, is integer", "/x-a must be number, is string"));
  EXPECT_THAT(Check(R"({"propertyNames":{"maxLength":2}})", R"({"abc":1})"),
              ElementsAre("/abc has a bad name: it must have at most 2 characters, has 3"));
  EXPECT_THAT(Check(R"({"dependencies":{"a":["b"],"c":{"required":["d"]}}})", R"({"a":1,"c":1})"),
              ElementsAre("/b is required when a is given", "/d is required"));
  EXPECT_THAT(Check(R"({"minProperties":1})", "{}").size(), 1);
  EXPECT_THAT(Check(R"({"properties":{"a/b":false}})", R"({"a/b":1})"),
              ElementsAre("/a~1b is not allowed"));
}

TEST(SchemaTest, Combinations) {
  EXPECT_THAT(Check(R"({"allOf":[{"minimum":2},{"maximum":1}]})", "1.5").size(), 2);
  EXPECT_THAT(Check(R"({"anyOf":[{"type":"string"},{"minimum":5}]})", "3"),
              ElementsAre(" fits none of the 2 allowed forms: it must be string, is integer, or it "
                          "must be at least 5, is 3"));
  EXPECT_THAT(Check(R"({"oneOf":[{"type":"integer"},{"minimum":2}]})", "3"),
              ElementsAre(" fits several forms of which only one is allowed"));
  EXPECT_THAT(Check(R"({"not":{"type":"null"}})", "null").size(), 1);
  const char* conditional =
      R"({"if":{"properties":{"kind":{"const":"big"}},"required":["kind"]},
          "then":{"required":["size"]},"else":{"required":["why"]}})";
  EXPECT_THAT(Check(conditional, R"({"kind":"big"})"), ElementsAre("/size is required"));
  EXPECT_THAT(Check(conditional, R"({})"), ElementsAre("/why is required"));
}

TEST(SchemaTest, References) {
  const char* tree =
      R"({"definitions":{"node":{"type":"object","required":["v"],
            "properties":{"next":{"$ref":"#/definitions/node"}}}},"$ref":"#/definitions/node"})";
  EXPECT_THAT(Check(tree, R"({"v":1,"next":{"next":{"v":1}}})"),
              ElementsAre("/next/v is required"));
  EXPECT_THAT(Check(R"({"properties":{"a":{"$ref":"#/$defs/x~1y%25"}},
                        "$defs":{"x/y%":{"type":"null"}}})",
                    R"({"a":1})"),
              ElementsAre("/a must be null, is integer"));
}

TEST(SchemaTest, EndlessSchemasEnd) {
  EXPECT_THAT(Check(R"({"allOf":[{"$ref":"#"}]})", "1").at(0), HasSubstr("cannot be checked"));
  EXPECT_THAT(Check(R"({"properties":{"a":{}},"anyOf":[{"$ref":"#/definitions/x"}],
    "definitions":{"x":{"allOf":[{"$ref":"#/definitions/x"},{"$ref":"#/definitions/x"}]}}})",
                    "{}")
                  .at(0),
              HasSubstr("cannot be checked"));
  EXPECT_THAT(Check(R"({"pattern":"^(a+)+$"})", "\"" + std::string(60, 'a') + "b\"").at(0),
              HasSubstr("cannot be checked against pattern"));
}

TEST(SchemaTest, ManyViolationsAreCut) {
  std::string list = "[0";
  for (int i = 1; i < 500; ++i) list += "," + std::to_string(i);
  EXPECT_EQ(Check(R"({"items":{"type":"string"}})", list + "]").size(), kMaxViolations);
}

TEST(SchemaTest, BadSchemasAreRefusedWithTheirPlace) {
  EXPECT_THAT(CompileError(R"({"properties":{"a":{"type":"sting"}}})"),
              HasSubstr("schema at /properties/a/type: unknown type \"sting\""));
  EXPECT_THAT(CompileError(R"({"pattern":"("})"), HasSubstr("/pattern: pattern is wrong"));
  EXPECT_THAT(CompileError(R"({"$ref":"other.json#/a"})"), HasSubstr("only \"#/…\""));
  EXPECT_THAT(CompileError(R"({"$ref":"#"})"), HasSubstr("leads back to itself"));
  EXPECT_THAT(CompileError(R"({"minLength":-1})"), HasSubstr("/minLength"));
  EXPECT_THAT(CompileError(R"({"multipleOf":0})"), HasSubstr("/multipleOf"));
  EXPECT_THAT(CompileError(R"({"required":[1]})"), HasSubstr("/required"));
  EXPECT_THAT(CompileError(R"({"allOf":{}})"), HasSubstr("/allOf"));
  EXPECT_THAT(CompileError(R"([])"), HasSubstr("its top"));
  EXPECT_THAT(CompileError(R"({"items":[1]})"), HasSubstr("/items/0"));
}

TEST(SchemaTest, Defaults) {
  const auto schema = Schema::Compile(*Parse(
      R"({"properties":{"a":{"default":1},"b":{"default":{},"properties":{"c":{"default":"x"}}},
          "d":{"properties":{"e":{"default":2}}},"f":{"$ref":"#/definitions/f"},
          "l":{"items":{"properties":{"g":{"default":true}}}}},
          "allOf":[{"properties":{"h":{"default":null}}}],
          "definitions":{"f":{"default":[1]}}})"));
  ASSERT_TRUE(schema.ok());
  EXPECT_EQ(Dump(schema->WithDefaults(*Parse(R"({"a":5,"l":[{}]})"))),
            R"({"a":5,"b":{"c":"x"},"f":[1],"h":null,"l":[{"g":true}]})");
  EXPECT_EQ(Dump(schema->WithDefaults("text")), "\"text\"");
  // A default that would hold itself for ever ends at the depth limit.
  const auto endless =
      Schema::Compile(*Parse(R"({"properties":{"a":{"default":{},"allOf":[{"$ref":"#"}]}}})"));
  ASSERT_TRUE(endless.ok());
  EXPECT_TRUE(endless->WithDefaults(nlohmann::json::object()).contains("a"));
}

}  // namespace
}  // namespace purser::json
