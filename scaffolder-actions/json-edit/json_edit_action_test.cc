#include "scaffolder-actions/json-edit/json_edit_action.h"

#include "gmock/gmock.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class JsonEditActionTest : public FileActionTest {
 protected:
  JsonEditAction edit_;
  JsonMergeAction merge_;
};

TEST_F(JsonEditActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<JsonEditAction>()).ok());
  EXPECT_TRUE(registry.Add(std::make_unique<JsonMergeAction>()).ok());
}

TEST_F(JsonEditActionTest, EditsAndMerges) {
  Put("package.json", "{\n\t\"name\": \"x\",\n\t\"scripts\": {}\n}\n");
  ASSERT_TRUE(Perform(edit_, {{"path", "package.json"},
                              {"operations",
                               {{{"op", "replace"}, {"path", "/name"}, {"value", "y"}},
                                {{"op", "set"}, {"path", "scripts.build"}, {"value", "tsc"}}}}})
                  .ok());
  EXPECT_EQ(Get("package.json"),
            "{\n\t\"name\": \"y\",\n\t\"scripts\": {\n\t\t\"build\": \"tsc\"\n\t}\n}\n");
  ASSERT_TRUE(Perform(merge_, {{"path", "package.json"}, {"value", {{"name", nullptr}}}}).ok());
  EXPECT_EQ(Get("package.json"), "{\n\t\"scripts\": {\n\t\t\"build\": \"tsc\"\n\t}\n}\n");
  ASSERT_TRUE(
      Perform(merge_, {{"path", "new.json"}, {"create", true}, {"value", {{"a", 1}}}}).ok());
  EXPECT_EQ(Get("new.json"), "{\n  \"a\": 1\n}\n");
}

TEST_F(JsonEditActionTest, ErrorsNameTheFileAndTheOperation) {
  Put("a.json", "{\"a\":1}");
  EXPECT_THAT(Perform(edit_, {{"path", "a.json"},
                              {"operations", {{{"op", "test"}, {"path", "/a"}, {"value", 2}}}}})
                  .message(),
              HasSubstr("a.json: operation 0 at \"/a\": test: is 1, not 2"));
  Put("b.json", "{a:1}");
  EXPECT_THAT(Perform(merge_, {{"path", "b.json"}, {"value", {{"a", 1}}}}).message(),
              HasSubstr("b.json:1:2: expected a key in quotes"));
}

}  // namespace
}  // namespace purser::actions
