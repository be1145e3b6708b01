#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStdout;

class TerraformAffectedTest : public testing::Test {
 protected:
  TerraformAffectedTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "purser-tf-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    Put("infra/network/main.tf", "");
    Put("infra/cluster/main.tf", "module \"n\" { source = \"../network\" }\n");
    for (const char* environment : {"dev", "prod"}) {
      Put(absl::StrCat("environments/", environment, "/infra/main.tf"),
          "module \"c\" { source = \"../../../infra/cluster\" }\n");
    }
    Put("environments/prod/acme/shop/main.tf", "");
  }
  ~TerraformAffectedTest() override { std::filesystem::remove_all(folder_); }

  void Put(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = std::filesystem::path(folder_) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  int Run(std::vector<std::string> words, std::string* output) const {
    words.insert(words.begin(), {"--root", folder_});
    const Entry entry = TerraformCommands().at(0);
    const auto args = Args::Parse(entry.command, words);
    EXPECT_TRUE(args.ok()) << args.status();
    CaptureStdout();
    const int code = entry.run(*args);
    *output = GetCapturedStdout();
    return code;
  }
  int Shell(const std::string& command) const {
    return std::system(
        absl::StrCat("cd ", folder_, " && (", command, ") > /dev/null 2>&1").c_str());
  }

  std::string folder_;
};

TEST_F(TerraformAffectedTest, RootsComeOneALineOrAsJson) {
  std::string output;
  EXPECT_EQ(Run({"infra/network/main.tf"}, &output), kOk);
  EXPECT_EQ(output, "environments/dev/infra\nenvironments/prod/infra\n");
  EXPECT_EQ(Run({"--json", "environments/prod/acme/shop/x.tf"}, &output), kOk);
  const auto json = nlohmann::json::parse(output);
  ASSERT_EQ(json["roots"].size(), 1u);
  EXPECT_EQ(json["roots"][0]["level"], "app");
  EXPECT_EQ(json["roots"][0]["names"]["customer"], "acme");
  EXPECT_EQ(Run({"docs/x.md"}, &output), kOk);
  EXPECT_EQ(output, "");
}

TEST_F(TerraformAffectedTest, GitTellsWhatChanged) {
  const std::string git = "git -c user.name=a -c user.email=a@b.c";
  ASSERT_EQ(Shell("git init -q -b main . && git add -A && " + git + " commit -q -m x && " +
                  "git checkout -q -b change && echo '#' >> infra/network/main.tf && " + git +
                  " commit -q -a -m y"),
            0);
  std::string output;
  EXPECT_EQ(Run({"--base", "main"}, &output), kOk);
  EXPECT_EQ(output, "environments/dev/infra\nenvironments/prod/infra\n");
  // What is not committed counts, and what git does not know yet.
  Put("environments/prod/acme/shop/new.tf", "");
  EXPECT_EQ(Run({"--base", "main"}, &output), kOk);
  EXPECT_THAT(output, HasSubstr("environments/prod/acme/shop\n"));
  EXPECT_EQ(Run({"--base", "nowhere"}, &output), kRefused);
  EXPECT_EQ(Run({"--base", "--output=x"}, &output), kRefused);
}

TEST_F(TerraformAffectedTest, TheLayoutMayBeOnesOwn) {
  Put("layout.yaml", "- {path: 'environments/{environment}/*', level: environment}\n");
  std::string output;
  EXPECT_EQ(
      Run({"--layout", folder_ + "/layout.yaml", "environments/prod/acme/shop/main.tf"}, &output),
      kOk);
  EXPECT_EQ(output, "");
  Put("layout.yaml", "- {path: 'a//b', level: app}\n");
  EXPECT_EQ(Run({"--layout", folder_ + "/layout.yaml", "x"}, &output), kRefused);
}

TEST_F(TerraformAffectedTest, WrongUsageIsRefused) {
  std::string output;
  EXPECT_EQ(Run({}, &output), kRefused);
  EXPECT_EQ(Run({"--stdin", "x"}, &output), kRefused);
  EXPECT_EQ(Run({"/etc/passwd"}, &output), kRefused);
  EXPECT_EQ(Run({"../x"}, &output), kRefused);
}

}  // namespace
}  // namespace purser::cli
