// The engine on real stores, killed at every fault point, stopped past its lease, its server
// restarted: counted by what happened outside. Nothing is lost, nothing happens twice.
//
// PURSER_FAULT_KILLS (default 60) says how many kills there should be at least, half of them on
// each store. PURSER_FAULT_SHARD=2/6 makes this process one of six: the second of each six passes.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/temporary_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/testing/shared_postgres.h"
#include "tests/faults/effects.h"
#include "workflow/engine.h"
#include "workflow/events.h"
#include "workflow/fault.h"

namespace purser::faults {
namespace {

using store::Connection;
using workflow::RunState;

// Lives of one case that are to be killed, from the third pass on: more would park a step as one
// that ends processes.
constexpr int kLivesKilled = 8;
// First and second occurrence of a point are the matrix; later ones come in the middle of several
// runs.
constexpr int kOccurrences = 12;

int WantedKills() {
  const char* text = std::getenv("PURSER_FAULT_KILLS");
  int value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : 60;
}

// The first pass of this process, and how many processes there are.
std::pair<int, int> Shard() {
  const char* text = std::getenv("PURSER_FAULT_SHARD");
  const std::vector<std::string> parts =
      absl::StrSplit(text == nullptr ? absl::string_view("1/1") : text, '/');
  int first = 0;
  int count = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &first) ||
      !absl::SimpleAtoi(parts[1], &count) || first < 1 || count < first) {
    return {1, 1};
  }
  return {first, count};
}

// The deaths of one case. Whoever repairs what the first death left dies as well, at other points.
std::vector<std::string> Deaths(int pass, size_t point) {
  const std::vector<absl::string_view>& points = workflow::FaultPoints();
  std::vector<std::string> faults = {
      absl::StrCat(points[point], ":", (pass - 1) % kOccurrences + 1)};
  if (pass <= 2) return faults;
  for (int i = 1; i < kLivesKilled; ++i) {
    const size_t next = (point + static_cast<size_t>(i * pass)) % points.size();
    faults.push_back(absl::StrCat(points[next], ":", i % 2 + 1));
  }
  return faults;
}

struct Life {
  std::string store;   // a folder or a URL
  std::string ledger;  // a file
  std::string prefix;  // of the runs' ids
  std::string only;    // the one kind of run to ask for, "" = all
  std::string fault;   // "point:pass", "" = none
  int workers = 1;
  bool keys_work = true;
  std::function<void(const workflow::StepCall&)> before_effect;
};

absl::StatusOr<std::unique_ptr<store::Database>> OpenStore(const std::string& where) {
  if (store::IsPostgresUrl(where)) {
    store::PostgresOptions options;
    options.url = where;
    options.patience = absl::Seconds(20);
    return store::OpenPostgres(options);
  }
  store::SqliteOptions options;
  options.path = where + "/store.db";
  options.read_connections = 1;
  return store::OpenSqlite(options);
}

workflow::EngineOptions Options(store::Database& database, workflow::StepExecutor& executor,
                                workflow::RunObserver& observer, int workers) {
  workflow::EngineOptions options;
  options.database = &database;
  options.clock = &base::Clock::System();
  options.rng = &base::Rng::System();
  options.executor = &executor;
  options.observer = &observer;
  options.workers = workers;
  // Short, so that a death is noticed soon; the rules are the same.
  options.lease = absl::Milliseconds(200);
  options.beat = absl::Milliseconds(40);
  return options;
}

absl::Status Submit(store::Database& database, workflow::Engine& engine, const std::string& kind,
                    const std::string& id) {
  workflow::NewRun run;
  run.id = id;
  run.subject = id;
  const nlohmann::json body = EffectExecutor::Body(Kinds().at(kind));
  run.definition = EffectExecutor::Build(body);
  run.body = body.dump();
  const absl::Status status =
      database.Transact([&](Connection& connection) { return engine.Begin(connection, run); });
  engine.Committed();
  return status;
}

std::string StateOf(store::Database& database, const std::string& id) {
  std::string state = "missing";
  database
      .Read([&](Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const workflow::RunRecord run, workflow::LoadRun(connection, id));
        state = std::string(ToString(run.state));
        return absl::OkStatus();
      })
      .IgnoreError();
  return state;
}

bool IsSettled(const std::string& state) {
  return state == "succeeded" || state == "failed" || state == "cancelled" ||
         state == "needs-operator";
}

// One process's life: asks for the same runs at every start, waits until all have ended.
int Live(const Life& life) {
  workflow::ArmFaultPoint(life.fault);
  auto database = OpenStore(life.store);
  if (!database.ok()) {
    std::cerr << database.status() << std::endl;
    return 10;
  }
  FileWorld world(life.ledger);
  EffectExecutor executor(world);
  executor.keys_work = life.keys_work;
  executor.before_effect = life.before_effect;
  NoObserver observer;
  auto engine = workflow::Engine::Open(Options(**database, executor, observer, life.workers));
  if (!engine.ok()) {
    std::cerr << engine.status() << std::endl;
    return 11;
  }
  if (const absl::Status started = (*engine)->Start(); !started.ok()) return 12;
  for (const auto& [kind, uses] : Kinds()) {
    if (!life.only.empty() && kind != life.only) continue;
    const absl::Status asked = Submit(**database, **engine, kind, life.prefix + kind);
    if (!asked.ok() && !absl::IsAlreadyExists(asked)) {
      std::cerr << asked << std::endl;
      return 13;
    }
  }
  for (const auto& [kind, uses] : Kinds()) {
    if (!life.only.empty() && kind != life.only) continue;
    uint64_t seen = 0;
    while (!IsSettled(StateOf(**database, life.prefix + kind))) {
      seen = (*engine)->WaitForEvents(seen, {});
    }
  }
  (*engine)->Stop();
  const absl::Status trail =
      (*database)->Read([](Connection& connection) { return workflow::VerifyEvents(connection); });
  if (!trail.ok()) std::cerr << trail << std::endl;
  return trail.ok() ? static_cast<int>(std::min<int64_t>((*engine)->Stats().refused_results, 9))
                    : 14;
}

pid_t Begin(const Life& life) {
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) _exit(Live(life));
  return child;
}

// The exit code, or -1 for a process that was killed.
int Wait(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Verdict JudgeAll(const Life& life) {
  Verdict all;
  auto database = OpenStore(life.store);
  EXPECT_TRUE(database.ok()) << database.status();
  const std::map<std::string, int> lines = FileWorld::Lines(life.ledger);
  for (const auto& [kind, uses] : Kinds()) {
    const std::string id = life.prefix + kind;
    const Verdict one = Judge(kind, id, StateOf(**database, id), lines);
    EXPECT_EQ(one.lost, 0) << kind << " " << StateOf(**database, id);
    all.lost += one.lost;
    all.doubled += one.doubled;
  }
  return all;
}

class EngineCrash : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) != "postgres") return;
    server_ = store::SharedPostgres();
    if (server_ == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
    url_ = *server_->NewDatabase();
  }
  // Each case has runs and a ledger of its own; many share a store.
  Life NewLife(const base::TemporaryFolder& folder, int number) const {
    Life life;
    life.store = url_.empty() ? folder.path() : url_;
    life.ledger = absl::StrCat(folder.path(), "/ledger", number);
    life.prefix = absl::StrCat("c", number, "-");
    return life;
  }
  // Every life reads the whole trail at its end: it should not become long.
  void NewStore() {
    if (server_ != nullptr) url_ = *server_->NewDatabase();
  }

  store::PostgresServer* server_ = nullptr;
  std::string url_;
};
INSTANTIATE_TEST_SUITE_P(Stores, EngineCrash, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(EngineCrash, NothingIsLostOrDoneTwice) {
  const int wanted = WantedKills() / 2;
  const auto [first_pass, shards] = Shard();
  int kills = 0;
  int cases = 0;
  int barren = 0;  // rounds of the whole product without a kill
  Verdict all;
  for (int pass = first_pass; kills < wanted && barren < 3; pass += shards) {
    const int before = kills;
    const auto folder = *base::TemporaryFolder::Create("a test");
    NewStore();
    for (size_t point = 0; point < workflow::FaultPoints().size(); ++point) {
      for (const int workers : {1, 2}) {
        if (kills >= wanted) break;
        Life life = NewLife(*folder, ++cases);
        life.workers = workers;
        std::vector<std::string> deaths = Deaths(pass, point);
        deaths.emplace_back();  // the last life is left in peace
        for (const std::string& death : deaths) {
          SCOPED_TRACE(absl::StrCat("pass ", pass, " ", death));
          life.fault = death;
          const int code = Wait(Begin(life));
          ASSERT_LT(code, 10);
          // Who is not killed has seen all runs end.
          if (code >= 0) break;
          ++kills;
        }
        const Verdict verdict = JudgeAll(life);
        all.lost += verdict.lost;
        all.doubled += verdict.doubled;
        ASSERT_EQ(verdict.lost, 0) << "pass " << pass << " " << workflow::FaultPoints()[point];
        ASSERT_EQ(verdict.doubled, 0) << "pass " << pass << " " << workflow::FaultPoints()[point];
      }
    }
    barren = kills == before ? barren + 1 : 0;
  }
  std::cout << "crash " << GetParam() << ": " << cases << " cases, " << kills << " kills, "
            << all.lost << " lost, " << all.doubled << " doubled" << std::endl;
  EXPECT_GE(kills, wanted);
}

// The same against a peer that does not honour the keys: the test above can fail.
TEST_P(EngineCrash, WithoutKeysEffectsDouble) {
  int doubled = 0;
  for (int pass = 1; pass <= 6; ++pass) {
    const auto folder = *base::TemporaryFolder::Create("a test");
    Life life = NewLife(*folder, pass);
    life.keys_work = false;
    life.fault = absl::StrCat("call.after:", pass);
    Wait(Begin(life));
    life.fault.clear();
    ASSERT_GE(Wait(Begin(life)), 0);
    doubled += JudgeAll(life).doubled;
  }
  EXPECT_GT(doubled, 0);
}

TEST_P(EngineCrash, AHundredSubmitsWithOneKeyAreOneRun) {
  const auto folder = *base::TemporaryFolder::Create("a test");
  const Life life = NewLife(*folder, 1);
  auto database = OpenStore(life.store);
  ASSERT_TRUE(database.ok()) << database.status();
  FileWorld world(life.ledger);
  EffectExecutor executor(world);
  NoObserver observer;
  auto engine = *workflow::Engine::Open(Options(**database, executor, observer, 2));
  ASSERT_TRUE(engine->Start().ok());
  std::atomic<int> stored{0};
  std::atomic<int> known{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&] {
      const absl::Status status = Submit(**database, *engine, "good", "same");
      if (status.ok()) ++stored;
      if (absl::IsAlreadyExists(status)) ++known;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, 1);
  EXPECT_EQ(known, 99);
  uint64_t seen = 0;
  while (!IsSettled(StateOf(**database, "same"))) seen = engine->WaitForEvents(seen, {});
  engine->Stop();
  const Verdict verdict =
      Judge("good", "same", StateOf(**database, "same"), FileWorld::Lines(life.ledger));
  EXPECT_EQ(verdict.lost + verdict.doubled, 0);
}

class EnginePostgres : public testing::Test {
 protected:
  void SetUp() override {
    server_ = store::SharedPostgres();
    if (server_ == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
    url_ = *server_->NewDatabase();
  }
  store::PostgresServer* server_ = nullptr;
  std::string url_;
};

// A worker that stands still past its lease and then goes on: exactly its one result is refused.
TEST_F(EnginePostgres, AZombiesOneResultIsRefused) {
  const auto folder = *base::TemporaryFolder::Create("a test");
  Life life;
  life.store = url_;
  life.ledger = folder->path() + "/ledger";
  const std::string inside = folder->path() + "/inside";
  const std::string go = folder->path() + "/go";
  // All steps before this one are stored, and no other run is there: one call is under way, and
  // no result waits to be stored.
  life.only = "good";
  life.before_effect = [inside, go](const workflow::StepCall& call) {
    if (call.step.id != "slow3") return;
    std::ofstream(inside) << "x";
    while (!std::filesystem::exists(go)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  };
  const pid_t zombie = Begin(life);
  while (!std::filesystem::exists(inside)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(zombie, SIGSTOP);
  // The signal is sent; when each of its threads stands still, the process is told of as stopped.
  int stopped = 0;
  ASSERT_EQ(waitpid(zombie, &stopped, WUNTRACED), zombie);
  ASSERT_TRUE(WIFSTOPPED(stopped));
  std::ofstream(go) << "x";
  // Another process takes over and finishes everything.
  Life other = life;
  other.only.clear();
  other.before_effect = nullptr;
  EXPECT_EQ(Wait(Begin(other)), 0);
  kill(zombie, SIGCONT);
  EXPECT_EQ(Wait(zombie), 1);
  const Verdict verdict = JudgeAll(life);
  EXPECT_EQ(verdict.lost, 0);
  EXPECT_EQ(verdict.doubled, 0);
}

// The server crashes again and again under load; the engine lives on.
TEST_F(EnginePostgres, RestartsOfTheServerLoseAndDoubleNothing) {
  constexpr int kRestarts = 20;
  const auto folder = *base::TemporaryFolder::Create("a test");
  auto database = OpenStore(url_);
  ASSERT_TRUE(database.ok()) << database.status();
  const std::string ledger = folder->path() + "/ledger";
  FileWorld world(ledger);
  EffectExecutor executor(world);
  NoObserver observer;
  workflow::EngineOptions options = Options(**database, executor, observer, 4);
  options.lease = absl::Seconds(10);
  options.beat = absl::Seconds(3);
  auto engine = *workflow::Engine::Open(options);
  ASSERT_TRUE(engine->Start().ok());
  std::atomic<bool> stop{false};
  std::vector<std::string> ids;
  std::thread load([&] {
    for (int i = 0; !stop; ++i) {
      const std::string id = absl::StrCat("r", i);
      const absl::Status status = Submit(**database, *engine, i % 2 == 0 ? "good" : "bad", id);
      EXPECT_TRUE(status.ok()) << status;
      ids.push_back(id);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  for (int i = 0; i < kRestarts; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    ASSERT_TRUE(server_->Restart().ok());
  }
  stop = true;
  load.join();
  for (const std::string& id : ids) {
    for (int i = 0; i < 20'000 && !IsSettled(StateOf(**database, id)); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  engine->Stop();
  const std::map<std::string, int> lines = FileWorld::Lines(ledger);
  Verdict all;
  for (size_t i = 0; i < ids.size(); ++i) {
    const Verdict one =
        Judge(i % 2 == 0 ? "good" : "bad", ids[i], StateOf(**database, ids[i]), lines);
    all.lost += one.lost;
    all.doubled += one.doubled;
  }
  EXPECT_EQ(all.lost, 0);
  EXPECT_EQ(all.doubled, 0);
  std::cout << "restarts: " << kRestarts << ", " << ids.size() << " runs, " << all.lost << " lost, "
            << all.doubled << " doubled, " << engine->Stats().refused_results << " refused"
            << std::endl;
  EXPECT_TRUE((*database)
                  ->Read([](Connection& connection) { return workflow::VerifyEvents(connection); })
                  .ok());
}

}  // namespace
}  // namespace purser::faults
