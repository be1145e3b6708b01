// Where a stop is seen: by what was done meanwhile, never by time.
#include <stop_token>
#include <string>

#include "absl/strings/str_cat.h"
#include "edit/edit.h"
#include "edit/pairing.h"
#include "edit/reconcile.h"
#include "gtest/gtest.h"

namespace purser::edit {
namespace {

constexpr int kItems = 20'000;

class StopTest : public testing::Test {
 protected:
  StopTest() { source_.request_stop(); }

  std::stop_token stopped() const { return source_.get_token(); }

  // A list; at item `broken` the text cannot be read on.
  static std::string Text(Syntax syntax, int broken = -1) {
    const bool yaml = syntax == Syntax::kYaml;
    std::string text = yaml ? "" : "[";
    for (int i = 0; i < kItems; ++i) {
      const char* item = i == broken ? "}" : "a";
      absl::StrAppend(&text, yaml ? "- " : "\"", item, yaml ? "\n" : i == broken ? "}" : "\",");
    }
    return absl::StrCat(text, yaml ? "" : "1]");
  }
  static absl::StatusCode Read(Syntax syntax, const std::string& text, StopLook& look) {
    return (syntax == Syntax::kYaml ? ParseYamlTree(text, "f", look)
                                    : ParseJsonTree(text, "f", look))
        .status()
        .code();
  }
  static Model ListOf(int items) {
    Model list = Model::array();
    for (int i = 0; i < items; ++i) list.push_back(absl::StrCat("item ", i));
    return list;
  }

 private:
  std::stop_source source_;
};

TEST_F(StopTest, ATextIsReadNoFurtherThanToTheNextLook) {
  for (const Syntax syntax : {Syntax::kYaml, Syntax::kJson}) {
    StopLook early(stopped());
    EXPECT_EQ(Read(syntax, Text(syntax, 10), early), absl::StatusCode::kInvalidArgument);
    StopLook late(stopped());
    EXPECT_EQ(Read(syntax, Text(syntax, 2 * StopLook::kStepsPerLook), late),
              absl::StatusCode::kCancelled);
    StopLook never;
    EXPECT_EQ(Read(syntax, Text(syntax), never), absl::StatusCode::kOk);
  }
}

TEST_F(StopTest, AValueIsMadeNoFurther) {
  StopLook reading;
  const Tree tree = *ParseYamlTree(Text(Syntax::kYaml), "f", reading);
  StopLook look(stopped());
  const Model model = ToModel(tree, tree.documents[0].root, look);
  int made = 0;
  for (const Model& item : model) made += item.is_null() ? 0 : 1;
  EXPECT_LE(made, static_cast<int>(StopLook::kStepsPerLook));
  EXPECT_EQ(look.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(StopTest, ListsAreComparedNoFurther) {
  const Model old = ListOf(kItems);
  StopLook look(stopped());
  EXPECT_LE(Pair(old, old, look).pairs.size(), StopLook::kStepsPerLook + 1u);
  // Items that are all different: 400 by 400 comparisons.
  Model left = Model::array();
  Model right = Model::array();
  for (int i = 0; i < 400; ++i) {
    left.push_back(absl::StrCat("left ", i));
    right.push_back(absl::StrCat("right ", i));
  }
  StopLook other(stopped());
  EXPECT_TRUE(Pair(left, right, other).pairs.empty());
}

TEST_F(StopTest, PlansAndOperationsEndCancelled) {
  StopLook reading;
  const Tree tree = *ParseYamlTree(Text(Syntax::kYaml), "f", reading);
  const Model target = ListOf(kItems);
  StopLook planning(stopped());
  EXPECT_EQ(PlanStep(tree, MannerOf(tree), {ToModel(tree, tree.documents[0].root, reading)},
                     {&target}, planning)
                .status()
                .code(),
            absl::StatusCode::kCancelled);
  Operation unite;
  unite.kind = Operation::Kind::kMerge;
  unite.lists = Lists::kUnite;
  unite.value = ListOf(kItems);
  Model document = ListOf(kItems / 2);
  std::stop_source later;
  StopLook merging(later.get_token());
  later.request_stop();
  EXPECT_EQ(Apply(unite, document, merging).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace purser::edit
