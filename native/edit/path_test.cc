#include "edit/path.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::edit {
namespace {

using ::testing::HasSubstr;

std::string Kinds(const char* text) {
  const auto path = ParsePath(absl::string_view(text));
  if (!path.ok()) return std::string(path.status().message());
  std::string out;
  for (const Step& step : path->steps) {
    switch (step.kind) {
      case Step::Kind::kName:
        out += "." + step.name;
        break;
      case Step::Kind::kIndex:
        out += "#" + std::to_string(step.index);
        break;
      case Step::Kind::kEnd:
        out += "#end";
        break;
      case Step::Kind::kToken:
        out += "/" + step.name;
        break;
      case Step::Kind::kMatch:
        out += "?" + step.name + "=" + step.wanted;
        break;
    }
  }
  return out;
}

TEST(PathTest, Forms) {
  EXPECT_EQ(Kinds(""), "");
  EXPECT_EQ(Kinds("."), "");
  EXPECT_EQ(Kinds("a.b-c.d"), ".a.b-c.d");
  EXPECT_EQ(Kinds("a[0].b[-]"), ".a#0.b#end");
  EXPECT_EQ(Kinds("[2][3]"), "#2#3");
  EXPECT_EQ(Kinds("a[name=web].x"), ".a?name=web.x");
  EXPECT_EQ(Kinds("a[name='a]b'][\"x.y\"]"), ".a?name=a]b.x.y");
  EXPECT_EQ(Kinds("a['it''s']"), ".a.it's");
  EXPECT_EQ(Kinds("/a~1b/0/~0"), "/a/b/0/~");
}

TEST(PathTest, Faults) {
  EXPECT_THAT(Kinds("a..b"), HasSubstr("a name is missing"));
  EXPECT_THAT(Kinds("a."), HasSubstr("ends with a dot"));
  EXPECT_THAT(Kinds("a[x]"), HasSubstr("between [ and ]"));
  EXPECT_THAT(Kinds("a[1"), HasSubstr("not closed"));
  EXPECT_THAT(Kinds("a['x"), HasSubstr("not closed"));
  EXPECT_THAT(Kinds("a[0]b"), HasSubstr("a dot is missing"));
  EXPECT_THAT(Kinds("/~"), HasSubstr("0 or 1"));
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "/a";
  EXPECT_THAT(Kinds(deep.c_str()), HasSubstr("kMaxPathSteps"));
}

}  // namespace
}  // namespace purser::edit
