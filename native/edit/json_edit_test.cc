#include <string>

#include "absl/strings/str_cat.h"
#include "edit/edit.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::edit {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::string> EditText(const std::string& text, const std::string& operations,
                                     bool rfc6902 = true) {
  const auto parsed = ParseOperations(Model::parse(operations), rfc6902);
  if (!parsed.ok()) return parsed.status();
  auto edited = Edit(Syntax::kJson, text, "f.json", {}, ApplyAll(*parsed));
  if (!edited.ok()) return edited.status();
  return edited->text;
}

struct Case {
  const char* name;
  const char* before;
  const char* operations;
  const char* after;
};

class JsonEditTest : public testing::TestWithParam<Case> {};

TEST_P(JsonEditTest, KeepsEveryOtherByte) {
  const auto after = EditText(GetParam().before, GetParam().operations);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, GetParam().after);
}

INSTANTIATE_TEST_SUITE_P(
    Patches, JsonEditTest,
    testing::Values(
        Case{"replace", "{\n\t\"b\": 1,\n\t\"a\" :  [1,2]\n}\n",
             R"([{"op":"replace","path":"/a/0","value":"x"}])",
             "{\n\t\"b\": 1,\n\t\"a\" :  [\"x\",2]\n}\n"},
        Case{"add", "{\n    \"b\": 1\n}", R"([{"op":"add","path":"/a","value":{"x":[1,{}]}}])",
             "{\n    \"b\": 1,\n    \"a\": {\n        \"x\": [\n            1,\n            {}\n"
             "        ]\n    }\n}"},
        Case{"addToCompact", "{\"b\":1}", R"([{"op":"add","path":"/a","value":[1,2]}])",
             "{\"b\":1,\"a\":[1,2]}"},
        Case{"addToSpaced", "{\"b\": [1, 2]}", R"([{"op":"add","path":"/b/-","value":{"x":1}}])",
             "{\"b\": [1, 2, {\"x\": 1}]}"},
        Case{"insert", "[\n  1,\n  3\n]", R"([{"op":"add","path":"/1","value":2}])",
             "[\n  1,\n  2,\n  3\n]"},
        Case{"remove", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}",
             R"([{"op":"remove","path":"/b"}])", "{\n  \"a\": 1,\n  \"c\": 3\n}"},
        Case{"removeLast", "{\n  \"a\": 1,\n  \"b\": 2\n}", R"([{"op":"remove","path":"/b"}])",
             "{\n  \"a\": 1\n}"},
        Case{"removeFirst", "{\n  \"a\": 1,\n  \"b\": 2\n}", R"([{"op":"remove","path":"/a"}])",
             "{\n  \"b\": 2\n}"},
        Case{"removeAll", "{\n  \"a\": 1\n}", R"([{"op":"remove","path":"/a"}])", "{}"},
        Case{"move", "{\n  \"a\": {\"x\": 1.50},\n  \"b\": []\n}",
             R"([{"op":"move","from":"/a/x","path":"/b/0"}])",
             "{\n  \"a\": {},\n  \"b\": [\n    1.5\n  ]\n}"},
        Case{"moveBigNumber", "{\"a\":12345678901234567890123}",
             R"([{"op":"move","from":"/a","path":"/b"}])", "{\"b\":12345678901234567890123}"},
        Case{"copyAndTest", "{\"a\":1}",
             R"([{"op":"copy","from":"/a","path":"/b"},{"op":"test","path":"/b","value":1.0}])",
             "{\"a\":1,\"b\":1}"},
        Case{
            "escapes", "{\"a/b\":1,\"m~n\":2}",
            R"([{"op":"replace","path":"/a~1b","value":3},{"op":"replace","path":"/m~0n","value":4}])",
            "{\"a/b\":3,\"m~n\":4}"},
        Case{"whole", "{\"a\":1}", R"([{"op":"replace","path":"","value":[]}])", "[]"},
        Case{"empty", "", R"([{"op":"add","path":"","value":{"a":1}}])", "{\n  \"a\": 1\n}\n"},
        Case{"crlf", "{\r\n  \"a\": 1\r\n}\r\n", R"([{"op":"add","path":"/b","value":[0]}])",
             "{\r\n  \"a\": 1,\r\n  \"b\": [\r\n    0\r\n  ]\r\n}\r\n"},
        Case{"comments", "{\n  // one\n  \"a\": 1, // keep\n  /* two */\n  \"b\": 2, // go\n}\n",
             R"([{"op":"add","path":"/c","value":3},{"op":"replace","path":"/a","value":0}])",
             "{\n  // one\n  \"a\": 0, // keep\n  /* two */\n  \"b\": 2, // go\n  \"c\": 3,\n}\n"},
        Case{"commentOfTheOneBefore", "[\n  1, // one\n  2\n]\n",
             R"([{"op":"remove","path":"/1"}])", "[\n  1 // one\n]\n"},
        Case{"unicode", "{\"ä\": \"\\u00e9\\ud83d\\ude00\", \"b\": 1}",
             R"([{"op":"replace","path":"/b","value":"ü\n\""}])",
             "{\"ä\": \"\\u00e9\\ud83d\\ude00\", \"b\": \"ü\\n\\\"\"}"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(JsonEdits, Rfc6902Errors) {
  const struct {
    const char* operations;
    const char* error;
  } kCases[] = {
      {R"([{"op":"remove","path":"/x"}])", "nothing at the path"},
      {R"([{"op":"replace","path":"/x","value":1}])", "nothing at the path"},
      {R"([{"op":"add","path":"/x/y","value":1}])", "no parent"},
      {R"([{"op":"add","path":"/l/9","value":1}])", "no place 9"},
      {R"([{"op":"add","path":"/l/01","value":1}])", "no place in a list"},
      {R"([{"op":"test","path":"/a","value":"1"}])", "test: is 1, not \"1\""},
      {R"([{"op":"move","from":"/l","path":"/l/0"}])", "into itself"},
      {R"([{"op":"set","path":"/a","value":1}])", "unknown op"},
      {R"([{"op":"add","path":"a","value":1}])", "begins with /"},
      {R"([{"op":"add","path":"/~2","value":1}])", "0 or 1"},
      {R"({"op":"add"})", "list of operations"},
  };
  for (const auto& one : kCases) {
    const auto result = EditText(R"({"a":1,"l":[]})", one.operations);
    EXPECT_FALSE(result.ok()) << one.operations;
    EXPECT_THAT(result.status().message(), HasSubstr(one.error)) << one.operations;
  }
}

TEST(JsonEdits, Rfc7386) {
  // The examples of the RFC's appendix: original, patch, result.
  const char* kExamples[][3] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", "null", "null"},
      {R"({"a":"foo"})", "\"bar\"", "\"bar\""},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {"[1,2]", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {"{}", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
  for (const auto& example : kExamples) {
    const Model patch = Model::parse(example[1]);
    const auto edited = Edit(Syntax::kJson, example[0], "f", {}, [&](Model& value) {
      StopLook look;
      value = Merge(std::move(value), patch, Lists::kReplace, look);
      return absl::OkStatus();
    });
    ASSERT_TRUE(edited.ok()) << edited.status();
    EXPECT_EQ(Model::parse(edited->text), Model::parse(example[2]))
        << example[0] << " " << example[1];
  }
}

TEST(JsonEdits, SyntaxErrorsSayWhere) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {{"{\"a\":1,\n  b:2}", "f.json:2:3: expected a key in quotes or }"},
                {"[1 2]", "f.json:1:4: expected \",\" or \"]\""},
                {"{\"a\" 1}", "expected \":\""},
                {"[01]", "is no JSON value"},
                {"\"a\nb\"", "not closed on its line"},
                {"[1] x", "expected the end of the text"},
                {"[", "the end of the text"},
                {"\xff", "UTF-8"}};
  for (const auto& one : kCases) {
    EXPECT_THAT(EditText(one.text, "[]").status().message(), HasSubstr(one.error)) << one.text;
  }
  EXPECT_EQ(EditText(std::string(100'000, '['), "[]").status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::edit
