// Several files written as one: what is left when one of them cannot be.
#include "scaffolder-actions/file_support.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using ::testing::ElementsAre;

class WorkspaceFilesTest : public FileActionTest {
 protected:
  // "a" and "new/b" get the same text; "a" comes first.
  absl::Status WriteBoth(const std::string& text) {
    absl::StatusOr<WorkspaceFiles> files = WorkspaceFiles::Open(context_);
    EXPECT_TRUE(files.ok()) << files.status();
    EXPECT_TRUE(files->Put("a", "short").ok());
    EXPECT_TRUE(files->Put("new/b", text).ok());
    return files->Commit(context_, "edit");
  }
};

TEST_F(WorkspaceFilesTest, AllAreWritten) {
  ASSERT_TRUE(WriteBoth("text").ok());
  EXPECT_EQ(context_.outputs["paths"], nlohmann::json::array({"a", "new/b"}));
  EXPECT_EQ(Get("new/b"), "text");
}

TEST_F(WorkspaceFilesTest, AFullDiskLeavesThemAsTheyWere) {
  Put("a", "old");
  // A file may not grow: what a full disk is to the writer.
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small = old;
  small.rlim_cur = 64 << 10;
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = WriteBoth(std::string(1 << 20, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Get("a"), "old");
  EXPECT_THAT(Files(), ElementsAre("a"));
}

TEST_F(WorkspaceFilesTest, AReadOnlyFolderLeavesThemAsTheyWere) {
  Put("a", "old");
  ASSERT_EQ(chmod(root_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(context_.folder.c_str(), 0555), 0);
  const uid_t user = geteuid();
  if (user == 0) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const absl::Status status = WriteBoth("text");
  if (user == 0) {
    ASSERT_EQ(seteuid(0), 0);
  }
  ASSERT_EQ(chmod(context_.folder.c_str(), 0755), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_EQ(Get("a"), "old");
  EXPECT_THAT(Files(), ElementsAre("a"));
}

TEST_F(WorkspaceFilesTest, AFileThatVanishedIsAnErrorWhereItMustExist) {
  WorkspaceFiles files = *WorkspaceFiles::Open(context_);
  EXPECT_EQ(files.ReadExisting("gone", 100).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace purser::actions
