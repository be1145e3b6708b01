#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/values.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "purser/v1/provisioning.pb.h"

namespace purser::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Command kCommand = {
    "do it",
    "WORD",
    "does it",
    {{"file", "FILE", ""}, {"set", "NAME=VALUE", "", true}, {"json", "", ""}}};

std::string ErrorOf(const std::vector<std::string>& words) {
  return std::string(Args::Parse(kCommand, words).status().message());
}

TEST(ArgsTest, OptionsAndWords) {
  const auto args =
      Args::Parse(kCommand, {"a", "--file=x", "--set", "p=1", "--set=q=2", "--json", "--", "--b"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_EQ(args->Get("file"), "x");
  EXPECT_THAT(args->All("set"), ElementsAre("p=1", "q=2"));
  EXPECT_TRUE(args->Has("json"));
  EXPECT_THAT(args->words(), ElementsAre("a", "--b"));
}

TEST(ArgsTest, ErrorsSayWhatToDo) {
  EXPECT_THAT(ErrorOf({"--colour"}), HasSubstr("unknown option --colour; see purser do it --help"));
  EXPECT_THAT(ErrorOf({"--file"}), HasSubstr("needs a value: --file FILE"));
  EXPECT_THAT(ErrorOf({"--file", "a", "--file", "b"}), HasSubstr("given twice"));
  EXPECT_THAT(ErrorOf({"--json=yes"}), HasSubstr("takes no value"));
}

TEST(ValuesTest, FileThenPairsWithTheirTypes) {
  char pattern[] = "/tmp/purser-cli-XXXXXX";
  const std::string folder = mkdtemp(pattern);
  std::ofstream(folder + "/v.yaml") << "name: x\nreplicas: 1\n";
  const auto args = Args::Parse(
      kCommand, {"--file", folder + "/v.yaml", "--set", "replicas=3", "--set", "on=true"});
  const auto values = ReadValues(*args, "file");
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ(*values, nlohmann::json({{"name", "x"}, {"replicas", 3}, {"on", true}}));
  const auto wrong = Args::Parse(kCommand, {"--set", "novalue"});
  EXPECT_EQ(ReadValues(*wrong, "file").status().code(), absl::StatusCode::kInvalidArgument);
  std::filesystem::remove_all(folder);
}

TEST(OutputTest, JsonTextsBecomeValues) {
  purser::v1::Request request;
  request.set_id("req_1");
  request.set_parameters_json(R"({"a":[1,2]})");
  request.add_steps()->set_outputs_json(R"({"b":true})");
  const nlohmann::json json = ToJson(request);
  EXPECT_EQ(json["parameters"], nlohmann::json({{"a", {1, 2}}}));
  EXPECT_EQ(json["steps"][0]["outputs"]["b"], true);
  EXPECT_FALSE(json.contains("parametersJson"));
}

TEST(OutputTest, ExitCodesAreTheDocumentedOnes) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 6);
}

class ProgressBarTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    ASSERT_GE(master, 0);
    ASSERT_EQ(grantpt(master), 0);
    ASSERT_EQ(unlockpt(master), 0);
    terminal_ = open(ptsname(master), O_RDWR | O_NOCTTY);
    ASSERT_GE(terminal_, 0);
    open_ = {master, terminal_};
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pipe_ = ends[1];
    open_.insert(open_.end(), {ends[0], ends[1]});
  }
  void TearDown() override {
    for (const int fd : open_) close(fd);
  }

  base::FakeClock clock_;
  std::ostringstream out_;
  int terminal_ = -1;
  int pipe_ = -1;

 private:
  std::vector<int> open_;
};

TEST_F(ProgressBarTest, IsOneLineOfATerminalWithRates) {
  {
    ProgressBar bar(out_, terminal_, clock_);
    clock_.Advance(absl::Milliseconds(100));
    bar.Show(1, 1, 1'000'000'000);
    EXPECT_EQ(out_.str(), "") << "what is done in a moment needs no bar";
    clock_.Advance(absl::Milliseconds(1'900));
    bar.Show(6'200'000, 250'000'000, 1'000'000'000);
    EXPECT_EQ(out_.str(),
              "\r[######                  ]  25 %  6.20 M rows, 3.10 M rows/s, 125 MB/s\x1b[K");
    out_.str("");
    bar.Show(6'300'000, 260'000'000, 1'000'000'000);
    EXPECT_EQ(out_.str(), "") << "not more often than a person can read";
    bar.Show(6'300'000, 1'000'000'000, 1'000'000'000);
    EXPECT_THAT(out_.str(), HasSubstr("] 100 %")) << "but the end";
    out_.str("");
    clock_.Advance(absl::Seconds(2));
    bar.Show(999, 1'000'000'000, 1'000'000'000);
    EXPECT_EQ(out_.str(),
              "\r[########################] 100 %  999 rows, 250 rows/s, 250 MB/s\x1b[K");
    out_.str("");
  }
  EXPECT_EQ(out_.str(), "\r\x1b[K") << "the result stands where the bar was";
}

TEST_F(ProgressBarTest, APipeGetsNothing) {
  {
    ProgressBar bar(out_, pipe_, clock_);
    clock_.Advance(absl::Seconds(10));
    bar.Show(1'000, 1'000, 2'000);
  }
  EXPECT_EQ(out_.str(), "");
}

TEST(CompletionTest, EveryCommandAndOptionIsThere) {
  const std::vector<Entry> entries = {{kCommand, nullptr}};
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell, entries);
    EXPECT_THAT(script, HasSubstr("do")) << shell;
    EXPECT_THAT(script, HasSubstr("file")) << shell;
  }
  EXPECT_EQ(CompletionScript("tcsh", entries), "");
}

}  // namespace
}  // namespace purser::cli
