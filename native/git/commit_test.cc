#include "git/commit.h"

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;

class CommitTest : public testing::TestWithParam<bool> {
 protected:
  CommitTest() : transport_(folder_.path()), repository_(MakeBareRepository(folder_.path())) {
    RepositoryGit({"config", "uploadpack.allowFilter", "true"});
    remote_ = NewRemote();
  }
  std::unique_ptr<Remote> NewRemote() {
    RemoteOptions options;
    options.allow_local = true;
    const std::string url =
        GetParam() ? std::string("http://git.test/repo.git") : absl::StrCat("file://", repository_);
    return *OpenRemote(url, transport_, options);
  }
  Call NewCall() { return {clock_, {}, absl::Seconds(60), {}}; }
  static CommitInfo Info(const std::string& key = "") {
    return {{"Ada", "ada@example.org"}, "Change things", key, nullptr};
  }
  absl::StatusOr<CommitResult> Commit(std::map<std::string, File> files, TreeChange change = {},
                                      const std::string& branch = "main",
                                      const std::string& key = "") {
    clock_.Advance(absl::Minutes(1));
    const MapSource source(std::move(files));
    change.files = &source;
    return CommitTree(*remote_, branch, change, Info(key), NewCall());
  }
  std::string RepositoryGit(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-C", repository_});
    return Git(arguments);
  }
  std::string Files(const std::string& branch = "main") {
    return RepositoryGit({"ls-tree", "-r", "--name-only", branch});
  }
  std::string Commits(const std::string& branch = "main") {
    return RepositoryGit({"rev-list", "--count", branch});
  }
  void ExpectSound() {
    EXPECT_EQ(RepositoryGit({"fsck", "--strict", "--full", "--no-dangling"}), "");
  }

  TempFolder folder_;
  CgiTransport transport_;
  std::string repository_;
  std::unique_ptr<Remote> remote_;
  base::FakeClock clock_;
};

INSTANTIATE_TEST_SUITE_P(Remotes, CommitTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Http" : "Local"; });

TEST_P(CommitTest, FilesAreAddedAndChangedBesideWhatIsThere) {
  ASSERT_TRUE(Commit({{"README.md", {kModeFile, "r"}}, {"apps/a/x", {kModeFile, "1"}}}).ok());
  TreeChange change;
  change.target_path = "apps/b";
  const auto second = Commit({{"x", {kModeFile, "1"}}, {"run", {kModeExecutable, "2"}}}, change);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->added, 2);
  EXPECT_EQ(second->changed, 0);
  EXPECT_EQ(second->deleted, 0);
  EXPECT_FALSE(second->new_branch);
  EXPECT_EQ(Files(), "README.md\napps/a/x\napps/b/run\napps/b/x");
  const auto third = Commit({{"x", {kModeFile, "1"}}, {"run", {kModeFile, "2"}}}, change);
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(third->changed, 1);  // its mode
  EXPECT_EQ(third->added, 0);
  // The commit, three folders on the way; the contents are there.
  EXPECT_EQ(third->objects, 4);
  EXPECT_EQ(RepositoryGit({"rev-parse", "main"}), third->commit.ToHex());
  ExpectSound();
}

TEST_P(CommitTest, ARepeatMakesNoSecondCommit) {
  const auto first = Commit({{"a", {kModeFile, "1"}}}, {}, "main", "task/1");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first->new_branch);
  EXPECT_TRUE(first->pushed);
  const auto same = Commit({{"a", {kModeFile, "1"}}}, {}, "main", "task/2");
  ASSERT_TRUE(same.ok());
  EXPECT_FALSE(same->pushed);
  EXPECT_EQ(same->commit, first->commit);
  // Below a later commit the key tells.
  ASSERT_TRUE(Commit({{"a", {kModeFile, "2"}}}).ok());
  const auto again = Commit({{"a", {kModeFile, "1"}}}, {}, "main", "task/1");
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->found);
  EXPECT_EQ(again->commit, first->commit);
  EXPECT_EQ(Commits(), "2");
}

TEST_P(CommitTest, PathsAreDeletedAndFoldersMirrored) {
  ASSERT_TRUE(Commit({{"keep", {kModeFile, "1"}},
                      {"old/a", {kModeFile, "1"}},
                      {"old/b/c", {kModeFile, "1"}},
                      {"app/x", {kModeFile, "1"}},
                      {"app/y/z", {kModeFile, "1"}}})
                  .ok());
  TreeChange change;
  change.delete_paths = {"old", "missing/file", "keep"};
  const auto deleted = Commit({{"keep", {kModeFile, "1"}}}, change);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->deleted, 2);  // what is given again stays
  EXPECT_EQ(deleted->added + deleted->changed, 0);
  EXPECT_EQ(Files(), "app/x\napp/y/z\nkeep");
  TreeChange mirror;
  mirror.target_path = "app";
  mirror.mirror = true;
  const auto mirrored = Commit({{"y", {kModeFile, "now a file"}}, {"n", {kModeFile, "2"}}}, mirror);
  ASSERT_TRUE(mirrored.ok()) << mirrored.status();
  EXPECT_EQ(mirrored->deleted, 2);
  EXPECT_EQ(mirrored->added, 2);
  EXPECT_EQ(Files(), "app/n\napp/y\nkeep");
  // Nothing left of a folder.
  const MapSource none({});
  mirror.files = &none;
  ASSERT_TRUE(CommitTree(*remote_, "main", mirror, Info(), NewCall()).ok());
  EXPECT_EQ(Files(), "keep");
  ExpectSound();
}

TEST_P(CommitTest, ANewBranchBeginsAtItsBase) {
  ASSERT_TRUE(Commit({{"a", {kModeFile, "1"}}}).ok());
  const auto feature = Commit({{"b", {kModeFile, "2"}}}, {}, "feature/x");
  ASSERT_TRUE(feature.ok()) << feature.status();
  EXPECT_TRUE(feature->new_branch);
  EXPECT_EQ(RepositoryGit({"rev-parse", "feature/x~1"}), RepositoryGit({"rev-parse", "main"}));
  TreeChange change;
  change.base_branch = "feature/x";
  ASSERT_TRUE(Commit({{"c", {kModeFile, "3"}}}, change, "next").ok());
  EXPECT_EQ(Files("next"), "a\nb\nc");
  EXPECT_EQ(Files(), "a");
  change.base_branch = "nowhere";
  const auto refused = Commit({{"c", {kModeFile, "3"}}}, change, "other");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(refused.status().message(), HasSubstr("nowhere"));
  // A change that changes nothing makes no branch either.
  const auto nothing = Commit({{"a", {kModeFile, "1"}}}, {}, "empty");
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->pushed);
  EXPECT_FALSE(nothing->new_branch);
  EXPECT_EQ(RepositoryGit({"for-each-ref", "refs/heads/empty"}), "");
  EXPECT_EQ(*DefaultBranch(*remote_, NewCall()), "main");
  ExpectSound();
}

TEST_P(CommitTest, WhatOthersPushedMeanwhileStays) {
  ASSERT_TRUE(Commit({{"a", {kModeFile, "1"}}, {"b", {kModeFile, "1"}}}).ok());
  HookedRemote raced(*remote_);
  int pushes = 0;
  raced.before = [&](Service service) {
    if (service == Service::kReceivePack && ++pushes == 1) {
      ASSERT_TRUE(Commit({{"a", {kModeFile, "theirs"}}}).ok());
    }
  };
  const MapSource files({{"b", {kModeFile, "ours"}}});
  TreeChange change;
  change.files = &files;
  const auto result = CommitTree(raced, "main", change, Info(), NewCall());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(pushes, 2);
  EXPECT_EQ(result->changed, 1);
  EXPECT_EQ(RepositoryGit({"show", "main:a"}), "theirs");
  EXPECT_EQ(RepositoryGit({"show", "main:b"}), "ours");
  ExpectSound();
}

// Of a large repository only the folders on the way are read, where the server is ready for it.
TEST_P(CommitTest, OnlyTheFoldersOnTheWayAreRead) {
  std::map<std::string, File> files;
  for (int i = 0; i < 300; ++i) {
    files[absl::StrCat("deep/er/still/", i, "/file")] = {kModeFile, absl::StrCat("content ", i)};
  }
  ASSERT_TRUE(Commit(files).ok());
  TreeChange change;
  change.target_path = "apps";
  transport_.received = 0;
  ASSERT_TRUE(Commit({{"one", {kModeFile, "1"}}}, change).ok());
  EXPECT_LT(transport_.received, GetParam() ? 4000 : 1);
  // A server that does not know such a filter gets a simpler one, or none.
  RepositoryGit({"config", "uploadpackfilter.combine.allow", "false"});
  ASSERT_TRUE(Commit({{"two", {kModeFile, "1"}}}, change).ok());
  RepositoryGit({"config", "uploadpack.allowFilter", "false"});
  ASSERT_TRUE(Commit({{"three", {kModeFile, "1"}}}, change).ok());
  EXPECT_EQ(Commits(), "4");
  ExpectSound();
}

// Each file takes a second and a half to read.
class SlowSource final : public FileSource {
 public:
  explicit SlowSource(base::FakeClock& clock) : clock_(clock) {}
  absl::Status ForEach(const Visit& visit) const override {
    for (const char* path : {"a", "b", "c"}) {
      clock_.Advance(absl::Milliseconds(1500));
      Content content{std::string(path)};
      if (absl::Status status = visit(path, kModeFile, content); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<Content> Open(absl::string_view path, uint32_t) const override {
    return Content(std::string(path));
  }

 private:
  base::FakeClock& clock_;
};

TEST_P(CommitTest, LongWorkSaysHowFarItIs) {
  std::vector<std::string> lines;
  Call call = NewCall();
  call.report = [&lines](absl::string_view line) { lines.emplace_back(line); };
  const SlowSource files(clock_);
  TreeChange change;
  change.files = &files;
  ASSERT_TRUE(CommitTree(*remote_, "main", change, Info(), call).ok());
  EXPECT_THAT(lines, testing::ElementsAre("read 0 files", "read 1 files", "read 2 files"));
}

TEST_P(CommitTest, BadInputIsRefusedBeforeTheNetwork) {
  const auto code = [this](TreeChange change, const std::string& branch = "main") {
    return Commit({{"a", {kModeFile, "1"}}}, std::move(change), branch).status().code();
  };
  TreeChange change;
  change.target_path = "../x";
  EXPECT_EQ(code(change), absl::StatusCode::kInvalidArgument);
  change.target_path = ".git/hooks";
  EXPECT_EQ(code(change), absl::StatusCode::kInvalidArgument);
  change.target_path = "";
  change.delete_paths = {"/etc/passwd"};
  EXPECT_EQ(code(change), absl::StatusCode::kInvalidArgument);
  change.delete_paths.assign(kMaxDeletePaths + 1, "x");
  EXPECT_EQ(code(change), absl::StatusCode::kInvalidArgument);
  change.delete_paths.clear();
  change.base_branch = "a..b";
  EXPECT_EQ(code(change), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({}, "x.lock"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(transport_.received, 0);
  // A file where a folder is needed.
  ASSERT_TRUE(Commit({{"a", {kModeFile, "1"}}}).ok());
  change = {};
  change.target_path = "a";
  EXPECT_EQ(code(change), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Commits(), "1");
}

}  // namespace
}  // namespace purser::git
