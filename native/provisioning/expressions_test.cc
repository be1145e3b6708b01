#include "provisioning/expressions.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

const json& Context() {
  static const json& context =
      *new json{{"parameters", {{"name", "x"}, {"size", 3}, {"tags", {"a", "b"}}, {"off", false}}},
                {"steps", {{"a-b", {{"outputs", {{"id", 7}}}}}}}};
  return context;
}

TEST(Evaluate, SoleExpressionsKeepTheirType) {
  const json value = {{"size", "${{ parameters.size }}"},
                      {"tags", "${{ parameters.tags }}"},
                      {"text", "n-${{ parameters.name }}-${{ parameters.size }}"},
                      {"plain", "as it is"},
                      {"number", 5},
                      {"id", "${{ steps['a-b'].outputs.id }}"}};
  EXPECT_EQ(*Evaluate(value, Context(), "/with"), json({{"size", 3},
                                                        {"tags", {"a", "b"}},
                                                        {"text", "n-x-3"},
                                                        {"plain", "as it is"},
                                                        {"number", 5},
                                                        {"id", 7}}));
}

TEST(Evaluate, UndefinedIsLeftOutAndKeysAreEvaluated) {
  const json value = {{"gone", "${{ parameters.none }}"},
                      {"list", {"${{ parameters.none }}", "kept"}},
                      {"${{ parameters.name }}/file", "text"}};
  EXPECT_EQ(*Evaluate(value, Context(), "/with"), json({{"list", {"kept"}}, {"x/file", "text"}}));
}

TEST(Evaluate, ErrorsNameTheirPlace) {
  const absl::Status clash =
      Evaluate(json{{"x", 1}, {"${{ parameters.name }}", 2}}, Context(), "/with").status();
  EXPECT_THAT(std::string(clash.message()), HasSubstr("two keys become \"x\""));
  const absl::Status bad =
      Evaluate(json{{"a", {"${{ parameters.name | nofilter }}"}}}, Context(), "/with").status();
  EXPECT_FALSE(bad.ok());
  EXPECT_THAT(std::string(bad.message()), HasSubstr("/with/a/0"));
}

TEST(EvaluateCondition, JudgesAsJavaScript) {
  for (const char* yes : {"${{ parameters.size == 3 }}", "${{ parameters.name }}", "${{ [] }}"}) {
    EXPECT_EQ(*EvaluateCondition(yes, Context()), true) << yes;
  }
  for (const char* no : {"${{ parameters.off }}", "${{ parameters.none }}", "${{ 0 }}", "${{ '' }}",
                         "${{ parameters.size > 3 }}"}) {
    EXPECT_EQ(*EvaluateCondition(no, Context()), false) << no;
  }
}

TEST(FindReferences, SeesMembersNotStringsNorFilters) {
  std::vector<std::string> found;
  for (const Reference& reference :
       FindReferences("a ${{ steps.one.outputs.steps + steps['a-b'].x + "
                      "'steps.no' | lower }} steps.none"
                      "{% if parameters.p %}${{ steps[key] }}{% endif %}")) {
    found.push_back(reference.root + ":" + reference.member);
  }
  EXPECT_THAT(found, ElementsAre("steps:one", "steps:a-b", "lower:", "if:", "parameters:p",
                                 "steps:", "key:", "endif:"));
}

}  // namespace
}  // namespace purser::provisioning
