#include "addon/state_file.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::addon {
namespace {

class StateFileTest : public testing::Test {
 protected:
  StateFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "purser-state-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~StateFileTest() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/deep/er/test.state"; }
  void Put(const std::string& text) const {
    std::filesystem::create_directories(folder_ + "/deep/er");
    std::ofstream(path()) << text;
  }
  std::string folder_;
};

TEST_F(StateFileTest, ReadsWhatWasWritten) {
  const auto file = StateFile::Open(path());
  ASSERT_TRUE(file.ok()) << file.status();
  auto state = file->Read();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_TRUE(state->hashes.empty());
  ProviderState written;
  written.hashes = {{"component:default/a", "00ff"}, {"group:default/b", "-"}};
  written.locations = {{"component:default/a", "file:/a folder/with \"quotes\"\nand lines"}};
  ASSERT_TRUE(file->Write(written).ok());
  state = file->Read();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->hashes, written.hashes);
  EXPECT_EQ(state->locations, written.locations);
  EXPECT_EQ(std::filesystem::status(folder_ + "/deep").permissions(),
            std::filesystem::perms::owner_all);
}

TEST_F(StateFileTest, ATornOrForeignFileIsDataLoss) {
  for (const char* text :
       {"", "hello\n", "purser-provider-state 1\n", "purser-provider-state 1\n00 a \"\"\n",
        "purser-provider-state 1\n00 a \"\"\nend 2\n", "purser-provider-state 1\n00 a x\nend 1\n",
        "purser-provider-state 1\nnonsense\nend 1\n",
        "purser-provider-state 1\n00 a \"\"\nend 1\nmore\n"}) {
    Put(text);
    const auto file = StateFile::Open(path());
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->Read().status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST_F(StateFileTest, NeedsAnAbsolutePathOfAFile) {
  for (const std::string& path : {std::string(), std::string("a/b"), folder_ + "/"}) {
    EXPECT_EQ(StateFile::Open(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
}

}  // namespace
}  // namespace purser::addon
