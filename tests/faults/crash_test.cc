// Kills the engine at every fault point, first and second pass, starts it again, and counts what
// happened outside: nothing lost, nothing twice.
//
// PURSER_CRASH_ROUNDS (default 1) repeats the whole product; PURSER_CRASH_REQUESTS (default 1) is
// how many requests of each kind are under way.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/temporary_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/faults/ledger_connector.h"
#include "workflow/fault.h"

extern char** environ;

namespace purser::faults {
namespace {

int FromEnvironment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  int value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : fallback;
}

struct Ended {
  bool killed = false;
  int code = -1;
  std::map<std::string, std::pair<std::string, std::string>> runs;  // id → blueprint, state
};

Ended RunWorker(const std::string& folder, const std::string& fault, int requests,
                const std::string& blueprint = "") {
  const std::string out = folder + "/out";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!absl::StartsWith(*entry, "PURSER_FAULT_KILL=")) variables.emplace_back(*entry);
  }
  if (!fault.empty()) variables.push_back("PURSER_FAULT_KILL=" + fault);
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::string program = PURSER_FAULT_WORKER;
  std::string folder_argument = folder;
  std::string count = absl::StrCat(requests);
  std::string only = blueprint;
  char* arguments[] = {program.data(), folder_argument.data(), count.data(),
                       only.empty() ? nullptr : only.data(), nullptr};
  pid_t pid = 0;
  Ended ended;
  const int spawned =
      posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(spawned, 0);
  if (spawned != 0) return ended;
  int status = 0;
  waitpid(pid, &status, 0);
  ended.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  for (const std::string& line : ReadLedger(out)) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() == 3) ended.runs[words[0]] = {words[1], words[2]};
  }
  return ended;
}

// Counts lines by operation, run and key.
class Oracle {
 public:
  explicit Oracle(const std::string& folder) {
    for (const std::string& line : ReadLedger(folder + "/ledger")) ++lines_[line];
  }

  int Count(const std::string& operation, const std::string& run, const std::string& step,
            bool undo = false) const {
    const auto found =
        lines_.find(absl::StrCat(operation, " ", run, "/", step, "/1", undo ? "/undo" : ""));
    return found == lines_.end() ? 0 : found->second;
  }
  // Lines that no run of the store accounts for would be effects of a lost run.
  int Foreign(const std::map<std::string, std::pair<std::string, std::string>>& runs) const {
    int foreign = 0;
    for (const auto& [line, count] : lines_) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      const std::string run = words[1].substr(0, words[1].find('/'));
      if (!runs.contains(run)) foreign += count;
    }
    return foreign;
  }

 private:
  std::map<std::string, int> lines_;
};

void CheckGood(const Oracle& oracle, const std::string& run, const std::string& state) {
  EXPECT_EQ(state, "succeeded");
  EXPECT_GE(oracle.Count("put", run, "put"), 1);
  EXPECT_EQ(oracle.Count("keyed", run, "keyed"), 1);
  EXPECT_EQ(oracle.Count("probe", run, "probe"), 1);
  EXPECT_EQ(oracle.Count("slow", run, "slow"), 1);
}

void CheckBad(const Oracle& oracle, const std::string& run, const std::string& state) {
  EXPECT_EQ(state, "failed");
  for (const char* step : {"keyed", "probe", "slow"}) {
    EXPECT_EQ(oracle.Count(step, run, step), 1) << step;
    EXPECT_EQ(oracle.Count("undo", run, step, /*undo=*/true), 1) << step;
  }
}

// Whatever happened to it: done at most once, and a cancelled one is undone.
void CheckRisky(const Oracle& oracle, const std::string& run, const std::string& state,
                bool cancelled) {
  EXPECT_LE(oracle.Count("unsafe", run, "unsafe"), 1);
  if (state == "succeeded") {
    EXPECT_EQ(oracle.Count("unsafe", run, "unsafe"), 1);
    EXPECT_EQ(oracle.Count("keyed", run, "keyed"), 1);
  } else if (state == "cancelled") {
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(oracle.Count("keyed", run, "keyed"),
              oracle.Count("undo", run, "keyed", /*undo=*/true));
  } else {
    EXPECT_EQ(state, "needs-operator");
  }
}

struct Totals {
  int cases = 0;
  int kills = 0;
  int parked = 0;
};

// Each of `faults` ("point:pass") kills one life of the worker, one after the other.
void RunCase(const std::vector<std::string>& faults, int requests, Totals& totals) {
  SCOPED_TRACE(absl::StrJoin(faults, ", then "));
  const auto folder = *base::TemporaryFolder::Create("a test");
  ++totals.cases;
  for (const std::string& fault : faults) {
    const Ended life = RunWorker(folder->path(), fault, requests);
    if (life.killed) {
      ++totals.kills;
    } else {
      ASSERT_EQ(life.code, 0);
    }
  }
  const Ended second = RunWorker(folder->path(), "", requests);
  ASSERT_EQ(second.code, 0);
  ASSERT_EQ(second.runs.size(), static_cast<size_t>(3 * requests));
  const Oracle oracle(folder->path());
  EXPECT_EQ(oracle.Foreign(second.runs), 0);
  for (const auto& [run, outcome] : second.runs) {
    const auto& [blueprint, state] = outcome;
    SCOPED_TRACE(absl::StrCat(blueprint, " ", run, " ", state));
    if (blueprint == "good") {
      CheckGood(oracle, run, state);
    } else if (blueprint == "bad") {
      CheckBad(oracle, run, state);
    } else {
      CheckRisky(oracle, run, state, /*cancelled=*/true);
      if (state == "needs-operator") ++totals.parked;
    }
  }
}

TEST(Crash, NothingIsLostOrDoneTwice) {
  const int rounds = FromEnvironment("PURSER_CRASH_ROUNDS", 1);
  const int requests = FromEnvironment("PURSER_CRASH_REQUESTS", 1);
  Totals totals;
  for (int round = 0; round < rounds; ++round) {
    for (const absl::string_view point : workflow::FaultPoints()) {
      for (const int pass : {1, 2}) RunCase({absl::StrCat(point, ":", pass)}, requests, totals);
    }
    // Late passes of the busiest points: in the middle of several runs.
    for (const char* point : {"call.after", "result.in-transaction", "result.after-commit"}) {
      for (const int pass : {4, 7, 10}) {
        RunCase({absl::StrCat(point, ":", pass)}, requests, totals);
      }
    }
    // A second death while the first one is being repaired.
    for (const char* first : {"call.after:2", "call.after:5", "undo.after:1"}) {
      for (const char* second : {"recover.in-transaction:1", "claim.after-commit:1",
                                 "probe.before:1", "call.before:1", "result.in-transaction:1"}) {
        RunCase({first, second}, requests, totals);
      }
    }
  }
  std::cout << "crash: " << totals.cases << " cases, " << totals.kills << " kills, "
            << totals.parked << " parked for an operator" << std::endl;
  // Most points lie on the way of these runs; if they were never passed the test would prove
  // nothing.
  EXPECT_GT(totals.kills, totals.cases / 2);
}

// A connector that lies about its class is found out: the test above would see a repeat.
TEST(Crash, TheControlIsRepeated) {
  const auto folder = *base::TemporaryFolder::Create("a test");
  // The fifth and last call of "good" is the blind one.
  ASSERT_TRUE(RunWorker(folder->path(), "call.after:5", 1, "good").killed);
  const Ended second = RunWorker(folder->path(), "", 1, "good");
  ASSERT_EQ(second.runs.size(), 1u);
  EXPECT_EQ(Oracle(folder->path()).Count("blind", second.runs.begin()->first, "blind"), 2);
}

TEST(Crash, AnUnsafeCallIsNotRepeatedButParked) {
  for (const char* fault : {"call.before:2", "call.after:2", "result.in-transaction:2"}) {
    SCOPED_TRACE(fault);
    const auto folder = *base::TemporaryFolder::Create("a test");
    ASSERT_TRUE(RunWorker(folder->path(), fault, 1, "risky").killed);
    const Ended second = RunWorker(folder->path(), "", 1, "risky");
    ASSERT_EQ(second.runs.size(), 1u);
    const auto& [run, outcome] = *second.runs.begin();
    EXPECT_EQ(outcome.second, "needs-operator");
    EXPECT_LE(Oracle(folder->path()).Count("unsafe", run, "unsafe"), 1);
  }
}

}  // namespace
}  // namespace purser::faults
