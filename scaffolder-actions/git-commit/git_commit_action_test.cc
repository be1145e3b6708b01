#include "scaffolder-actions/git-commit/git_commit_action.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "git/process.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class GitCommitActionTest : public testing::Test {
 protected:
  GitCommitActionTest()
      : transport_(folder_.path()),
        repository_(git::MakeBareRepository(folder_.path())),
        workspace_(absl::StrCat(folder_.path(), "/workspace")),
        action_(clock_),
        context_(&transport_) {
    context_.key = "task-1/commit/abc";
    context_.folder = workspace_;
    Put("README.md", "# hello\n");
    Put("apps/shop/values.yaml", "replicas: 1\n");
  }
  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(workspace_) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  absl::Status Run(nlohmann::json input, const std::string& key = "") {
    input["remoteUrl"] = "https://git.test/repo.git";
    if (!input.contains("gitCommitMessage")) input["gitCommitMessage"] = "Change";
    if (!key.empty()) context_.key = key;
    return RunAsHost(action_, context_, std::move(input));
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
  GitCommitAction action_;
  FakeContext context_;
};

TEST_F(GitCommitActionTest, DescriptionIsWhole) {
  const action::Description& description = action_.description();
  EXPECT_EQ(description.id, "purser:git:commit");
  EXPECT_GE(description.examples.size(), 3u);
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<GitCommitAction>()).ok());
  EXPECT_THAT(description.input_schema["properties"].dump(), Not(HasSubstr("allowLocalRemotes")));
}

TEST_F(GitCommitActionTest, CommitsChangesDeletesAndRepeats) {
  ASSERT_TRUE(Run({{"hosting", "gitea"}}).ok()) << context_.log;
  EXPECT_EQ(context_.outputs["branch"], "main");
  EXPECT_EQ(context_.outputs["addedFiles"], 2);
  EXPECT_EQ(context_.outputs["committed"], true);
  EXPECT_EQ(context_.outputs["commitUrl"],
            absl::StrCat("https://git.test/repo/commit/", RepositoryGit({"rev-parse", "main"})));
  EXPECT_THAT(context_.log, HasSubstr("2 files added, 0 changed, 0 deleted"));
  const nlohmann::json first = context_.outputs;

  // Again with the same key, and with another.
  for (const char* key : {"task-1/commit/abc", "task-2/commit/abc"}) {
    ASSERT_TRUE(Run({}, key).ok());
    EXPECT_EQ(context_.outputs["commitHash"], first["commitHash"]) << key;
    EXPECT_EQ(context_.outputs["committed"], false);
    EXPECT_THAT(context_.log, HasSubstr("already"));
  }
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "1");

  Put("apps/shop/values.yaml", "replicas: 2\n");
  ASSERT_TRUE(Run({{"sourcePath", "./apps/shop/"},
                   {"targetPath", "./apps/shop/"},
                   {"deletePaths", {"README.md", "nowhere"}},
                   {"gitCommitMessage", "Scale"}},
                  "task-3/commit/x")
                  .ok());
  EXPECT_EQ(context_.outputs["changedFiles"], 1);
  EXPECT_EQ(context_.outputs["deletedFiles"], 1);
  EXPECT_EQ(RepositoryGit({"show", "--format=%s", "--name-status", "main"}),
            "Scale\n\nD\tREADME.md\nM\tapps/shop/values.yaml");
  // The first step again, after all that: its own commit is found.
  ASSERT_TRUE(Run({}, "task-1/commit/abc").ok());
  EXPECT_EQ(context_.outputs["commitHash"], first["commitHash"]);
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "2");
}

TEST_F(GitCommitActionTest, ABranchForAPullRequest) {
  ASSERT_TRUE(Run({}).ok());
  ASSERT_TRUE(Run({{"branch", "change/a"},
                   {"baseBranch", "main"},
                   {"sourcePath", "apps"},
                   {"targetPath", "more"},
                   {"mirror", true}},
                  "task-2")
                  .ok());
  EXPECT_THAT(context_.log, HasSubstr("the new branch change/a"));
  EXPECT_EQ(RepositoryGit({"diff", "--name-only", "main", "change/a"}), "more/shop/values.yaml");
}

TEST_F(GitCommitActionTest, NothingToCommitIsAnErrorWhereAsked) {
  ASSERT_TRUE(Run({}).ok());
  const absl::Status status = Run({{"whenNothingChanges", "fail"}}, "task-2");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("nothing to commit"));
  // Not for a repeat of the step that made it.
  EXPECT_TRUE(Run({{"whenNothingChanges", "fail"}}, "task-1/commit/abc").ok());
}

TEST_F(GitCommitActionTest, CommitsAreSigned) {
  const std::string key = absl::StrCat(folder_.path(), "/key");
  git::ProcessRequest make;
  make.arguments = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key};
  if (absl::IsNotFound(git::RunProcess(make).status())) {
    GTEST_SKIP() << "SKIP ssh-keygen is not installed";
  }
  std::ifstream in(key);
  context_.hidden["git.signingKey"] = std::string(std::istreambuf_iterator<char>(in), {});
  ASSERT_TRUE(Run({{"signCommit", true}}).ok());
  EXPECT_THAT(context_.log, HasSubstr("signed by ssh key SHA256:"));
  EXPECT_THAT(context_.log, Not(HasSubstr("PRIVATE KEY")));
  EXPECT_THAT(RepositoryGit({"cat-file", "commit", "main"}),
              HasSubstr("gpgsig -----BEGIN SSH SIGNATURE-----"));
  context_.hidden.clear();
  EXPECT_EQ(Run({{"signCommit", true}}).code(), absl::StatusCode::kFailedPrecondition);
  context_.hidden["git.signingKey"] = "nonsense";
  EXPECT_EQ(Run({}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(GitCommitActionTest, ProtectedBranchesAreExplained) {
  ASSERT_TRUE(Run({}).ok());
  git::WriteHook(repository_, "pre-receive",
                 "echo 'main is protected: open a pull request' >&2; exit 1");
  Put("new", "1");
  const absl::Status status = Run({}, "task-2");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("main is protected: open a pull request"));
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "1");
}

TEST_F(GitCommitActionTest, ADryRunSendsNothing) {
  context_.dry = true;
  ASSERT_TRUE(Run({{"deletePaths", {"old"}}}).ok());
  EXPECT_THAT(context_.log, HasSubstr("would put 2 files"));
  EXPECT_EQ(context_.outputs["commitHash"], std::string(40, '0'));
  EXPECT_FALSE(context_.outputs.contains("addedFiles"));
  EXPECT_EQ(transport_.received, 0);
  // It still finds what a real run would trip over.
  EXPECT_EQ(Run({{"targetPath", "a/.git"}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Run({{"branch", "a..b"}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Run({{"sourcePath", "nowhere"}}).code(), absl::StatusCode::kNotFound);
}

TEST_F(GitCommitActionTest, AStopEndsIt) {
  context_.source.request_stop();
  EXPECT_EQ(Run({}).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(RepositoryGit({"for-each-ref"}), "");
}

}  // namespace
}  // namespace purser::actions
