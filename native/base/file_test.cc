#include "base/file.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/file_resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::base {
namespace {

using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "purser-file-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    outside_ = root_ + "/outside";
    auto folder = Directory::Create(root_ + "/inside");
    ASSERT_TRUE(folder.ok()) << folder.status();
    folder_.emplace(*std::move(folder));
    ASSERT_TRUE(Directory::Create(outside_).ok());
  }
  void TearDown() override {
    folder_.reset();
    auto parent = Directory::Open(::testing::TempDir());
    ASSERT_TRUE(parent.ok());
    EXPECT_TRUE(parent->Remove(root_.substr(root_.rfind('/') + 1)).ok());
  }
  std::string root_, outside_;
  std::optional<Directory> folder_;
};

TEST_F(FileTest, ModesAreLessTheUmaskOrExact) {
  const mode_t old = umask(077);
  EXPECT_TRUE(folder_->WriteFile("less", "x", 0666).ok());
  EXPECT_TRUE(folder_->WriteFileExactly("exact", "x", 0666).ok());
  umask(old);
  EXPECT_EQ(folder_->Stat("less")->mode, 0600u);
  EXPECT_EQ(folder_->Stat("exact")->mode, 0666u);
  EXPECT_TRUE(folder_->SetMode("less", 0751).ok());
  EXPECT_EQ(folder_->Stat("less")->mode, 0751u);
  ASSERT_TRUE(folder_->WriteSymlink("link", "less").ok());
  EXPECT_EQ(folder_->SetMode("link", 0700).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FileTest, WritesReadsAndReplacesWholeFiles) {
  ASSERT_TRUE(folder_->WriteFile("a/b/c.txt", "one", 0640, true).ok());
  EXPECT_EQ(*folder_->ReadFile("a/b/c.txt", 100), "one");
  ASSERT_TRUE(folder_->WriteFile("a/b/c.txt", "two").ok());
  EXPECT_EQ(*folder_->ReadFile("a/b/c.txt", 100), "two");
  // No temporary name stays behind.
  const auto entries = folder_->List();
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].path, "a");
  EXPECT_EQ((*entries)[1].path, "a/b");
  EXPECT_EQ((*entries)[2].path, "a/b/c.txt");
  EXPECT_EQ((*entries)[2].kind, FileKind::kFile);
  EXPECT_EQ((*entries)[2].bytes, 3);
}

TEST_F(FileTest, KeepsTheModeLessTheUmask) {
  const mode_t old = umask(022);
  ASSERT_TRUE(folder_->WriteFile("run.sh", "x", 0777).ok());
  ASSERT_TRUE(folder_->WriteFile("key", "x", 0600).ok());
  umask(old);
  EXPECT_EQ(folder_->Stat("run.sh")->mode, 0755u);
  EXPECT_EQ(folder_->Stat("key")->mode, 0600u);
}

TEST_F(FileTest, RefusesPathsThatAreNotPlain) {
  for (const char* path : {"", "/etc/passwd", "a/../b", "..", "./a", "a//b", "a/", "."}) {
    EXPECT_EQ(folder_->WriteFile(path, "x").code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(folder_->ReadFile(path, 10).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(folder_->Remove(path).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(folder_->WriteFile(std::string("a\0b", 3), "x").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(folder_->WriteFile(std::string(kMaxPathBytes, 'a'), "x").code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(FileTest, NoLinkLeadsOut) {
  ASSERT_EQ(symlink(outside_.c_str(), (root_ + "/inside/out").c_str()), 0);
  ASSERT_EQ(symlink("../outside", (root_ + "/inside/up").c_str()), 0);
  auto outside = Directory::Open(outside_);
  ASSERT_TRUE(outside->WriteFile("secret", "s").ok());
  for (const char* link : {"out", "up"}) {
    const std::string path = std::string(link) + "/secret";
    EXPECT_EQ(folder_->ReadFile(path, 10).status().code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(folder_->WriteFile(path, "x").code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(folder_->Remove(path).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(folder_->OpenAt(link).status().code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(folder_->MakeAt(path).status().code(), absl::StatusCode::kPermissionDenied);
  }
  EXPECT_EQ(*outside->ReadFile("secret", 10), "s");
}

TEST_F(FileTest, WritingOntoALinkReplacesTheLink) {
  const std::string target = outside_ + "/target";
  ASSERT_EQ(symlink(target.c_str(), (root_ + "/inside/link").c_str()), 0);
  ASSERT_TRUE(folder_->WriteFile("link", "mine").ok());
  EXPECT_EQ(folder_->Stat("link")->kind, FileKind::kFile);
  EXPECT_NE(access(target.c_str(), F_OK), 0);
}

TEST_F(FileTest, FollowsLinksThatStayInside) {
  ASSERT_TRUE(folder_->WriteFile("real/f", "x").ok());
  ASSERT_TRUE(folder_->WriteSymlink("alias", "real").ok());
  EXPECT_EQ(*folder_->ReadSymlink("alias"), "real");
  const auto through = folder_->ReadFile("alias/f", 10);
  // Where the kernel has openat2; the walk refuses all links.
  EXPECT_TRUE(through.ok() || absl::IsPermissionDenied(through.status())) << through.status();
  EXPECT_EQ(folder_->Stat("alias")->kind, FileKind::kSymlink);
}

// The walk that stands in for openat2 refuses every link.
TEST_F(FileTest, WalkingRefusesLinks) {
  ASSERT_TRUE(folder_->WriteFile("real/f", "x").ok());
  ASSERT_EQ(symlink(outside_.c_str(), (root_ + "/inside/out").c_str()), 0);
  ASSERT_EQ(symlink("real/f", (root_ + "/inside/leaf").c_str()), 0);
  const UniqueFd dir(open((root_ + "/inside").c_str(), O_RDONLY | O_DIRECTORY));
  EXPECT_TRUE(OpenByWalking(dir.get(), "d", "real/f", O_RDONLY).ok());
  EXPECT_EQ(OpenByWalking(dir.get(), "d", "out/x", O_RDONLY).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(OpenByWalking(dir.get(), "d", "leaf", O_RDONLY).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(OpenByWalking(dir.get(), "d", "real/none", O_RDONLY).status().code(),
            absl::StatusCode::kNotFound);
}

// A folder that turns into a link to the outside and back, while files are written through it.
TEST_F(FileTest, ARaceOfLinksNeverWritesOutside) {
  const std::string path = root_ + "/inside/sub", link = root_ + "/inside/link";
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
  ASSERT_EQ(symlink(outside_.c_str(), link.c_str()), 0);
  std::atomic<bool> done{false};
  std::thread attacker([&] {
    while (!done) renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
  });
  int written = 0;
  for (int i = 0; i < 3000; ++i) {
    const absl::Status status = folder_->WriteFile("sub/file" + std::to_string(i % 7), "x");
    if (status.ok()) {
      ++written;
    } else {
      ASSERT_TRUE(absl::IsPermissionDenied(status) || absl::IsNotFound(status)) << status;
    }
  }
  done = true;
  attacker.join();
  const auto outside = Directory::Open(outside_)->List();
  ASSERT_TRUE(outside.ok());
  EXPECT_EQ(outside->size(), 0u);
  RecordProperty("written", written);
}

TEST_F(FileTest, LimitsAreNamed) {
  ASSERT_TRUE(folder_->WriteFile("f", "0123456789").ok());
  const auto large = folder_->ReadFile("f", 9);
  EXPECT_EQ(large.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(large.status().message(), HasSubstr("limit of 9 bytes"));
  EXPECT_TRUE(folder_->ReadFile("f", 10).ok());
  ASSERT_TRUE(folder_->WriteFile("g", "x").ok());
  EXPECT_EQ(folder_->List({.max_entries = 1}).status().code(),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(folder_->MakeAt("d/d/d").ok());
  EXPECT_EQ(folder_->List({.max_depth = 2}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FileTest, OnlyRegularFilesAreRead) {
  ASSERT_EQ(mkfifo((root_ + "/inside/pipe").c_str(), 0600), 0);
  EXPECT_EQ(folder_->ReadFile("pipe", 10).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(folder_->MakeAt("dir").ok());
  EXPECT_EQ(folder_->ReadFile("dir", 10).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(folder_->ReadFile("none", 10).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, RemovesTreesButNotThroughLinks) {
  auto outside = Directory::Open(outside_);
  ASSERT_TRUE(outside->WriteFile("kept", "x").ok());
  ASSERT_TRUE(folder_->WriteFile("t/a/b", "x").ok());
  ASSERT_EQ(symlink(outside_.c_str(), (root_ + "/inside/t/a/link").c_str()), 0);
  EXPECT_TRUE(folder_->Remove("t").ok());
  EXPECT_TRUE(folder_->Remove("t").ok());
  EXPECT_TRUE(absl::IsNotFound(folder_->Stat("t").status()));
  EXPECT_TRUE(outside->ReadFile("kept", 10).ok());
}

TEST_F(FileTest, RenamesAndReadsNamedFiles) {
  ASSERT_TRUE(folder_->WriteFile("a", "x").ok());
  ASSERT_TRUE(folder_->Rename("a", "b").ok());
  EXPECT_EQ(*ReadFile(root_ + "/inside/b", 10), "x");
  EXPECT_TRUE(absl::IsNotFound(ReadFile(root_ + "/none", 10).status()));
}

// RLIMIT_FSIZE makes a write fail half way, as a full disk does.
TEST_F(FileTest, AWriteThatFailsLeavesTheOldFileAndNoRest) {
  ASSERT_TRUE(folder_->WriteFile("f", "old").ok());
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = folder_->WriteFile("f", std::string(100'000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("inside/f"));
  EXPECT_EQ(*folder_->ReadFile("f", 10), "old");
  EXPECT_EQ(folder_->List()->size(), 1u);
}

// A real full disk: a small tmpfs, where this user may mount one.
TEST_F(FileTest, AFullDiskIsResourceExhausted) {
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", outside_.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "SKIP may not mount a tmpfs here";
  }
  {
    auto disk = Directory::Open(outside_);
    ASSERT_TRUE(disk->WriteFile("f", "old").ok());
    const absl::Status status = disk->WriteFile("f", std::string(1 << 20, 'x'));
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(status.message(), HasSubstr("outside/f"));
    EXPECT_EQ(*disk->ReadFile("f", 10), "old");
    EXPECT_EQ(disk->List()->size(), 1u);
  }
  EXPECT_EQ(umount(outside_.c_str()), 0);
}

}  // namespace
}  // namespace purser::base
