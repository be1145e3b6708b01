#include "scaffolder-actions/template-render-file/template_render_file_action.h"

#include <sys/stat.h>

#include <utility>

#include "gmock/gmock.h"
#include "scaffolder-actions/render_fixture.h"

namespace purser::actions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TemplateRenderFileActionTest : public RenderFixture {
 protected:
  absl::Status Run(nlohmann::json input, const std::string& source = "source/a.txt") {
    return RunAction(action_, std::move(input), source);
  }
  TemplateRenderFileAction action_;
};

TEST_F(TemplateRenderFileActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<TemplateRenderFileAction>()).ok());
}

TEST_F(TemplateRenderFileActionTest, RendersTheContentsAndNotTheName) {
  Put("source/a.txt", "Hello ${{ values.name }}\n", 0755);
  const absl::Status status =
      Run({{"targetPath", "./d/${{ values.name }}.txt"}, {"valuesText", R"({"name":"orders"})"}});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Get("d/${{ values.name }}.txt"), "Hello orders\n");
  EXPECT_EQ(Mode("d/${{ values.name }}.txt") & 0111, 0u);  // the mode is not that of the source
  EXPECT_EQ(context_.outputs["files"], 1);
  EXPECT_THAT(context_.log, HasSubstr("wrote 1 files"));
}

TEST_F(TemplateRenderFileActionTest, KeepsOrReplacesWhatIsThere) {
  Put("source/a.txt", "new");
  Put("workspace/out.txt", "old", 0600);
  ASSERT_TRUE(Run({{"targetPath", "out.txt"}}).ok());
  EXPECT_EQ(Get("out.txt"), "old");
  EXPECT_EQ(context_.outputs["skipped"], 1);
  ASSERT_TRUE(Run({{"targetPath", "out.txt"}, {"replace", true}}).ok());
  EXPECT_EQ(Get("out.txt"), "new");
  EXPECT_EQ(Mode("out.txt"), 0600u);
}

TEST_F(TemplateRenderFileActionTest, NothingLeadsOutAndErrorsLeaveNothing) {
  Put("source/a.txt", "${{ broken");
  EXPECT_THAT(Run({{"targetPath", "x"}}).message(), HasSubstr("./skeleton:1:"));
  Put("source/a.txt", "fine");
  for (const char* target : {"../x", "/tmp/x", "a/../../x"}) {
    EXPECT_EQ(Run({{"targetPath", target}}).code(), absl::StatusCode::kPermissionDenied) << target;
  }
  Link("workspace/link", "../outside");
  EXPECT_EQ(Run({{"targetPath", "link"}, {"replace", true}}).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_FALSE(Run({{"targetPath", "."}, {"replace", true}}).ok());
  EXPECT_FALSE(Run({}).ok());
  EXPECT_EQ(Run({{"targetPath", "x"}}, "source/none").code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Tree(), ElementsAre("link"));
}

TEST_F(TemplateRenderFileActionTest, StopsWhenAsked) {
  Put("source/a.txt", "x");
  context_.source.request_stop();
  EXPECT_EQ(Run({{"targetPath", "x"}}).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(Tree(), ElementsAre());
}

}  // namespace
}  // namespace purser::actions
