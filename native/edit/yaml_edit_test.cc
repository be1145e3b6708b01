#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "edit/edit.h"
#include "edit/splices.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::edit {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::string> EditText(const std::string& text, const std::string& operations,
                                     const std::string& document = "null") {
  const auto parsed = ParseOperations(Model::parse(operations), false);
  if (!parsed.ok()) return parsed.status();
  const auto selection = ParseSelection(Model::parse(document));
  if (!selection.ok()) return selection.status();
  auto edited = Edit(Syntax::kYaml, text, "f.yaml", *selection, ApplyAll(*parsed));
  if (!edited.ok()) return edited.status();
  return edited->text;
}

struct Case {
  const char* name;
  std::string before;
  std::string operations;
  std::string after;
};

std::string Set(const std::string& path, const std::string& value) {
  return absl::StrCat(R"([{"op":"set","path":")", path, R"(","value":)", value, "}]");
}
std::string Delete(const std::string& path) {
  return absl::StrCat(R"([{"op":"delete","path":")", path, R"("}])");
}
std::string Append(const std::string& path, const std::string& value) {
  return absl::StrCat(R"([{"op":"append","path":")", path, R"(","value":)", value, "}]");
}
std::string MergeAt(const std::string& path, const std::string& value) {
  return absl::StrCat(R"([{"op":"merge","path":")", path, R"(","value":)", value, "}]");
}

class YamlEditTest : public testing::TestWithParam<Case> {};

TEST_P(YamlEditTest, KeepsEveryOtherByte) {
  const Case& one = GetParam();
  const auto after = EditText(one.before, one.operations);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, one.after);
  // The same with CRLF line ends.
  const auto crlf = [](const std::string& text) {
    return absl::StrReplaceAll(text, {{"\n", "\r\n"}});
  };
  const auto windows = EditText(crlf(one.before), one.operations);
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_EQ(*windows,
            crlf(one.before).find('\n') == std::string::npos ? one.after : crlf(one.after));
  // And again: nothing is left to do.
  const auto again = EditText(*after, one.operations);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, one.after);
}

const char kValues[] =
    "# Values of the chart\n"
    "image:\n"
    "    repository: 'registry/app'   # where from\n"
    "    tag: \"1.0\"\n"
    "\n"
    "replicas: 2 # two\n"
    "ports:\n"
    "- name: http\n"
    "  port: 8080\n"
    "- {name: https, port: 8443}\n"
    "empty:\n"
    "list: []\n"
    "text: |\n"
    "  one\n"
    "  two\n"
    "\n"
    "last: yes\n";

std::string Values(const std::string& from, const std::string& to) {
  return absl::StrReplaceAll(kValues, {{from, to}});
}

INSTANTIATE_TEST_SUITE_P(
    Values, YamlEditTest,
    testing::Values(
        Case{"same", kValues, Set("replicas", "2"), kValues},
        Case{"number", kValues, Set("replicas", "3"), Values("replicas: 2 #", "replicas: 3 #")},
        Case{"single", kValues, Set("image.repository", "\"it's\""),
             Values("'registry/app'", "'it''s'")},
        Case{"double", kValues, Set("image.tag", "\"1.1\""), Values("\"1.0\"", "\"1.1\"")},
        Case{"quotedToNumber", kValues, Set("image.tag", "7"), Values("\"1.0\"", "7")},
        Case{"newKey", kValues, Set("image.pullPolicy", "\"Always\""),
             Values("\"1.0\"\n", "\"1.0\"\n    pullPolicy: Always\n")},
        Case{"newQuoted", kValues, Set("image.digest", "\"007\""),
             Values("\"1.0\"\n", "\"1.0\"\n    digest: '007'\n")},
        Case{"deep", kValues, Set("resources.limits.cpu", "\"1\""),
             absl::StrCat(kValues, "resources:\n    limits:\n        cpu: '1'\n")},
        Case{"intoEmpty", kValues, Set("empty.a", "1"), Values("empty:\n", "empty:\n    a: 1\n")},
        Case{"emptyToScalar", kValues, Set("empty", "true"), Values("empty:\n", "empty: true\n")},
        Case{"appendToEmptyList", kValues, Append("list", "\"a\""),
             Values("list: []\n", "list:\n- a\n")},
        Case{"appendItem", kValues, Append("ports", R"({"name":"x","port":1})"),
             Values("port: 8443}\n", "port: 8443}\n- name: x\n  port: 1\n")},
        Case{"matched", kValues, Set("ports[name=http].port", "80"), Values("8080", "80")},
        Case{"matchedInFlow", kValues, Set("ports[name=https].port", "443"), Values("8443", "443")},
        Case{"newInFlow", kValues, Set("ports[1].tls", "true"),
             Values("8443}", "8443, tls: true}")},
        Case{"newMatched", kValues, Set("ports[name=admin].port", "9"),
             Values("port: 8443}\n", "port: 8443}\n- name: admin\n  port: 9\n")},
        Case{"deleteItem", kValues, Delete("ports[name=http]"),
             Values("- name: http\n  port: 8080\n", "")},
        Case{"deleteFirstKeyOfItem", kValues, Delete("ports[0].name"),
             Values("- name: http\n  port: 8080\n", "- port: 8080\n")},
        Case{"deleteInFlow", kValues, Delete("ports[1].name"), Values("{name: https, ", "{")},
        Case{"deleteLastInFlow", kValues, Delete("ports[1].port"), Values(", port: 8443", "")},
        Case{"deleteKey", kValues, Delete("replicas"), Values("replicas: 2 # two\n", "")},
        Case{"deleteMissing", kValues, Delete("nope.deeper"), kValues},
        Case{"deleteList", kValues, Delete("ports"),
             Values("ports:\n- name: http\n  port: 8080\n- {name: https, port: 8443}\n", "")},
        Case{"deleteAllKeys", kValues,
             R"([{"op":"delete","path":"image.tag"},{"op":"delete","path":"image.repository"}])",
             Values("image:\n    repository: 'registry/app'   # where from\n    tag: \"1.0\"\n",
                    "image: {}\n")},
        Case{"literal", kValues, Set("text", "\"a\\n\\nb\\n\""),
             Values("  one\n  two\n", "    a\n\n    b\n")},
        Case{"scalarToLiteral", kValues, Set("replicas", "\"a\\nb\\n\""),
             Values("replicas: 2 # two\n", "replicas: | # two\n    a\n    b\n")},
        Case{"scalarToMapping", kValues, Set("replicas", R"({"min":1,"max":[2,3]})"),
             Values("replicas: 2 # two\n",
                    "replicas: # two\n    min: 1\n    max:\n    - 2\n    - 3\n")},
        Case{"mappingToScalar", kValues, Set("image", "\"x\""),
             Values("image:\n    repository: 'registry/app'   # where from\n    tag: \"1.0\"\n",
                    "image: x\n")},
        Case{"itemToScalar", kValues, Set("ports[0]", "5"),
             Values("- name: http\n  port: 8080\n", "- 5\n")},
        Case{"merge", kValues, MergeAt("", R"({"image":{"tag":null,"x":"z"},"replicas":4})"),
             absl::StrReplaceAll(kValues, {{"    tag: \"1.0\"\n", "    x: z\n"},
                                           {"replicas: 2", "replicas: 4"}})},
        Case{"pointer", kValues, Set("/ports/0/port", "1"), Values("8080", "1")},
        Case{"behindTheText", kValues, Set("text2", "1"), absl::StrCat(kValues, "text2: 1\n")}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Layouts, YamlEditTest,
    testing::Values(
        Case{"nothing", "", Set("a.b", "1"), "a:\n  b: 1\n"},
        Case{"comments", "# head\n", Set("a", "1"), "# head\na: 1\n"},
        Case{"commentWithoutEnd", "# head", Set("a", "1"), "# head\na: 1\n"},
        Case{"mark", "---\n", Set("a", "1"), "---\na: 1\n"},
        Case{"markAndBraces", "--- {}\n", Set("a", "1"), "---\na: 1\n"},
        Case{"noFinalLineEnd", "a: 1", Set("b", "2"), "a: 1\nb: 2"},
        Case{"deleteLastWithoutLineEnd", "a: 1\nb: 2", Delete("b"), "a: 1"},
        Case{"rootToEmpty", "a: 1 # one\n", Delete("a"), "{} # one\n"},
        Case{"byteOrderMark",
             "\xEF\xBB\xBF"
             "a: 1\nb: 2\n",
             Delete("a"),
             "\xEF\xBB\xBF"
             "b: 2\n"},
        Case{"unicode", "ä: 'ö' # ü\nb: 1\n", Set("b", "\"ß\""), "ä: 'ö' # ü\nb: ß\n"},
        Case{"indentedList", "a:\n  - x\n  # about y\n  - y\nb: 1\n", Append("a", "\"z\""),
             "a:\n  - x\n  # about y\n  - y\n  - z\nb: 1\n"},
        Case{"tailComment", "a:\n  b: 1\n  # c: 2\nd: 1\n", Set("a.e", "3"),
             "a:\n  b: 1\n  # c: 2\n  e: 3\nd: 1\n"},
        Case{"commentOfNext", "a:\n- x\n# about b\nb: 1\n", Append("a", "\"z\""),
             "a:\n- x\n- z\n# about b\nb: 1\n"},
        Case{"nestedLists", "- - a\n  - b\n- c\n", Set("[0]", R"(["b"])"), "- - b\n- c\n"},
        Case{"insertFirst", "- b\n- c\n", R"([{"op":"set","path":"","value":["a","b","c"]}])",
             "- a\n- b\n- c\n"},
        Case{"reorderedKeys", "a: 1\nb: 2\n", Set("", R"({"b":2,"a":1})"), "a: 1\nb: 2\n"},
        Case{"dashAlone", "a:\n-\n  x: 1 # one\n-\n  x: 2\n", Set("a[1].x", "3"),
             "a:\n-\n  x: 1 # one\n-\n  x: 3\n"},
        Case{"spreadFlow", "a: [\n  1, # one\n  2  # two\n]\n", Append("a", "3"),
             "a: [\n  1, # one\n  2,  # two\n  3\n]\n"},
        Case{"spreadFlowTrailing", "a: [\n  1,\n  2, # two\n]\n", Append("a", "3"),
             "a: [\n  1,\n  2, # two\n  3,\n]\n"},
        Case{"flowNull", "a: {b: , c}\n", Set("a.b", "1"), "a: {b: 1, c}\n"},
        Case{"flowKeyOnly", "a: {b: , c}\n", Set("a.c", "1"), "a: {b: , c: 1}\n"},
        Case{"pairInList", "a: [b: 1, c]\n", Set("a[0].b", "2"), "a: [{b: 2}, c]\n"},
        Case{"anchor", "base: &b\n  x: 1\nuse:\n  <<: *b\n  y: 2\n", Set("base.x", "3"),
             "base: &b\n  x: 3\nuse:\n  <<: *b\n  y: 2\n"},
        Case{"anchoredScalar", "a: &v 1 # c\nb: *v\n", Set("a", "2"), "a: &v 2 # c\nb: *v\n"},
        Case{"overAlias", "a: &v 1\nb: *v\nc: 3\n", Set("b", "2"), "a: &v 1\nb: 2\nc: 3\n"},
        Case{"besideMerge", "a: &v {x: 1}\nb:\n  <<: *v\n", Set("b.x", "2"),
             "a: &v {x: 1}\nb:\n  <<: *v\n  x: 2\n"},
        Case{"tags", "a: !Ref Thing\nb: !Sub 'x ${y}'\nc: 1\n", Set("c", "2"),
             "a: !Ref Thing\nb: !Sub 'x ${y}'\nc: 2\n"},
        Case{"tagged", "a: !Ref Thing # c\n", Set("a", "\"x\""), "a: x # c\n"},
        Case{"keep", "a: |+\n  x\n\nb: 1\n", Set("c", "2"), "a: |+\n  x\n\nb: 1\nc: 2\n"},
        Case{"literalLast", "a:\n  b: |\n    x\n\n\n", Set("a.c", "2"),
             "a:\n  b: |\n    x\n  c: 2\n\n\n"},
        Case{"folded", "a: >-\n  x\n  y\nb: 1\n", Set("a", "\"z\""), "a: z\nb: 1\n"},
        Case{"longPlain", "a: one\n  two # c\nb: 1\n", Set("a", "\"x\""), "a: x # c\nb: 1\n"},
        Case{"numericKey", "8080: a\n", Set("[\\\"8080\\\"]", "\"b\""), "8080: b\n"},
        Case{"quotedName", "m:\n  a.b/c: 1\n", Set("m['a.b/c']", "2"), "m:\n  a.b/c: 2\n"},
        Case{"wholeObject", "a:\n  # first\n  x: 1\n  y: 2\n  z: 3\n",
             Set("a", R"({"z":3,"x":9,"m":[]})"), "a:\n  # first\n  x: 9\n  z: 3\n  m: []\n"},
        Case{"bigNumber", "a: 12345678901234567890123\nb: 1\n", Set("b", "2"),
             "a: 12345678901234567890123\nb: 2\n"},
        Case{"yesStaysText", "a: yes\n", Set("a", "\"yes\""), "a: yes\n"},
        Case{"textLikeBoolean", "a: x\n", Set("a", "\"yes\""), "a: \"yes\"\n"},
        Case{"middleOfList", "l:\n  - name: a # A\n  - name: b # B\n  - name: c # C\n",
             Delete("l[name=b]"), "l:\n  - name: a # A\n  - name: c # C\n"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(YamlEdits, ManyDocuments) {
  const std::string text = "# head\n---\nkind: A\nn: 1\n---\n# second\nkind: B\nn: 1\n...\n---\n";
  EXPECT_THAT(EditText(text, Set("n", "2")).status().message(), HasSubstr("holds 3 documents"));
  EXPECT_EQ(*EditText(text, Set("n", "2"), "1"),
            absl::StrReplaceAll(text, {{"# second\nkind: B\nn: 1", "# second\nkind: B\nn: 2"}}));
  EXPECT_EQ(*EditText(text, Set("n", "2"), R"({"kind":"A"})"),
            absl::StrReplaceAll(text, {{"kind: A\nn: 1", "kind: A\nn: 2"}}));
  EXPECT_EQ(*EditText(text, Set("n", "2"), "\"all\""),
            absl::StrReplaceAll(text, {{"n: 1", "n: 2"}}));
  EXPECT_THAT(EditText(text, Set("n", "2"), R"({"kind":"C"})").status().message(),
              HasSubstr("no document fits"));
  EXPECT_THAT(EditText(text, Set("n", "2"), "7").status().message(), HasSubstr("no number 7"));
}

TEST(YamlEdits, RefusesWhatWouldDoHarm) {
  const struct {
    const char* text;
    std::string operations;
    const char* error;
  } kCases[] = {
      {"a: &v 1\nb: *v\n", Delete("a"), "would not be readable"},
      {"a: &v {x: 1}\nb: *v\n", Set("b.x", "2"), "leads through an alias"},
      {"a: !T {x: 1}\n", Set("a.x", "2"), "leads through"},
      {"a: {x: 1, x: 2}\n", Set("a.x", "3"), "a key twice"},
      {"a: [1]\n", Set("a.b", "1"), "a list has places"},
      {"a: [1]\n", Set("a[5]", "1"), "there is no place 5"},
      {"a: 1\n", Set("a.b", "1"), "leads into a number"},
      {"a: 1\n", Append("a", "1"), "append needs a list"},
      {"l: [{n: 1}, {n: 1}]\n", Set("l[n=1].x", "1"), "fits items 0 and 1"},
      {"? a\n: 1\n", Set("a", "2"), "? key"},
      {"a: [1\n", Set("a", "2"), "f.yaml:2:1"},
      {"a: *x\n", Set("b", "2"), "alias *x has no anchor"},
      {"a: 1\rb: 2\r", Set("b", "3"), "carriage return"},
      {"a: \xff\n", Set("b", "2"), "UTF-8"},
      {"a: 1\n", R"([{"op":"test","path":"a","value":2}])", "test: is 1, not 2"},
  };
  for (const auto& one : kCases) {
    const auto result = EditText(one.text, one.operations);
    EXPECT_FALSE(result.ok()) << one.text;
    EXPECT_THAT(result.status().message(), HasSubstr(one.error)) << one.text;
  }
}

TEST(YamlEdits, OperationsAreChecked) {
  EXPECT_THAT(EditText("", R"([{"op":"put","path":"a"}])").status().message(),
              HasSubstr("/0: unknown op \"put\"; known are set"));
  EXPECT_THAT(EditText("", R"([{"op":"set","path":"a"}])").status().message(),
              HasSubstr("\"value\" is required by set"));
  EXPECT_THAT(EditText("", R"([{"op":"set","value":1}])").status().message(),
              HasSubstr("\"path\" is required"));
  EXPECT_THAT(
      EditText("", R"([{"op":"set","path":"a","value":{"\u0000opaque":"x"}}])").status().message(),
      HasSubstr("NUL"));
}

TEST(YamlEdits, HostileTextEndsSoon) {
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "[";
  EXPECT_EQ(EditText(nested, Set("a", "1")).status().code(), absl::StatusCode::kResourceExhausted);
  std::string deep;
  for (int i = 0; i < 500; ++i)
    absl::StrAppend(&deep, std::string(static_cast<size_t>(i), ' '), "a:\n");
  EXPECT_EQ(EditText(deep, Set("b", "1")).status().code(), absl::StatusCode::kResourceExhausted);
  // Aliases are never expanded, so a bomb is a small text.
  std::string bomb = "a: &a [x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    absl::StrAppend(&bomb, std::string(1, c), ": &", std::string(1, c), " [*",
                    std::string(1, static_cast<char>(c - 1)), ", *",
                    std::string(1, static_cast<char>(c - 1)), "]\n");
  }
  EXPECT_EQ(*EditText(bomb, Set("zz", "1")), bomb + "zz: 1\n");
  EXPECT_EQ(EditText(std::string(kMaxFileBytes + 1, ' '), Set("a", "1")).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(YamlEdits, ByteOrderMarksInsideAreNoReasonToEnd) {
  const std::string text =
      "\n\n\n\n\n-\n-\n\n\n\xEF\xBB\xBF"
      "&6:;:\n-\n\n\n>\n\n-\n\n\n>\n\n---\n&1\n-\n\n\n\xEF\xBB\xBF"
      "&3:;:>\n\n-\n\n\n\n\n-\n-\n\n\n\xEF\xBB\xBF"
      "&3:;:\n-\n\n\n\xEF\xBB\xBF"
      "&3:;:>\n\n-\n\n\n\n\n-\n-\n\n\n\xEF\xBB\xBF"
      "\n\r\n\xEF\xBB\xBF"
      "-\n";
  Selection all;
  all.kind = Selection::Kind::kAll;
  const auto edited = Edit(Syntax::kYaml, text, "f", all, [](Model& value) {
    value = Model::array({1, Model{{"name", "n"}}});
    return absl::OkStatus();
  });
  EXPECT_EQ(edited.status().code(), absl::StatusCode::kFailedPrecondition) << edited.status();
}

TEST(YamlEdits, SplicesThatDoNotAscendAreRefused) {
  EXPECT_EQ(*Apply("abc", {{0, 1, "x"}, {1, 1, "y"}, {3, 3, "z"}}), "xybcz");
  EXPECT_FALSE(Apply("abc", {{2, 1, ""}}).ok());
  EXPECT_FALSE(Apply("abc", {{1, 2, ""}, {0, 1, ""}}).ok());
  EXPECT_FALSE(Apply("abc", {{1, 4, ""}}).ok());
}

TEST(YamlEdits, AThousandOperationsAreOneEdit) {
  std::string text = "items:\n";
  std::string operations = "[";
  std::string wanted = "items:\n";
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&text, "  k", i, ": ", i, " # c\n");
    absl::StrAppend(&wanted, "  k", i, ": x # c\n");
    absl::StrAppend(&operations, i == 0 ? "" : ",", R"({"op":"set","path":"items.k)", i,
                    R"(","value":"x"})");
  }
  EXPECT_EQ(*EditText(text, operations + "]"), wanted);
}

TEST(YamlEdits, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  const auto operations = ParseOperations(Model::parse(Set("a", "1")), false);
  EXPECT_EQ(Edit(Syntax::kYaml, "a: 2\n", "f", {}, ApplyAll(*operations), source.get_token())
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace purser::edit
