#include "addon/state_file.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/temporary_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::addon {
namespace {

class StateFileTest : public testing::Test {
 protected:
  std::string path() const { return folder_ + "/deep/er/test.state"; }
  void Put(const std::string& text) const {
    std::filesystem::create_directories(folder_ + "/deep/er");
    std::ofstream(path()) << text;
  }
  const std::unique_ptr<base::TemporaryFolder> temporary_ =
      *base::TemporaryFolder::Create("a test");
  const std::string folder_ = temporary_->path();
};

// Ref → "hash partition [held]".
std::map<std::string, std::string> Content(const catalog::Tracker& tracker) {
  std::map<std::string, std::string> content;
  tracker.ForEach([&](absl::string_view ref, absl::string_view partition, catalog::Fingerprint hash,
                      bool held) {
    content[std::string(ref)] = absl::StrCat(hash.unconfirmed() ? "-" : hash.ToHex().substr(28),
                                             " ", partition, held ? " held" : "");
  });
  return content;
}

TEST_F(StateFileTest, ReadsWhatWasWritten) {
  using Map = std::map<std::string, std::string>;
  {
    auto file = StateFile::Open(path());
    ASSERT_TRUE(file.ok()) << file.status();
    catalog::Tracker tracker(10);
    Map memory;
    EXPECT_FALSE(file->Read(tracker, memory).value());
    StateLines lines;
    lines.Entity("component:default/a", "file:/a folder/with \"quotes\"\nand lines", {1, 0xff});
    lines.Entity("group:default/b", "", {});
    lines.Entity("group:default/c", "", {1, 2});
    lines.Memory("e tag", "\"1\" \"2\"");
    lines.Memory("gone", "x");
    ASSERT_TRUE(file->Append(lines).ok());
    StateLines more;
    more.Held("group:default/c");
    more.Removed("group:default/b");
    more.Memory("gone", "");
    ASSERT_TRUE(file->Append(more).ok());
  }
  auto file = StateFile::Open(path());
  catalog::Tracker tracker(10);
  Map memory;
  ASSERT_TRUE(file->Read(tracker, memory).value());
  EXPECT_EQ(Content(tracker),
            (Map{{"component:default/a", "00ff file:/a folder/with \"quotes\"\nand lines"},
                 {"group:default/c", "0002  held"}}));
  EXPECT_EQ(memory, (Map{{"e tag", "\"1\" \"2\""}}));
  EXPECT_EQ(std::filesystem::status(folder_ + "/deep").permissions(),
            std::filesystem::perms::owner_all);
}

TEST_F(StateFileTest, ATornLastLineCountsForNothing) {
  Put("purser-provider-state 2\ne - a:b/c \"\"\nr a:b");
  std::map<std::string, std::string> memory;
  {
    auto file = StateFile::Open(path());
    catalog::Tracker tracker(10);
    ASSERT_TRUE(file->Read(tracker, memory).value());
    EXPECT_TRUE(tracker.Has("a:b/c"));
    StateLines lines;
    lines.Entity("a:b/d", "", {1, 1});
    ASSERT_TRUE(file->Append(lines).ok());
  }
  auto file = StateFile::Open(path());
  catalog::Tracker tracker(10);
  ASSERT_TRUE(file->Read(tracker, memory).value());
  EXPECT_EQ(tracker.size(), 2u);
}

TEST_F(StateFileTest, AForeignFileIsDataLoss) {
  for (const char* text :
       {"", "hello\n", "purser-provider-state 1\n", "purser-provider-state 2\nnonsense\n",
        "purser-provider-state 2\ne - a\n", "purser-provider-state 2\ne - a x\n",
        "purser-provider-state 2\nm \"a\"\n", "purser-provider-state 2\nr a b\n"}) {
    Put(text);
    auto file = StateFile::Open(path());
    ASSERT_TRUE(file.ok()) << file.status();
    catalog::Tracker tracker(10);
    std::map<std::string, std::string> memory;
    EXPECT_EQ(file->Read(tracker, memory).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST_F(StateFileTest, NeedsAnAbsolutePathOfAFile) {
  for (const std::string& path : {std::string(), std::string("a/b"), folder_ + "/"}) {
    EXPECT_EQ(StateFile::Open(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
}

}  // namespace
}  // namespace purser::addon
