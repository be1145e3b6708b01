#include "catalog-providers/fold_name.h"

#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

TEST(FoldNameTest, LookAlikesAreOne) {
  EXPECT_EQ(FoldName("Platform-Team"), FoldName("p1atf0rm team"));
  EXPECT_EQ(FoldName("admin"), FoldName("АDМIN"));
  EXPECT_NE(FoldName("admin"), FoldName("admins"));
  EXPECT_EQ(FoldName("a*b", true), "a*b");
  EXPECT_EQ(FoldName("a*b"), "ab");
}

}  // namespace
}  // namespace purser::catalog_providers
