#include "git/read_files.h"

#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class ReadFilesTest : public testing::Test {
 protected:
  ReadFilesTest() {
    repository_ = MakeBareRepository(folder_.path());
    PublishFiles({{"main.tf", {kModeFile, "a"}},
                  {"infra/net/main.tf", {kModeFile, "b"}},
                  {"infra/net/README.md", {kModeFile, "c"}},
                  {"infra/link.tf", {kModeSymlink, "net/main.tf"}}});
    auto remote = OpenRemote("http://git.test/repo.git", transport_, {});
    EXPECT_TRUE(remote.ok()) << remote.status();
    remote_ = *std::move(remote);
  }
  void PublishFiles(std::map<std::string, File> files) {
    RemoteOptions options;
    options.allow_local = true;
    auto local = OpenRemote(repository_, transport_, options);
    ASSERT_TRUE(local.ok()) << local.status();
    const auto published =
        PublishTree(**local, "main", MapSource(std::move(files)),
                    {{"a", "a@b.c"}, "x", "", nullptr}, ExistingBranch::kAppend, call_);
    ASSERT_TRUE(published.ok()) << published.status();
    tip_ = published->commit;
  }
  absl::StatusOr<ReadFilesResult> Read(const std::string& branch = "",
                                       std::optional<ObjectId> known = std::nullopt) {
    files_.clear();
    ReadFilesRequest request;
    request.branch = branch;
    request.known = known;
    request.wanted = [](absl::string_view path) { return absl::EndsWith(path, ".tf"); };
    request.file = [this](absl::string_view path, std::string content) {
      files_[std::string(path)] = std::move(content);
      return absl::OkStatus();
    };
    return ReadFiles(*remote_, request, call_);
  }

  TempFolder folder_;
  std::string repository_;
  CgiTransport transport_{folder_.path()};
  Call call_{base::Clock::System(), {}};
  std::unique_ptr<Remote> remote_;
  ObjectId tip_;
  std::map<std::string, std::string> files_;
};

TEST_F(ReadFilesTest, GivesTheWantedFilesOfTheTip) {
  const auto result = Read();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->branch, "main");
  EXPECT_EQ(result->commit, tip_);
  EXPECT_TRUE(result->changed);
  EXPECT_THAT(files_, UnorderedElementsAre(Pair("main.tf", "a"), Pair("infra/net/main.tf", "b")));
}

TEST_F(ReadFilesTest, ATipThatIsKnownIsNotReadAgain) {
  const auto same = Read("main", tip_);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_FALSE(same->changed);
  EXPECT_TRUE(files_.empty());
  const ObjectId before = tip_;
  PublishFiles({{"other.tf", {kModeFile, "d"}}});
  const auto moved = Read("main", before);
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_TRUE(moved->changed);
  EXPECT_THAT(files_, UnorderedElementsAre(Pair("other.tf", "d")));
}

TEST_F(ReadFilesTest, WhatIsNotThereIsNamed) {
  const auto branch = Read("nowhere");
  EXPECT_EQ(branch.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(branch.status().message()), HasSubstr("http://git.test/repo.git"));
  EXPECT_THAT(std::string(branch.status().message()), HasSubstr("no branch \"nowhere\""));
}

TEST_F(ReadFilesTest, AFileThatIsRefusedEndsTheReading) {
  ReadFilesRequest request;
  request.wanted = [](absl::string_view) { return true; };
  request.file = [](absl::string_view, std::string) {
    return absl::ResourceExhaustedError("too many");
  };
  EXPECT_EQ(ReadFiles(*remote_, request, call_).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::git
