// The program itself: exit codes, and what becomes of its output when that cannot be written.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/temporary_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(At("bill.csv")) << "BilledCost,BillingCurrency,ServiceName\n"
                                     "1.5,USD,a\n2,USD,b\n";
  }
  std::string At(const std::string& name) const { return folder_ + "/" + name; }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  // Its exit code, or minus the signal that ended it. Files it writes have at most `max_bytes`.
  int Run(std::vector<std::string> words, const std::string& out = "", rlim_t max_bytes = 0) {
    words.insert(words.begin(), PURSER_PROGRAM);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string out_path = out.empty() ? At("out") : out;
    const pid_t pid = fork();
    if (pid == 0) {
      setenv("PURSER_ADDRESS", ("unix:" + At("nobody.sock")).c_str(), 1);
      const int out_fd = open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      const int err_fd = open(At("err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (out_fd < 0 || err_fd < 0) _exit(99);
      dup2(out_fd, STDOUT_FILENO);
      dup2(err_fd, STDERR_FILENO);
      if (max_bytes > 0) {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{max_bytes, max_bytes};
        setrlimit(RLIMIT_FSIZE, &limit);
      }
      execv(argv[0], argv.data());
      _exit(98);
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string Errors() const { return Read(At("err")); }
  std::string Printed() const { return Read(At("out")); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::unique_ptr<base::TemporaryFolder> temporary_ =
      *base::TemporaryFolder::Create("a test");
  const std::string& folder_ = temporary_->path();
};

TEST_F(ProgramTest, OutReplacesAFileAsAWhole) {
  const std::string sums = At("sums.csv");
  std::ofstream(sums) << "before\n";
  ASSERT_EQ(chmod(sums.c_str(), 0640), 0);
  fs::create_symlink("sums.csv", At("link.csv"));
  const std::vector<std::string> aggregate = {"costs",       "aggregate",  At("bill.csv"),
                                              "--measure",   "BilledCost", "--by",
                                              "ServiceName", "--out",      At("link.csv")};
  {
    std::ofstream bill(At("bill.csv"));
    bill << "BilledCost,BillingCurrency,ServiceName\n";
    for (int i = 0; i < 1'000; ++i) bill << "1,USD,service-" << i << "\n";
  }
  EXPECT_EQ(Run(aggregate, "", 1'000), 6) << "as on a full disk";
  EXPECT_THAT(Errors(), HasSubstr("write " + At("link.csv")));
  EXPECT_EQ(Read(sums), "before\n");
  EXPECT_THAT(Names(), ::testing::ElementsAre("bill.csv", "err", "link.csv", "out", "sums.csv"));
  ASSERT_EQ(Run(aggregate), 0) << Errors();
  EXPECT_THAT(Read(sums), HasSubstr("\nservice-999,USD,1,1\n"));
  EXPECT_TRUE(fs::is_symlink(At("link.csv")));
  struct stat now;
  ASSERT_EQ(stat(sums.c_str(), &now), 0);
  EXPECT_EQ(now.st_mode & 0777, mode_t{0640});
}

TEST_F(ProgramTest, OutThatIsNoFileIsWrittenToAndStays) {
  ASSERT_EQ(mkfifo(At("pipe").c_str(), 0600), 0);
  const int pipe = open(At("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  const std::vector<std::string> aggregate = {"costs",     "aggregate",  At("bill.csv"),
                                              "--measure", "BilledCost", "--out"};
  std::vector<std::string> words = aggregate;
  words.push_back(At("pipe"));
  EXPECT_EQ(Run(words), 0) << Errors();
  char read_back[100] = {};
  EXPECT_GT(read(pipe, read_back, sizeof read_back - 1), 0);
  close(pipe);
  EXPECT_STREQ(read_back, "BillingCurrency,BilledCost,charges\nUSD,3.5,2\n");
  EXPECT_EQ(fs::status(At("pipe")).type(), fs::file_type::fifo);
  words.back() = folder_;
  EXPECT_EQ(Run(words), 4);
  EXPECT_THAT(Errors(), HasSubstr("Is a directory"));
  words.back() = At("nowhere/sums.csv");
  EXPECT_EQ(Run(words), 5);
}

TEST_F(ProgramTest, OutputThatIsLostIsNoSuccess) {
  const std::vector<std::string> aggregate = {"costs", "aggregate", At("bill.csv"), "--measure",
                                              "BilledCost"};
  EXPECT_EQ(Run(aggregate, "/dev/full"), 4) << "a table";
  EXPECT_THAT(Errors(), HasSubstr("the standard output cannot be written"));
  std::vector<std::string> json = aggregate;
  json.push_back("--json");
  EXPECT_EQ(Run(json, "/dev/full"), 4);
  EXPECT_EQ(Run({"--help"}, "/dev/full"), 4);
}

TEST_F(ProgramTest, ExitCodesTellWrongUsageFromRefusals) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {},
           {"costs"},
           {"costs", "spend"},
           {"costs", "aggregate"},
           {"costs", "aggregate", At("bill.csv"), "--threads", "0"},
           {"costs", "aggregate", At("bill.csv"), "--map", "x"},
           {"costs", "aggregate", At("bill.csv"), "--colour"},
           {"costs", "query", "--from", "2026-11-01"},
           {"costs", "query", "--from", "2026-11-01", "--to", "2026-11-30", "--filter", "x"},
           {"costs", "ingest", At("bill.csv")},
           {"costs", "explain"},
           {"costs", "explain", "--entity", "component:default/shop"},
           {"costs", "diff", "--source", "aws", "--month", "November"},
           {"costs", "units", "component:default/shop", "--from", "2026-11-01", "--to",
            "2026-11-30"}}) {
    EXPECT_EQ(Run(words), 2) << (words.empty() ? "" : words.back()) << ": " << Errors();
  }
  EXPECT_EQ(Run({"costs", "aggregate", At("bill.csv"), "--measure", "ListCost"}), 4) << Errors();
  EXPECT_EQ(Run({"costs", "aggregate", At("gone.csv")}), 5);
  EXPECT_EQ(Run({"costs", "budgets"}), 3) << "purserd does not answer";
  EXPECT_THAT(Errors(), HasSubstr("is it running"));
}

TEST_F(ProgramTest, HelpIsOfACommandOrOfThoseThatBeginAlike) {
  EXPECT_EQ(Run({"costs", "--help"}), 0);
  EXPECT_THAT(Printed(), HasSubstr("  costs aggregate FILE…"));
  EXPECT_THAT(Printed(), Not(HasSubstr("requests list")));
  EXPECT_EQ(Run({"help", "costs", "aggregate"}), 0);
  EXPECT_THAT(Printed(), HasSubstr("--duckdb LIBRARY"));
  EXPECT_EQ(Run({"help"}), 0);
  EXPECT_THAT(Printed(), HasSubstr("completion bash|zsh|fish"));
}

TEST_F(ProgramTest, NothingToSumIsAnEmptyTable) {
  std::ofstream(At("bill.csv")) << "BilledCost,BillingCurrency,ServiceName\n";
  ASSERT_EQ(Run({"costs", "aggregate", At("bill.csv"), "--measure", "BilledCost"}), 0);
  EXPECT_EQ(Printed(), "CURRENCY  BilledCost  CHARGES\n");
  EXPECT_EQ(Errors(), "");
}

}  // namespace
}  // namespace purser::cli
