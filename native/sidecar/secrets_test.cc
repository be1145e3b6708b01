#include "sidecar/secrets.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(SecretsTest, OnlyNamedVariables) {
  setenv("PURSER_SECRET_TOKEN", "s3cr3t", 1);
  setenv("OTHER_TOKEN", "hidden", 1);
  EXPECT_EQ(*ResolveSecret("env:PURSER_SECRET_TOKEN", {}), "s3cr3t");
  const absl::Status other = ResolveSecret("env:OTHER_TOKEN", {}).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(other.message()), Not(HasSubstr("hidden")));
  EXPECT_EQ(ResolveSecret("env:PURSER_SECRET_NONE", {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ResolveSecret("vault:x", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SecretsTest, FilesOnlyBelowTheFolders) {
  char pattern[] = "/tmp/purser-secrets-XXXXXX";
  const std::string folder = mkdtemp(pattern);
  std::filesystem::create_directory(folder + "/run");
  std::ofstream(folder + "/run/token") << "abc\n";
  std::ofstream(folder + "/outside") << "no";
  std::filesystem::create_symlink(folder + "/outside", folder + "/run/link");
  const std::vector<std::string> folders = {folder + "/run"};
  EXPECT_EQ(*ResolveSecret("file:" + folder + "/run/token", folders), "abc");
  EXPECT_FALSE(ResolveSecret("file:" + folder + "/outside", folders).ok());
  EXPECT_FALSE(ResolveSecret("file:" + folder + "/run/../outside", folders).ok());
  EXPECT_FALSE(ResolveSecret("file:" + folder + "/run/link", folders).ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace purser::sidecar
