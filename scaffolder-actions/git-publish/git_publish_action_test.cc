#include "scaffolder-actions/git-publish/git_publish_action.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class GitPublishActionTest : public testing::Test {
 protected:
  GitPublishActionTest()
      : transport_(folder_.path()),
        repository_(git::MakeBareRepository(folder_.path())),
        workspace_(absl::StrCat(folder_.path(), "/workspace")),
        action_(clock_),
        context_(&transport_) {
    context_.key = "task-1/publish/abc";
    Put("README.md", "# hello\n");
    Put("service/main.c", "int main() {}\n");
    context_.folder = workspace_;
  }
  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(workspace_) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  absl::Status Run(nlohmann::json input) { return RunAsHost(action_, context_, std::move(input)); }
  nlohmann::json Local() {
    return {{"remoteUrl", absl::StrCat("file://", repository_)}, {"allowLocalRemotes", true}};
  }
  std::string RepositoryGit(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-C", repository_});
    return git::Git(arguments);
  }

  git::TempFolder folder_;
  git::CgiTransport transport_;
  std::string repository_;
  std::string workspace_;
  base::FakeClock clock_;
  GitPublishAction action_;
  FakeContext context_;
};

TEST_F(GitPublishActionTest, DescriptionIsWhole) {
  const action::Description& description = action_.description();
  EXPECT_EQ(description.id, "purser:git:publish");
  EXPECT_GE(description.examples.size(), 3u);
  EXPECT_TRUE(json::Schema::Compile(description.input_schema).ok());
  EXPECT_TRUE(json::Schema::Compile(description.output_schema).ok());
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<GitPublishAction>()).ok());
  // What the portal gives must not be offered to templates.
  EXPECT_THAT(description.input_schema["properties"].dump(), Not(HasSubstr("allowLocalRemotes")));
}

TEST_F(GitPublishActionTest, PublishesTheWorkspace) {
  std::filesystem::create_directories(absl::StrCat(workspace_, "/.git"));
  Put(".git/config", "[core]");
  Put("vendor/x/.git/HEAD", "ref");
  Put(".gitignore", "*.log\n");
  Put("kept.log", "kept");
  Put("service/.purser-stage/0", "left by a render that was killed");
  Put("run.sh", "#!/bin/sh\n");
  std::filesystem::permissions(absl::StrCat(workspace_, "/run.sh"), std::filesystem::perms(0755));
  std::filesystem::create_symlink("README.md", absl::StrCat(workspace_, "/link"));
  ASSERT_TRUE(Run(Local()).ok());
  EXPECT_EQ(RepositoryGit({"ls-tree", "-r", "--format=%(objectmode) %(path)", "main"}),
            "100644 .gitignore\n100644 README.md\n100644 kept.log\n120000 link\n100755 run.sh\n"
            "100644 service/main.c");
  EXPECT_EQ(RepositoryGit({"log", "--format=%an <%ae>|%B", "main"}),
            "Purser <purser@localhost>|Initial commit\n\nPurser-Effect: task-1/publish/abc");
  EXPECT_EQ(context_.outputs["commitHash"], RepositoryGit({"rev-parse", "main"}));
  EXPECT_EQ(context_.outputs["remoteUrl"], absl::StrCat("file://", repository_));
  EXPECT_FALSE(context_.outputs.contains("repoContentsUrl"));
  EXPECT_THAT(context_.log, HasSubstr("6 files"));
  EXPECT_EQ(RepositoryGit({"fsck", "--strict"}), "");
}

TEST_F(GitPublishActionTest, ARepeatChangesNothing) {
  ASSERT_TRUE(Run(Local()).ok());
  const nlohmann::json first = context_.outputs;
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(Run(Local()).ok());
  EXPECT_EQ(context_.outputs["commitHash"], first["commitHash"]);
  EXPECT_GT(first["bytes"], 0);
  EXPECT_EQ(first["files"], 2);
  EXPECT_EQ(context_.outputs["bytes"], 0);
  EXPECT_THAT(context_.log, HasSubstr("already holds these files"));
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "1");
}

TEST_F(GitPublishActionTest, AnExistingBranchFailsOrIsBroughtToTheFiles) {
  ASSERT_TRUE(Run(Local()).ok());
  context_.key = "task-2/publish/abc";
  Put("README.md", "# changed\n");
  std::filesystem::remove_all(absl::StrCat(workspace_, "/service"));
  EXPECT_EQ(Run(Local()).code(), absl::StatusCode::kAlreadyExists);
  nlohmann::json input = Local();
  input["whenBranchExists"] = "append";
  ASSERT_TRUE(Run(input).ok());
  EXPECT_EQ(RepositoryGit({"ls-tree", "-r", "--name-only", "main"}), "README.md");
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "2");
}

TEST_F(GitPublishActionTest, OverHttpWithTheWrappersCredential) {
  transport_.required_authorization = "Basic c2VjcmV0";
  context_.hidden["git.authorization"] = "Basic c2VjcmV0";
  const absl::Status status = Run({{"remoteUrl", "https://git.test/repo.git"},
                                   {"sourcePath", "./service/"},
                                   {"defaultBranch", "feature/x"},
                                   {"gitCommitMessage", "Subject\n\nBody"},
                                   {"gitAuthorName", "Ada"},
                                   {"gitAuthorEmail", "ada@example.org"},
                                   {"hosting", "gitea"}});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(RepositoryGit({"ls-tree", "-r", "--name-only", "feature/x"}), "main.c");
  EXPECT_EQ(RepositoryGit({"log", "--format=%an %s", "feature/x"}), "Ada Subject");
  EXPECT_EQ(context_.outputs["repoContentsUrl"], "https://git.test/repo/src/branch/feature/x");
  EXPECT_THAT(context_.log, Not(HasSubstr("c2VjcmV0")));
  context_.hidden.clear();
  EXPECT_EQ(Run({{"remoteUrl", "https://git.test/repo.git"}}).code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(GitPublishActionTest, ADryRunSendsNothing) {
  context_.dry = true;
  ASSERT_TRUE(Run({{"remoteUrl", "https://unreachable.test/repo.git"}}).ok());
  EXPECT_THAT(context_.log, HasSubstr("would push 2 files"));
  EXPECT_EQ(context_.outputs["commitHash"], std::string(40, '0'));
  EXPECT_EQ(transport_.received, 0);
  // It still finds what a real run would trip over.
  nlohmann::json input = Local();
  input["sourcePath"] = "nowhere";
  EXPECT_EQ(Run(input).code(), absl::StatusCode::kNotFound);
  Put("a/.GIT/config", "x");
  EXPECT_EQ(Run(Local()).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(GitPublishActionTest, WhatIsRefused) {
  nlohmann::json input = Local();
  input["allowLocalRemotes"] = false;
  EXPECT_EQ(Run(input).code(), absl::StatusCode::kPermissionDenied);
  input.erase("allowLocalRemotes");
  EXPECT_EQ(Run(input).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Run(nlohmann::json::object()).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Run({{"repoUrl", "github.com?owner=o&repo=r"}}).message(), HasSubstr("remoteUrl"));
  EXPECT_THAT(Run({{"remoteUrl", "https://h/r"}, {"brnch", "x"}}).message(), HasSubstr("/brnch"));
  input = Local();
  for (const char* path : {"../..", "/etc", "a/../.."}) {
    input["sourcePath"] = path;
    EXPECT_FALSE(Run(input).ok()) << path;
  }
  std::filesystem::create_directory_symlink(folder_.path(), absl::StrCat(workspace_, "/out"));
  input["sourcePath"] = "out";
  EXPECT_FALSE(Run(input).ok());
  input = Local();
  input["defaultBranch"] = "a..b";
  EXPECT_EQ(Run(input).code(), absl::StatusCode::kInvalidArgument);
  context_.source.request_stop();
  EXPECT_EQ(Run(Local()).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(RepositoryGit({"for-each-ref"}), "");
}

}  // namespace
}  // namespace purser::actions
