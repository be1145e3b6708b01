#include "json/pattern.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::json {
namespace {

using ::testing::HasSubstr;

bool Matches(absl::string_view pattern, absl::string_view text) {
  const auto compiled = Pattern::Compile(pattern);
  EXPECT_TRUE(compiled.ok()) << pattern << ": " << compiled.status();
  if (!compiled.ok()) return false;
  const auto result = compiled->Search(text);
  EXPECT_TRUE(result.ok()) << pattern << ": " << result.status();
  return result.ok() && *result;
}

std::string CompileError(absl::string_view pattern) {
  const auto compiled = Pattern::Compile(pattern);
  return compiled.ok() ? "compiled" : std::string(compiled.status().message());
}

TEST(PatternTest, Basics) {
  EXPECT_TRUE(Matches("", "anything"));
  EXPECT_TRUE(Matches("b", "abc"));
  EXPECT_FALSE(Matches("^b", "abc"));
  EXPECT_TRUE(Matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "my-name-1"));
  EXPECT_FALSE(Matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "my-name-"));
  EXPECT_TRUE(Matches("^(a|bc|)$", ""));
  EXPECT_TRUE(Matches("^(a|bc|)$", "bc"));
  EXPECT_FALSE(Matches("^(a|bc|)$", "b"));
  EXPECT_TRUE(Matches("^a{2,3}$", "aaa"));
  EXPECT_FALSE(Matches("^a{2,3}$", "aaaa"));
  EXPECT_TRUE(Matches("^a{2,}$", "aaaaa"));
  EXPECT_TRUE(Matches("^a{2}$", "aa"));
  EXPECT_TRUE(Matches("^a{,2}$", "a{,2}"));
  EXPECT_TRUE(Matches("^.$", "\xF0\x9F\x98\x80"));
  EXPECT_FALSE(Matches("^.$", "\n"));
  EXPECT_TRUE(Matches("^a+?b$", "aab"));
}

TEST(PatternTest, ClassesAndEscapes) {
  EXPECT_TRUE(Matches("^\\d+\\.\\w+\\s$", "12.a_ "));
  EXPECT_TRUE(Matches("^[\\D]$", "x"));
  EXPECT_FALSE(Matches("^[\\D]$", "5"));
  EXPECT_FALSE(Matches("^[^\\s\\d]$", "\xC2\xA0"));
  EXPECT_TRUE(Matches("^[a\\-z]+$", "a-z"));
  EXPECT_TRUE(Matches("^[a-]+$", "a-"));
  EXPECT_TRUE(Matches("^\\u00e9\\x41\\u{1F600}\\uD83D\\uDE00$", "éA😀😀"));
  EXPECT_TRUE(Matches("\\bfoo\\b", "a foo b"));
  EXPECT_FALSE(Matches("\\bfoo\\b", "afoob"));
  EXPECT_TRUE(Matches("^\\/[\\]]$", "/]"));
  EXPECT_TRUE(Matches("^[]$|x", "x"));
}

TEST(PatternTest, GroupsLookAheadAndBackReferences) {
  EXPECT_TRUE(Matches("^(?!.*--)[a-z-]+$", "a-b"));
  EXPECT_FALSE(Matches("^(?!.*--)[a-z-]+$", "a--b"));
  EXPECT_TRUE(Matches("^(?=.*\\d)(?=.*[a-z]).{4,}$", "abc1"));
  EXPECT_FALSE(Matches("^(?=.*\\d)(?=.*[a-z]).{4,}$", "abcd"));
  EXPECT_TRUE(Matches("^(\\w)\\1$", "aa"));
  EXPECT_FALSE(Matches("^(\\w)\\1$", "ab"));
  EXPECT_TRUE(Matches("^(?<year>\\d{4})-(?:\\d{2})$", "2026-11"));
  EXPECT_TRUE(Matches("^(?:(a)|b)*\\1$", "ab"));  // the last turn leaves group 1 unset
  EXPECT_TRUE(Matches("^(?=(a+))a*b\\1$", "aba"));
  EXPECT_FALSE(Matches("^(?=(a+))a*b\\1$", "aaba"));  // a look-ahead is not entered again
}

TEST(PatternTest, EmptyLoopsEnd) {
  EXPECT_TRUE(Matches("^(a*)*$", "aaa"));
  EXPECT_TRUE(Matches("^(|a)+$", "aaa"));
  EXPECT_FALSE(Matches("^(a*)*b$", "aaa"));
  EXPECT_TRUE(Matches("(?:)*x", "x"));
}

TEST(PatternTest, WorkIsBounded) {
  const auto compiled = Pattern::Compile("^(a+)+$");
  ASSERT_TRUE(compiled.ok());
  const auto result = compiled->Search(std::string(60, 'a') + "b");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  // A long text with a harmless pattern is no problem and uses no stack.
  EXPECT_TRUE(Matches("^[a-z]*$", std::string(1'000'000, 'a')));
}

TEST(PatternTest, ErrorsSayWhere) {
  EXPECT_THAT(CompileError("a(b"), HasSubstr("missing ')'"));
  EXPECT_THAT(CompileError("a)b"), HasSubstr("character 2"));
  EXPECT_THAT(CompileError("[b"), HasSubstr("missing ']'"));
  EXPECT_THAT(CompileError("*a"), HasSubstr("nothing to repeat"));
  EXPECT_THAT(CompileError("a**"), HasSubstr("nothing to repeat"));
  EXPECT_THAT(CompileError("[z-a]"), HasSubstr("out of order"));
  EXPECT_THAT(CompileError("a{3,1}"), HasSubstr("out of order"));
  EXPECT_THAT(CompileError("(?<=a)b"), HasSubstr("look-behind"));
  EXPECT_THAT(CompileError("\\p{L}"), HasSubstr("not supported"));
  EXPECT_THAT(CompileError("\\2(a)"), HasSubstr("back-reference"));
  EXPECT_THAT(CompileError("((a{100}){100}){100}"), HasSubstr("unrolls"));
  EXPECT_THAT(CompileError(std::string(100, '(') + std::string(100, ')')), HasSubstr("nested"));
  EXPECT_THAT(CompileError(std::string(5000, 'a')), HasSubstr("longer than"));
  EXPECT_THAT(CompileError("a\\"), HasSubstr("at the end"));
}

}  // namespace
}  // namespace purser::json
