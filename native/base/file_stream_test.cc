#include "base/file_stream.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::base {
namespace {

class FileStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "purser-stream-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    folder_.emplace(*Directory::Open(root_));
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  size_t Names() const {
    const auto listed = folder_->List();
    return listed.ok() ? listed->size() : 0;
  }

  std::string root_;
  std::optional<Directory> folder_;
};

TEST_F(FileStreamTest, PiecesBecomeAFileAtOnce) {
  ASSERT_TRUE(folder_->WriteFile("a/b", "old").ok());
  {
    auto writer = FileWriter::Create(*folder_, "a/b");
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->Append("0123").ok());
    ASSERT_TRUE(writer->Append("4567").ok());
    ASSERT_TRUE(writer->WriteAt(2, "ab").ok());
    EXPECT_FALSE(writer->WriteAt(7, "xx").ok());
    EXPECT_EQ(writer->bytes(), 8);
    ASSERT_TRUE(writer->SetMode(0777).ok());
    EXPECT_EQ(*folder_->ReadFile("a/b", 100), "old");
    ASSERT_TRUE(writer->Commit().ok());
  }
  EXPECT_EQ(*folder_->ReadFile("a/b", 100), "01ab4567");
  EXPECT_EQ(folder_->Stat("a/b")->mode, 0777);
  const auto reader = FileReader::Open(*folder_, "a/b");
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->bytes(), 8);
  char buffer[16] = {};
  EXPECT_EQ(*reader->ReadAt(6, buffer, sizeof(buffer)), 2U);
  EXPECT_STREQ(buffer, "67");
  EXPECT_EQ(*reader->ReadAt(8, buffer, sizeof(buffer)), 0U);
}

TEST_F(FileStreamTest, WhatIsNotCommittedIsGone) {
  {
    auto writer = FileWriter::Create(*folder_, "new/file");
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->Append("x").ok());
    EXPECT_EQ(Names(), 2U) << "the folder and the temporary file";
    EXPECT_TRUE(IsLeftover((*folder_->List())[1].path.substr(4)));
  }
  EXPECT_EQ(Names(), 1U);
  ASSERT_TRUE(folder_->MakeAt("taken").ok());
  auto writer = FileWriter::Create(*folder_, "taken");
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_FALSE(writer->Commit().ok()) << "a folder is in its place";
  EXPECT_EQ(Names(), 2U);
}

TEST(LeftoverTest, OnlyWhatWeNameSo) {
  EXPECT_TRUE(IsLeftover(".purser-stage"));
  EXPECT_TRUE(IsLeftover(".purser-0123456789abcdef.tmp"));
  for (const char* name : {"", ".purser", ".purser-.tmp", ".purser-stage2", "purser-stage",
                           ".purser-0123456789abcdeg.tmp", ".purser-0123456789abcdef.tmp2"}) {
    EXPECT_FALSE(IsLeftover(name)) << name;
  }
}

TEST_F(FileStreamTest, OnlyFilesBelowAreOpened) {
  ASSERT_EQ(mkfifo((root_ + "/pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("/etc/passwd", root_ + "/out");
  std::filesystem::create_symlink("/tmp", root_ + "/away");
  EXPECT_EQ(FileReader::Open(*folder_, "pipe").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(FileReader::Open(*folder_, "out").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(FileReader::Open(*folder_, "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FileReader::Open(*folder_, "../x").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FileWriter::Create(*folder_, "away/x").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(FileStreamTest, ListsEndWhenStopped) {
  ASSERT_TRUE(folder_->WriteFile("a", "").ok());
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(folder_->List({.stop = source.get_token()}).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace purser::base
