#include "git/publish.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/rng.h"
#include "base/status.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Everything runs against git itself, over both kinds of remote.
class PublishTest : public testing::TestWithParam<bool> {
 protected:
  PublishTest() : transport_(folder_.path()), repository_(MakeBareRepository(folder_.path())) {
    remote_ = NewRemote();
  }
  std::unique_ptr<Remote> NewRemote(const std::string& name = "repo.git") {
    RemoteOptions options;
    options.allow_local = true;
    const std::string url = GetParam() ? absl::StrCat("http://git.test/", name)
                                       : absl::StrCat("file://", folder_.path(), "/", name);
    return *OpenRemote(url, transport_, options);
  }
  Call NewCall() { return {clock_, stop_.get_token(), absl::Seconds(60), {}}; }
  CommitInfo Info(const std::string& message = "Add things", const std::string& key = "") {
    return {{"Ada Lovelace", "ada@example.org"}, message, key};
  }
  absl::StatusOr<PublishResult> Publish(std::map<std::string, File> files, const CommitInfo& info,
                                        ExistingBranch existing = ExistingBranch::kFail) {
    return PublishTree(*remote_, "main", MapSource(std::move(files)), info, existing, NewCall());
  }
  absl::StatusOr<PublishResult> Commit(const Changes& changes, const std::string& key = "") {
    return CommitFiles(*remote_, "main", changes, Info("Change things", key), NewCall());
  }
  std::string RepositoryGit(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-C", repository_});
    return Git(arguments);
  }
  void ExpectSound() {
    EXPECT_EQ(RepositoryGit({"fsck", "--strict", "--full", "--no-dangling"}), "");
  }

  TempFolder folder_;
  CgiTransport transport_;
  std::string repository_;
  std::unique_ptr<Remote> remote_;
  base::FakeClock clock_;
  std::stop_source stop_;
};

INSTANTIATE_TEST_SUITE_P(Remotes, PublishTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Http" : "Local"; });

TEST_P(PublishTest, ANewRepositoryIsWhatWasGiven) {
  std::map<std::string, File> files = {{"README.md", {kModeFile, "# hello\n"}},
                                       {"bin/run", {kModeExecutable, "#!/bin/sh\n"}},
                                       {"docs/ü/leer", {kModeFile, ""}},
                                       {"link", {kModeSymlink, "bin/run"}}};
  const auto result = Publish(files, Info("First\n\nWith a body  \n\n"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->pushed);
  EXPECT_EQ(result->files, 4);
  EXPECT_EQ(RepositoryGit({"rev-parse", "main"}), result->commit.ToHex());
  EXPECT_EQ(RepositoryGit({"rev-parse", "main^{tree}"}), result->tree.ToHex());
  EXPECT_EQ(RepositoryGit({"log", "--format=%an|%ae|%cn|%at|%B", "main"}),
            "Ada Lovelace|ada@example.org|Ada Lovelace|1700000000|First\n\nWith a body");
  ExpectSound();
  const std::string clone = absl::StrCat(folder_.path(), "/clone");
  Git({"clone", "-q", repository_, clone});
  EXPECT_EQ(Slurp(absl::StrCat(clone, "/README.md")), "# hello\n");
  EXPECT_EQ(Slurp(absl::StrCat(clone, "/docs/ü/leer")), "");
  EXPECT_EQ(std::filesystem::read_symlink(absl::StrCat(clone, "/link")), "bin/run");
  EXPECT_NE(std::filesystem::status(absl::StrCat(clone, "/bin/run")).permissions() &
                std::filesystem::perms::owner_exec,
            std::filesystem::perms::none);
  const auto dry = BuildTree(MapSource(files), NewCall());
  ASSERT_TRUE(dry.ok());
  EXPECT_EQ(dry->tree, result->tree);
  EXPECT_EQ(dry->objects + 1, result->objects);
}

TEST_P(PublishTest, TheSameTreeTwiceIsOneCommit) {
  const auto first = Publish({{"a", {kModeFile, "1"}}}, Info());
  clock_.Advance(absl::Hours(1));
  const auto second = Publish({{"a", {kModeFile, "1"}}}, Info());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->commit, first->commit);
  EXPECT_FALSE(second->pushed);
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "1");
}

TEST_P(PublishTest, AnotherTreeFailsOrGoesOnTop) {
  ASSERT_TRUE(Publish({{"a", {kModeFile, "1"}}, {"b", {kModeFile, "2"}}}, Info()).ok());
  const auto refused = Publish({{"a", {kModeFile, "3"}}}, Info());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(refused.status().message(), HasSubstr(remote_->url()));
  const auto appended = Publish({{"b", {kModeFile, "2"}}, {"c", {kModeFile, "4"}}}, Info("Second"),
                                ExistingBranch::kAppend);
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_EQ(appended->objects, 3);  // "2" is there
  EXPECT_EQ(RepositoryGit({"ls-tree", "--name-only", "main"}), "b\nc");
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "2");
  ExpectSound();
}

TEST_P(PublishTest, APublishThatLandedIsFoundAgainBelowLaterCommits) {
  const auto first = Publish({{"a", {kModeFile, "1"}}}, Info("First", "task/step/1"));
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(Commit({{"b", "2"}}).ok());
  const auto again = Publish({{"a", {kModeFile, "other"}}}, Info("First", "task/step/1"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->pushed);
  EXPECT_EQ(again->commit, first->commit);
}

TEST_P(PublishTest, CommitsSendOnlyWhatIsNew) {
  std::map<std::string, File> files;
  for (int i = 0; i < 50; ++i)
    files[absl::StrCat("d", i % 5, "/f", i)] = {kModeFile, absl::StrCat(i)};
  files["d0/run"] = {kModeExecutable, "x"};
  ASSERT_TRUE(Publish(files, Info()).ok());
  const auto result = Commit({{"d0/run", "y"}, {"d1/f1", std::nullopt}, {"new/x/y", "z"}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->pushed);
  // Commit, root, d0, d1, new, new/x, two blobs.
  EXPECT_EQ(result->objects, 8);
  EXPECT_EQ(RepositoryGit({"diff", "--name-status", "main~1", "main"}),
            "M\td0/run\nD\td1/f1\nA\tnew/x/y");
  EXPECT_THAT(RepositoryGit({"ls-tree", "main", "d0/run"}), HasSubstr("100755"));
  ExpectSound();
}

TEST_P(PublishTest, CommitsThatChangeNothingMakeNone) {
  const auto root = Commit({{"a/b", "1"}, {"c", "2"}});
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_TRUE(root->pushed);
  const auto same = Commit({{"a/b", "1"}, {"gone", std::nullopt}});
  ASSERT_TRUE(same.ok());
  EXPECT_FALSE(same->pushed);
  EXPECT_EQ(same->commit, root->commit);
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "1");
}

TEST_P(PublishTest, TheLoserOfARaceCommitsOnTheNewTip) {
  ASSERT_TRUE(Commit({{"base", "0"}}).ok());
  HookedRemote raced(*remote_);
  int pushes = 0;
  raced.before = [&](Service service) {
    if (service == Service::kReceivePack && ++pushes <= 2) {
      ASSERT_TRUE(Commit({{absl::StrCat("other", pushes), "1"}}).ok());
    }
  };
  const auto result = CommitFiles(raced, "main", {{"ours", "2"}}, Info(), NewCall());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(pushes, 3);
  EXPECT_EQ(RepositoryGit({"ls-tree", "--name-only", "main"}), "base\nother1\nother2\nours");
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "4");
  ExpectSound();
}

TEST_P(PublishTest, TheLoserOfARaceForTheRootCommitsOnTop) {
  HookedRemote raced(*remote_);
  int pushes = 0;
  raced.before = [&](Service service) {
    if (service == Service::kReceivePack && ++pushes == 1) {
      ASSERT_TRUE(Commit({{"theirs", "1"}}).ok());
    }
  };
  ASSERT_TRUE(CommitFiles(raced, "main", {{"ours", "2"}}, Info(), NewCall()).ok());
  EXPECT_EQ(RepositoryGit({"ls-tree", "--name-only", "main"}), "ours\ntheirs");
}

TEST_P(PublishTest, ManyWritersOfOneBranchAllLand) {
  ASSERT_TRUE(Commit({{"base", "0"}}).ok());
  constexpr int kWriters = 4;
  constexpr int kCommits = 3;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer] {
        for (int i = 0; i < kCommits; ++i) {
          // A caller repeats what is ABORTED, as the engine does.
          absl::Status status = absl::AbortedError("");
          for (int round = 0; round < 20 && absl::IsAborted(status); ++round) {
            status = Commit({{absl::StrCat("w", writer, "/", i), "x"}}).status();
          }
          if (!status.ok()) {
            ++failed;
            ADD_FAILURE() << status;
          }
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), absl::StrCat(1 + kWriters * kCommits));
  ExpectSound();
}

TEST_P(PublishTest, HooksThatDeclineAreHeard) {
  WriteHook(repository_, "pre-receive",
            "echo 'main is protected: ask the platform team' >&2; exit 1");
  std::vector<std::string> lines;
  Call call = NewCall();
  call.progress = [&lines](absl::string_view line) { lines.emplace_back(line); };
  const auto result = PublishTree(*remote_, "main", MapSource({{"a", {kModeFile, "1"}}}), Info(),
                                  ExistingBranch::kFail, call);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(result.status().message(), HasSubstr("pre-receive hook declined"));
  EXPECT_THAT(result.status().message(), HasSubstr("main is protected: ask the platform team"));
  EXPECT_THAT(result.status().message(), HasSubstr(remote_->url()));
  EXPECT_THAT(lines, UnorderedElementsAre("main is protected: ask the platform team"));
  EXPECT_EQ(RepositoryGit({"for-each-ref"}), "");

  WriteHook(repository_, "pre-receive", "exit 0");
  WriteHook(repository_, "update", "[ \"$1\" != refs/heads/main ]");
  EXPECT_EQ(Commit({{"a", "1"}}).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(CommitFiles(*remote_, "free", {{"a", "1"}}, Info(), NewCall()).ok());
}

TEST_P(PublishTest, ARepositoryThatCannotBeWrittenIsNoEndlessRace) {
  ASSERT_TRUE(Commit({{"a", "1"}}).ok());
  // A lock that nobody takes away.
  std::ofstream(absl::StrCat(repository_, "/refs/heads/main.lock")) << "x";
  const auto result = Commit({{"a", "2"}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(result.status().message(), HasSubstr("failed to update ref"));
}

TEST_P(PublishTest, TwoThousandFiles) {
  std::map<std::string, File> files;
  base::SeededRng rng(5);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    while (text.size() < 4096) absl::StrAppend(&text, "value ", rng.Below(1000), "\n");
    files[absl::StrCat("dir", i % 40, "/sub", i % 7, "/file", i, ".txt")] = {kModeFile, text};
  }
  const auto result = Publish(files, Info());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->files, 2000);
  const std::vector<std::string> names =
      absl::StrSplit(RepositoryGit({"ls-tree", "-r", "--name-only", "main"}), '\n');
  EXPECT_EQ(names.size(), 2000u);
  EXPECT_EQ(RepositoryGit({"show", "main:dir13/sub4/file1453.txt"}),
            files["dir13/sub4/file1453.txt"].content.substr(
                0, files["dir13/sub4/file1453.txt"].content.size() - 1));
  ExpectSound();
  const auto change = Commit({{"dir13/sub4/file1453.txt", "new"}});
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->objects, 5);
  ExpectSound();
}

TEST_P(PublishTest, FiltersSpareTheBlobs) {
  std::map<std::string, File> files;
  base::SeededRng rng(5);
  std::string noise(200'000, '\0');
  for (char& c : noise) c = static_cast<char>(rng.Next());
  files["noise"] = {kModeFile, noise};
  ASSERT_TRUE(Publish(files, Info()).ok());
  transport_.received = 0;
  ASSERT_TRUE(Commit({{"a", "1"}}).ok());
  EXPECT_TRUE(!GetParam() || transport_.received > 200'000) << transport_.received;
  RepositoryGit({"config", "uploadpack.allowFilter", "true"});
  transport_.received = 0;
  ASSERT_TRUE(Commit({{"a", "2"}}).ok());
  EXPECT_TRUE(!GetParam() || transport_.received < 20'000) << transport_.received;
  // A server may offer filters and refuse those we like.
  RepositoryGit({"config", "uploadpackfilter.allow", "false"});
  const auto refused = Commit({{"a", "3"}});
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ(*FindEffect(*remote_, "main", "none", NewCall()), std::nullopt);
  ExpectSound();
}

TEST_P(PublishTest, EffectsAreFoundByTheirKey) {
  EXPECT_EQ(*FindEffect(*remote_, "main", "run/a/1", NewCall()), std::nullopt);
  const auto first = Commit({{"a", "1"}}, "run/a/1");
  ASSERT_TRUE(first.ok());
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(Commit({{"b", absl::StrCat(i)}}, absl::StrCat("k", i)).ok());
  EXPECT_EQ(*FindEffect(*remote_, "main", "run/a/1", NewCall()), first->commit);
  EXPECT_EQ(*FindEffect(*remote_, "main", "run/a/1", NewCall(), 3), std::nullopt);  // too far back
  EXPECT_EQ(*FindEffect(*remote_, "main", "run/a", NewCall()), std::nullopt);
  EXPECT_EQ(*FindEffect(*remote_, "other", "run/a/1", NewCall()), std::nullopt);
  EXPECT_EQ(
      RepositoryGit({"log", "-1", "--format=%(trailers:key=Purser-Effect,valueonly)", "main"}),
      "k4");
}

TEST_P(PublishTest, ARepositoryWithManyRefs) {
  const auto first = Commit({{"a", "1"}});
  ASSERT_TRUE(first.ok());
  std::ofstream packed(absl::StrCat(repository_, "/packed-refs"));
  packed << "# pack-refs with: peeled fully-peeled sorted\n";
  for (int i = 10'000; i < 30'000; ++i) {
    packed << first->commit.ToHex() << " refs/heads/branch/" << i << "\n";
  }
  packed.close();
  const auto result = Commit({{"a", "2"}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "2");
}

TEST_P(PublishTest, Sha256RepositoriesAreRefusedByName) {
  Git({"init", "-q", "--bare", "--object-format=sha256", absl::StrCat(folder_.path(), "/new.git")});
  Git({"-C", absl::StrCat(folder_.path(), "/new.git"), "config", "http.receivepack", "true"});
  const auto remote = NewRemote("new.git");
  const auto result = CommitFiles(*remote, "main", {{"a", "1"}}, Info(), NewCall());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnimplemented) << result.status();
  EXPECT_THAT(result.status().message(), HasSubstr("sha256"));
}

TEST_P(PublishTest, AStopReachesAServerThatHangs) {
  WriteHook(repository_, "pre-receive",
            absl::StrCat("touch ", folder_.path(), "/reached; exec sleep 600"));
  std::jthread stopper([&] {
    while (!std::filesystem::exists(absl::StrCat(folder_.path(), "/reached"))) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    stop_.request_stop();
  });
  const auto result = Commit({{"a", "1"}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
}

TEST_P(PublishTest, BadInputIsRefusedBeforeTheNetwork) {
  const auto code = [&](absl::string_view branch, const Changes& changes, const CommitInfo& info) {
    return CommitFiles(*remote_, branch, changes, info, NewCall()).status().code();
  };
  EXPECT_EQ(code("a..b", {{"a", "1"}}, Info()), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("main", {{"../a", "1"}}, Info()), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("main", {{".git/config", "1"}}, Info()), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("main", {{"a", "1"}}, Info("")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("main", {{"a", "1"}}, {{"A\nB", "x"}, "m", ""}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("main", {{"a", "1"}, {"a/b", "2"}}, Info()),
            absl::StatusCode::kFailedPrecondition);
}

TEST_P(PublishTest, HostileServersGetErrorsNotObjects) {
  ASSERT_TRUE(Commit({{"a/b/c", std::string(3000, 'x')}, {"d", "2"}}).ok());
  HookedRemote hostile(*remote_);
  base::SeededRng rng(11);
  int failed = 0;
  for (int round = 0; round < 40; ++round) {
    hostile.after = [&](Service service, std::string& answer) {
      if (service != Service::kUploadPack) return;
      if (round % 4 == 0) {
        answer.resize(rng.Below(answer.size()));
      } else {
        answer[rng.Below(answer.size())] = static_cast<char>(rng.Next());
      }
    };
    const auto result =
        CommitFiles(hostile, "main", {{"a/x", absl::StrCat(round)}}, Info(), NewCall());
    if (!result.ok()) ++failed;
  }
  EXPECT_GT(failed, 30);
  ExpectSound();
}

TEST(CredentialTest, AreAskedForAndSent) {
  TempFolder folder;
  MakeBareRepository(folder.path());
  CgiTransport transport(folder.path());
  transport.required_authorization = "Basic YWRhOnNlY3JldA==";
  base::FakeClock clock;
  const Call call{clock, {}, absl::Seconds(60), {}};
  const CommitInfo info{{"Ada", "a@b"}, "m", ""};
  auto remote = *OpenRemote("http://git.test/repo.git", transport, {});
  EXPECT_EQ(CommitFiles(*remote, "main", {{"a", "1"}}, info, call).status().code(),
            absl::StatusCode::kUnauthenticated);
  RemoteOptions options;
  options.authorization = transport.required_authorization;
  remote = *OpenRemote("http://git.test/repo.git", transport, options);
  EXPECT_TRUE(CommitFiles(*remote, "main", {{"a", "1"}}, info, call).ok());
  EXPECT_EQ(remote->url(), "http://git.test/repo.git");
}

}  // namespace
}  // namespace purser::git
