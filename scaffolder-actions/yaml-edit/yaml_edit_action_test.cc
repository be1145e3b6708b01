#include "scaffolder-actions/yaml-edit/yaml_edit_action.h"

#include <sys/stat.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class YamlEditActionTest : public FileActionTest {
 protected:
  static json Set(const std::string& path, const json& value) {
    return json::array({{{"op", "set"}, {"path", path}, {"value", value}}});
  }
  YamlEditAction edit_;
  YamlMergeAction merge_;
};

TEST_F(YamlEditActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<YamlEditAction>()).ok());
  EXPECT_TRUE(registry.Add(std::make_unique<YamlMergeAction>()).ok());
}

TEST_F(YamlEditActionTest, EditsInPlaceAndOnlyOnce) {
  Put("deploy/values.yaml", "# c\nimage:\n  tag: '1' # t\n");
  ASSERT_EQ(chmod((context_.folder + "/deploy/values.yaml").c_str(), 0750), 0);
  const json input = {{"path", "./deploy/values.yaml"}, {"operations", Set("image.tag", "2")}};
  absl::Status status = Perform(edit_, input);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Get("deploy/values.yaml"), "# c\nimage:\n  tag: '2' # t\n");
  EXPECT_EQ(context_.outputs["changed"], true);
  EXPECT_EQ(context_.outputs["paths"], json{"deploy/values.yaml"});
  EXPECT_THAT(context_.log, HasSubstr("1 operations: wrote 1 files"));
  struct stat info;
  ASSERT_EQ(stat((context_.folder + "/deploy/values.yaml").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0750u);
  status = Perform(edit_, input);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(context_.outputs["changed"], false);
  EXPECT_THAT(Files(), ElementsAre("deploy/", "deploy/values.yaml"));
}

TEST_F(YamlEditActionTest, AnErrorLeavesTheFile) {
  Put("a.yaml", "a: 1\n");
  json operations = Set("a", 2);
  operations.push_back({{"op", "set"}, {"path", "a.b"}, {"value", 1}});
  EXPECT_THAT(Perform(edit_, {{"path", "a.yaml"}, {"operations", operations}}).message(),
              HasSubstr("a.yaml: operation 1 at \"a.b\""));
  EXPECT_EQ(Get("a.yaml"), "a: 1\n");
  operations = Set("a..b", 2);
  EXPECT_THAT(Perform(edit_, {{"path", "a.yaml"}, {"operations", operations}}).message(),
              HasSubstr("/operations/0: path \"a..b\""));
  operations = json::array({{{"op", "zap"}, {"path", "a"}}});
  EXPECT_THAT(Perform(edit_, {{"path", "a.yaml"}, {"operations", operations}}).message(),
              HasSubstr("/operations/0/op"));
}

TEST_F(YamlEditActionTest, MissingFilesAreMadeOnWish) {
  const json input = {{"path", "x/y.yaml"}, {"operations", Set("a.b", json::array({1}))}};
  EXPECT_EQ(Perform(edit_, input).code(), absl::StatusCode::kNotFound);
  json with = input;
  with["create"] = true;
  ASSERT_TRUE(Perform(edit_, with).ok());
  EXPECT_EQ(Get("x/y.yaml"), "a:\n  b:\n    - 1\n");
}

TEST_F(YamlEditActionTest, NothingLeadsOut) {
  Put("a.yaml", "a: 1\n");
  std::ofstream(root_ + "/secret.yaml") << "a: 1\n";
  ASSERT_EQ(symlink("../secret.yaml", (context_.folder + "/link.yaml").c_str()), 0);
  ASSERT_EQ(symlink("..", (context_.folder + "/up").c_str()), 0);
  for (const char* path : {"../secret.yaml", "/etc/passwd", "link.yaml", "up/secret.yaml",
                           ".git/config", "x/.git/hooks/post-checkout"}) {
    const absl::Status status =
        Perform(edit_, {{"path", path}, {"create", true}, {"operations", Set("a", 2)}});
    EXPECT_FALSE(status.ok()) << path;
  }
  std::ifstream secret(root_ + "/secret.yaml");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(secret), {}), "a: 1\n");
  EXPECT_THAT(Files(), ElementsAre("a.yaml", "link.yaml", "up"));
}

TEST_F(YamlEditActionTest, DocumentsAreChosen) {
  Put("m.yaml", "kind: A\nn: 1\n---\nkind: B # b\nn: 1\n");
  ASSERT_TRUE(
      Perform(edit_,
              {{"path", "m.yaml"}, {"document", {{"kind", "B"}}}, {"operations", Set("n", 2)}})
          .ok());
  EXPECT_EQ(Get("m.yaml"), "kind: A\nn: 1\n---\nkind: B # b\nn: 2\n");
  ASSERT_TRUE(
      Perform(merge_, {{"path", "m.yaml"}, {"document", "all"}, {"at", "l"}, {"value", {{"t", 1}}}})
          .ok());
  EXPECT_EQ(Get("m.yaml"), "kind: A\nn: 1\nl:\n  t: 1\n---\nkind: B # b\nn: 2\nl:\n  t: 1\n");
}

TEST_F(YamlEditActionTest, MergesValuesAndFiles) {
  Put("a.yaml", "# a\nl: [1, 2]\nm: {x: 1}\n");
  Put("b.yaml", "l: [2, 3]\nm: {x: null, k: 'z'}\n");
  ASSERT_TRUE(Perform(merge_, {{"path", "a.yaml"}, {"from", "b.yaml"}, {"lists", "unite"}}).ok());
  EXPECT_EQ(Get("a.yaml"), "# a\nl: [1, 2, 3]\nm: {k: z}\n");
  EXPECT_THAT(Perform(merge_, {{"path", "a.yaml"}}).message(), HasSubstr("either"));
  Put("b.yaml", "a: &x 1\nb: *x\n");
  EXPECT_THAT(Perform(merge_, {{"path", "a.yaml"}, {"from", "b.yaml"}}).message(),
              HasSubstr("aliases"));
}

TEST_F(YamlEditActionTest, MembersKeepTheOrderOfTheInput) {
  Put("a.yaml", "a: 1\n");
  const json value = {{"path", "a.yaml"}, {"value", {{"x", 1}, {"b", 2}}}};
  json input = value;
  input["inputText"] = R"({"path":"a.yaml","value":{"x":1,"b":2}})";
  ASSERT_TRUE(Perform(merge_, input).ok());
  EXPECT_EQ(Get("a.yaml"), "a: 1\nx: 1\nb: 2\n");
  EXPECT_EQ(context_.outputs["files"], 1);
}

TEST_F(YamlEditActionTest, ADryRunShowsTheLines) {
  Put("a.yaml", "a: 1\nb: 2\nc: 3\n");
  context_.dry = true;
  ASSERT_TRUE(Perform(edit_, {{"path", "a.yaml"}, {"operations", Set("b", 5)}}).ok());
  EXPECT_THAT(context_.log, HasSubstr("dry run: a.yaml:2\n-b: 2\n+b: 5\n"));
}

TEST_F(YamlEditActionTest, StopsWhenAsked) {
  Put("a.yaml", "a: 1\n");
  context_.source.request_stop();
  EXPECT_EQ(Perform(edit_, {{"path", "a.yaml"}, {"operations", Set("a", 2)}}).code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(Get("a.yaml"), "a: 1\n");
}

}  // namespace
}  // namespace purser::actions
