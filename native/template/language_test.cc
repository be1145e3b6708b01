// The parts below the template: numbers, text, patterns, binary files, step inputs, lines.
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "template/binary.h"
#include "template/glob.h"
#include "template/line_protocol.h"
#include "template/number.h"
#include "template/regex.h"
#include "template/step_input.h"
#include "template/tree.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

using ::testing::HasSubstr;

TEST(NumberTest, WritesLikeJavaScript) {
  EXPECT_EQ(NumberToString(1e21), "1e+21");
  EXPECT_EQ(NumberToString(123456789012345680000.0), "123456789012345680000");
  EXPECT_EQ(NumberToString(1e-7), "1e-7");
  EXPECT_EQ(NumberToString(0.000001), "0.000001");
  EXPECT_EQ(NumberToString(-0.0), "0");
  EXPECT_EQ(NumberToString(5e-324), "5e-324");
  EXPECT_EQ(NumberToFixed(1.005, 2), "1.00");
  EXPECT_EQ(NumberToFixed(2.5, 0), "3");
  EXPECT_EQ(NumberToFixed(-1.5, 0), "-2");
  EXPECT_EQ(NumberToFixed(0.000001, 7), "0.0000010");
  EXPECT_EQ(NumberToFixed(999.995, 2), "1000.00");
  EXPECT_EQ(NumberToPrecision(123.456, 4), "123.5");
  EXPECT_EQ(NumberToPrecision(0.00001, 1), "0.00001");
  EXPECT_EQ(NumberToPrecision(1e21, 3), "1.00e+21");
  EXPECT_EQ(NumberToExponential(12345, 2), "1.23e+4");
  EXPECT_EQ(NumberToExponential(0, -1), "0e+0");
  EXPECT_EQ(NumberToRadix(255, 16), "ff");
  EXPECT_EQ(NumberToRadix(0.5, 2), "0.1");
  EXPECT_EQ(NumberToRadix(-255.5, 16), "-ff.8");
}

TEST(NumberTest, ReadsLikeJavaScript) {
  EXPECT_EQ(StringToNumber("  12.5e1\n"), 125);
  EXPECT_EQ(StringToNumber(""), 0);
  EXPECT_EQ(StringToNumber("0x1F"), 31);
  EXPECT_TRUE(std::isnan(StringToNumber("1 2")));
  EXPECT_TRUE(std::isnan(StringToNumber("-0x1")));
  EXPECT_TRUE(std::isinf(StringToNumber("-Infinity")));
  EXPECT_TRUE(std::isinf(StringToNumber("1e400")));
  EXPECT_EQ(ParseFloat("3.99x"), 3.99);
  EXPECT_EQ(ParseInt("0xff", 0), 255);
  EXPECT_EQ(ParseInt("12px", 10), 12);
  EXPECT_TRUE(std::isnan(ParseInt("x", 10)));
  EXPECT_EQ(ToUint32(-1), 4294967295u);
}

TEST(UnicodeTest, JoinsHalvesAndReplacesLoneOnes) {
  const std::u16string smile = u"\xd83d\xde00";
  std::string text = FromUtf16(smile.substr(0, 1));
  AppendJoined(text, FromUtf16(smile.substr(1)));
  EXPECT_EQ(text, "😀");
  std::string lone = "a" + FromUtf16(smile.substr(1)) + "b";
  ReplaceLoneSurrogates(lone);
  EXPECT_EQ(lone,
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(DecodeUtf8("a\xf0\x9f\x98z\xc0\xaf"), "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
  // By units a pair comes before U+FFFD, by code points behind it.
  EXPECT_LT(CompareUtf16("😀", "\xef\xbf\xbd"), 0);
}

std::string Replaced(absl::string_view source, absl::string_view flags, absl::string_view text,
                     absl::string_view by) {
  Run run(Limits{}, {});
  const RegexObject regex{std::string(source), std::string(flags)};
  double last_index = 0;
  std::string out;
  const std::string problem = CheckRegex(source);
  if (!problem.empty()) return "BAD " + problem;
  return RegexReplace(run, regex, text, by, &last_index, &out) ? out : "FAILED";
}

TEST(RegexTest, MatchesLikeJavaScript) {
  EXPECT_EQ(Replaced("(\\w+)-(\\w+)", "", "ab-cd ef", "$2.$1"), "cd.ab ef");
  EXPECT_EQ(Replaced("a|ab", "", "abc", "<$&>"), "<a>bc");
  EXPECT_EQ(Replaced("((a)|(ab))((c)|(bc))", "", "abc", "$1,$2,$3,$4,$5,$6"), "a,a,,bc,,bc");
  EXPECT_EQ(Replaced("(z)((a+)?(b+)?(c))*", "", "zaacbbbcac", "[$1 $2 $3 $4 $5]"), "[z ac a  c]");
  EXPECT_EQ(Replaced("(?=(a+))a*b\\1", "", "baaabac", "<$&>"), "baa<aba>c");
  EXPECT_EQ(Replaced("(?<=\\$)\\d+", "g", "$1 2 $3", "#"), "$# 2 $#");
  EXPECT_EQ(Replaced("(?<!a)b", "g", "ab bb", "x"), "ab xx");
  EXPECT_EQ(Replaced("a{2,3}?", "g", "aaaaa", "<$&>"), "<aa><aa>a");
  EXPECT_EQ(Replaced("^.", "gm", "ab\ncd", "*"), "*b\n*d");
  EXPECT_EQ(Replaced("[^\\d\\s]+", "gi", "a1 B2", "_"), "_1 _2");
  EXPECT_EQ(Replaced("ß|É", "gi", "éẞß", "x"), "xẞx");
  EXPECT_EQ(Replaced("(?<y>\\d+)-(?<m>\\d+)", "", "2026-11", "$<m>/$<y>"), "11/2026");
  EXPECT_EQ(Replaced("(?:)", "g", "ab", "-"), "-a-b-");
  EXPECT_EQ(Replaced("(a*)*", "", "b", "<$&>"), "<>b");
  EXPECT_EQ(Replaced("(?:a|b)+?c", "", "abac", "x"), "x");
  EXPECT_EQ(Replaced("\\bfoo\\b", "g", "foo food foo", "x"), "x food x");
  EXPECT_EQ(Replaced("x{,2}", "", "x{,2}", "ok"), "ok");
  EXPECT_EQ(Replaced("\\x41\\u0042\\101", "", "ABA", "ok"), "ok");
  for (const char* bad :
       {"(", ")", "a**", "[b-a]", "a{2,1}", "(?<n>a)(?<n>b)", "\\", "(?a)", "+"}) {
    EXPECT_NE(CheckRegex(bad), "") << bad;
  }
}

TEST(RegexTest, SplitsLikeJavaScript) {
  tmpl::Run run(Limits{}, {});
  std::vector<Value> parts;
  ASSERT_TRUE(RegexSplit(run, RegexObject("(,)\\s*", ""), "a, b,c", 0xffffffff, &parts));
  std::string joined;
  for (const Value& part : parts) absl::StrAppend(&joined, "[", part.bytes(), "]");
  EXPECT_EQ(joined, "[a][,][b][,][c]");
}

TEST(GlobTest, MatchesLikeFastGlob) {
  const auto matches = [](std::vector<std::string> patterns, const char* path) {
    auto set = GlobSet::Compile(
        patterns, [](absl::string_view folder) { return folder == "static" || folder == "x"; });
    return set.ok() && *set->Matches(path);
  };
  EXPECT_TRUE(matches({"static/**"}, "static/a/b.txt"));
  EXPECT_TRUE(matches({"static"}, "static/a/b.txt"));
  EXPECT_TRUE(matches({"./static/"}, "static/a/b.txt"));
  EXPECT_FALSE(matches({"stati?"}, "static/a/b.txt"));
  EXPECT_FALSE(matches({"*"}, "x/a.js"));
  EXPECT_FALSE(matches({"a.js/"}, "a.js"));
  EXPECT_TRUE(matches({"(a|b).js"}, "a.js"));
  EXPECT_FALSE(matches({"(a).js"}, "(a).js"));
  EXPECT_TRUE(matches({"**/*.js"}, "a.js"));
  EXPECT_TRUE(matches({"**/*.js"}, "x/y/.a.js"));
  EXPECT_FALSE(matches({"*.js"}, "x/a.js"));
  EXPECT_TRUE(matches({"{a,b}.{js,ts}"}, "b.ts"));
  EXPECT_TRUE(matches({"f{1..3}"}, "f2"));
  EXPECT_FALSE(matches({"f{1..3}"}, "f4"));
  EXPECT_TRUE(matches({"[a-c]?.txt"}, "bz.txt"));
  EXPECT_FALSE(matches({"[!a-c].txt"}, "b.txt"));
  EXPECT_TRUE(matches({"@(a|b)*.md"}, "bc.md"));
  EXPECT_TRUE(matches({"x!(b).js"}, "xa.js"));
  EXPECT_FALSE(matches({"x!(b).js"}, "xb.js"));
  EXPECT_FALSE(matches({"**", "!a/**"}, "a/b"));
  EXPECT_FALSE(matches({"**", "!x"}, "x/a.js"));
  EXPECT_TRUE(matches({"!a/**", "**"}, "a/b"));  // takes away only from those before it
  EXPECT_FALSE(matches({"!(b).js"}, "a.js"));    // a leading ! takes away, and nothing was given
  EXPECT_FALSE(GlobSet::Compile({""}).ok());
}

TEST(BinaryTest, TellsTextFromOtherFiles) {
  EXPECT_FALSE(IsBinary(""));
  EXPECT_FALSE(IsBinary("plain text\n"));
  EXPECT_FALSE(IsBinary("日本語 ü"));
  EXPECT_FALSE(IsBinary("caf\xe9 latin1"));
  EXPECT_TRUE(IsBinary(absl::string_view("a\0b", 3)));
  EXPECT_TRUE(IsBinary("%PDF-1.4"));
  EXPECT_FALSE(IsBinary(absl::string_view("\xef\xbb\xbf\0", 4)));
  EXPECT_TRUE(IsBinary(std::string(64, '\x01')));
}

TEST(TreeTest, NormalizesPathsBelow) {
  EXPECT_EQ(*NormalizeBelow("./"), "");
  EXPECT_EQ(*NormalizeBelow("a/./b/../c/"), "a/c");
  EXPECT_EQ(NormalizeBelow("a/../../b").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(NormalizeBelow("/a").status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(StepInputTest, EvaluatesStringsOnly) {
  const auto context = Context::FromText(R"({"p": {"n": 1, "list": [1, 2]}})");
  const nlohmann::json input = {{"${{ p.n }}", "${{ p.list }}"},
                                {"gone", "${{ p.none }}"},
                                {"items", {"${{ p.none }}", "${{ p.n }}-x", 7}},
                                {"bad", "${{ p.n | nope }}"}};
  const auto loose = EvaluateJson(input, *context);
  ASSERT_TRUE(loose.ok());
  EXPECT_EQ(*loose, (nlohmann::json{{"${{ p.n }}", {1, 2}},
                                    {"items", {nullptr, "1-x", 7}},
                                    {"bad", "${{ p.n | nope }}"}}));
  const auto strict = EvaluateJsonStrict(input, *context);
  EXPECT_EQ(strict.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(strict.status().message()),
              HasSubstr("/bad: template:1:11: unknown filter"));
  EXPECT_TRUE(CheckJson(input).ok());
  EXPECT_THAT(std::string(CheckJson({{"a/b", {"ok", "${{ x"}}}).message()),
              HasSubstr("/a~1b/1: template:1:1:"));
}

TEST(LineProtocolTest, AnswersEveryLine) {
  const auto answer = [](const char* line) { return nlohmann::json::parse(AnswerLine(line)); };
  EXPECT_EQ(answer(R"({"id": 1, "template": "${{ a }}", "context": {"a": "x"}})"),
            (nlohmann::json{{"id", 1}, {"ok", true}, {"output", "x"}}));
  EXPECT_EQ(answer(R"({"id": 2, "variant": "step-input", "template": "${{ a }}"})")["output"],
            (nlohmann::json{{"$undefined", true}}));
  for (const char* bad : {"", "x", "[]", R"({"template": 5})", R"({"options": 3})",
                          R"({"template": "a", "variant": "nope"})"}) {
    EXPECT_FALSE(answer(bad)["ok"].get<bool>()) << bad;
  }
}

}  // namespace
}  // namespace purser::tmpl
