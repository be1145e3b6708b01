#include "scaffolder-actions/fetch-plain/fetch_plain_action.h"

#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "gmock/gmock.h"
#include "scaffolder-actions/render_fixture.h"
#include "template/tree_copy.h"

namespace purser::actions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FetchPlainActionTest : public RenderFixture {
 protected:
  absl::Status Run(nlohmann::json input, const std::string& source = "source") {
    return RunAction(action_, std::move(input), source);
  }
  absl::Status RunFile(nlohmann::json input, const std::string& source = "source/a.txt") {
    return RunAction(file_action_, std::move(input), source);
  }
  FetchPlainAction action_;
  FetchPlainFileAction file_action_;
};

TEST_F(FetchPlainActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<FetchPlainAction>()).ok());
  EXPECT_TRUE(registry.Add(std::make_unique<FetchPlainFileAction>()).ok());
}

TEST_F(FetchPlainActionTest, CopiesNamesContentsModesAndLinks) {
  const std::string latin = "caf\xe9 ${{ values.name | nope }}";
  Put("source/${{ values.name }}.txt", latin, 0666);
  Put("source/bin/run", "x", 0777);
  Link("source/link", "bin/run");
  Link("source/out", "/etc/passwd");
  ASSERT_EQ(chmod((root_ + "/source/bin").c_str(), 0550), 0);
  const mode_t old = umask(077);
  const absl::Status status = Run({{"targetPath", "o"}});
  umask(old);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Tree(), ElementsAre("o", "o/${{ values.name }}.txt", "o/bin", "o/bin/run", "o/link"));
  EXPECT_EQ(Get("o/${{ values.name }}.txt"), latin);
  EXPECT_EQ(Mode("o/${{ values.name }}.txt"), 0666u);
  EXPECT_EQ(Mode("o/bin"), 0550u);
  EXPECT_EQ(Mode("o/bin/run"), 0777u);
  EXPECT_TRUE(std::filesystem::is_symlink(root_ + "/workspace/o/link"));
}

TEST_F(FetchPlainActionTest, OverwritesAndKeepsTheRest) {
  Put("source/a.txt", "new", 0644);
  Put("source/d/b.txt", "new", 0644);
  Put("workspace/a.txt", "old", 0600);
  Put("workspace/d/c.txt", "kept");
  ASSERT_TRUE(Run({}).ok());
  EXPECT_THAT(Tree(), ElementsAre("a.txt", "d", "d/b.txt", "d/c.txt"));
  EXPECT_EQ(Get("a.txt"), "new");
  EXPECT_EQ(Mode("a.txt"), 0644u);
  EXPECT_EQ(context_.outputs["copied"], 2);
  // A file that is a folder there: nothing is changed.
  Put("source/d2", "file");
  Put("source/0", "first");
  std::filesystem::create_directories(root_ + "/workspace/d2");
  EXPECT_THAT(Run({}).message(), HasSubstr("d2 is a folder"));
  EXPECT_THAT(Tree(), ElementsAre("a.txt", "d", "d/b.txt", "d/c.txt", "d2"));
}

TEST_F(FetchPlainActionTest, CopiesAFile) {
  Put("source/a.txt", std::string("a\0b", 3), 0751);
  ASSERT_TRUE(RunFile({{"targetPath", "./x/y"}}).ok());
  EXPECT_EQ(Get("x/y"), std::string("a\0b", 3));
  EXPECT_EQ(Mode("x/y"), 0751u);
  // The folder's action copies a file, too, when that is what the URL names.
  ASSERT_TRUE(Run({{"targetPath", "z"}}, "source/a.txt").ok());
  EXPECT_EQ(Get("z").size(), 3u);
  EXPECT_THAT(Run({}, "source/a.txt").message(), HasSubstr("/targetPath"));
  EXPECT_THAT(RunFile({{"targetPath", "x"}}).message(), HasSubstr("x is a folder"));
}

TEST_F(FetchPlainActionTest, ALargeFileGoesInPieces) {
  const std::string text = std::string(9 * tmpl::kCopyPieceBytes + 7, 'x') + "end";
  Put("source/large", text, 0640);
  ASSERT_TRUE(Run({}).ok());
  EXPECT_TRUE(Get("large") == text);
  EXPECT_EQ(Mode("large"), 0640u);
  // After a stop nothing more is copied.
  const base::Directory folder = *base::Directory::Open(root_ + "/source");
  const base::FileReader source = *base::FileReader::Open(folder, "large");
  base::FileWriter target = *base::FileWriter::Create(folder, "copy");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(tmpl::CopyPieces(source, target, stop.get_token()).code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(target.bytes(), 0);
}

TEST_F(FetchPlainActionTest, AFileGoesThroughALinkThatIsThere) {
  Put("source/a.txt", "new");
  Put("workspace/real", "old");
  Link("workspace/link", "real");
  ASSERT_TRUE(RunFile({{"targetPath", "link"}}).ok());
  EXPECT_EQ(Get("real"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(root_ + "/workspace/link"));
  Link("workspace/out", "../source/a.txt");
  EXPECT_EQ(RunFile({{"targetPath", "out"}}).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FetchPlainActionTest, NothingLeadsOut) {
  Put("source/a.txt", "x");
  Link("workspace/link", "../source");
  EXPECT_EQ(Run({{"targetPath", "../x"}}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(RunFile({{"targetPath", "../x"}}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Run({{"targetPath", "link"}}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(RunFile({{"targetPath", "link/b"}}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_FALSE(Run({}, "none").ok());
  context_.source.request_stop();
  EXPECT_EQ(Run({}).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(RunFile({{"targetPath", "a"}}).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(Tree(), ElementsAre("link"));
}

}  // namespace
}  // namespace purser::actions
