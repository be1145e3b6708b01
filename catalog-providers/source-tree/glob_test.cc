#include "catalog-providers/source-tree/glob.h"

#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

bool Matches(absl::string_view pattern, absl::string_view path) {
  const absl::StatusOr<Glob> glob = Glob::Compile(pattern);
  EXPECT_TRUE(glob.ok()) << glob.status();
  return glob.ok() && glob->Matches(path);
}

TEST(GlobTest, MatchesComponentsAndDepths) {
  EXPECT_TRUE(Matches("**/catalog-info.yaml", "catalog-info.yaml"));
  EXPECT_TRUE(Matches("**/catalog-info.yaml", "a/b/catalog-info.yaml"));
  EXPECT_FALSE(Matches("**/catalog-info.yaml", "a/xcatalog-info.yaml"));
  EXPECT_FALSE(Matches("*/catalog-info.yaml", "a/b/catalog-info.yaml"));
  EXPECT_TRUE(Matches("a/**", "a/b/c"));
  EXPECT_TRUE(Matches("a/**/b/**/c", "a/b/c"));
  EXPECT_TRUE(Matches("a/**/b/**/c", "a/x/b/y/z/c"));
  EXPECT_FALSE(Matches("a/**/b", "a/b/c"));
  EXPECT_TRUE(Matches("s*/api-?.y*ml", "services/api-1.yaml"));
  EXPECT_FALSE(Matches("s*/api-?.yaml", "services/api-12.yaml"));
  EXPECT_TRUE(Matches("**", "x/y"));
  EXPECT_FALSE(Matches("A", "a"));
}

TEST(GlobTest, ManyStarsStayFast) {
  EXPECT_FALSE(Matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(4000, 'a')));
  std::string path = "x";
  for (int i = 0; i < 1000; ++i) path += "/x";
  EXPECT_FALSE(Matches("**/x/**/x/**/x/**/x/**/x/**/x/**/y", path));
}

TEST(GlobTest, RefusesOddPatterns) {
  for (const std::string& pattern :
       {std::string(), std::string("/a"), std::string("a//b"), std::string("../a"),
        std::string("./a"), std::string("a**/b"), std::string(kMaxGlobBytes + 1, 'a')}) {
    EXPECT_EQ(Glob::Compile(pattern).status().code(), absl::StatusCode::kInvalidArgument)
        << pattern;
  }
}

}  // namespace
}  // namespace purser::catalog_providers
