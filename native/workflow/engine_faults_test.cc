// The engine when its surroundings fail: a store that refuses writes, clocks that jump.
#include <atomic>
#include <chrono>
#include <thread>

#include "base/status.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workflow/engine.h"
#include "workflow/engine_core.h"
#include "workflow/testing.h"

namespace purser::workflow {
namespace {

using base::Eventually;
using nlohmann::json;
using store::Connection;
using testing::HasSubstr;

// Refuses writes while told to, as a full disk does.
class FailingDatabase final : public store::Database {
 public:
  explicit FailingDatabase(std::unique_ptr<store::Database> inner) : inner_(std::move(inner)) {}
  std::atomic<bool> full{false};

  absl::Status Transact(const std::function<absl::Status(Connection&)>& work) override {
    if (full) return absl::ResourceExhaustedError("disk is full");
    return inner_->Transact(work);
  }
  absl::Status Read(const std::function<absl::Status(Connection&)>& work) override {
    return inner_->Read(work);
  }
  absl::Status Migrate(absl::string_view component,
                       absl::Span<const store::Migration> steps) override {
    return inner_->Migrate(component, steps);
  }

 private:
  std::unique_ptr<store::Database> inner_;
};

class EngineFaultsTest : public testing::Test {
 protected:
  void Open(base::Clock& clock) {
    EngineOptions options;
    options.database = &database_;
    options.clock = &clock;
    options.rng = &rng_;
    options.executor = &executor_;
    options.observer = &observer_;
    options.workers = 2;
    engine_ = *Engine::Open(options);
    ASSERT_TRUE(engine_->Start().ok());
  }
  absl::Status Begin(const std::string& id, const std::string& uses) {
    const json body = {{"steps", {{{"id", "a"}, {"uses", uses}, {"timeoutMs", 36'000'000}}}}};
    NewRun run;
    run.id = id;
    run.subject = id;
    run.definition = ScriptedExecutor::Build(body);
    run.body = body.dump();
    const absl::Status status =
        database_.Transact([&](Connection& c) { return engine_->Begin(c, run); });
    if (status.ok()) engine_->Committed();
    return status;
  }
  RunState State(const std::string& id) {
    RunState state = RunState::kHeld;
    EXPECT_TRUE(database_
                    .Read([&](Connection& c) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(const RunRecord run, LoadRun(c, id));
                      state = run.state;
                      return absl::OkStatus();
                    })
                    .ok());
    return state;
  }
  int64_t Engines() {
    int64_t count = 0;
    EXPECT_TRUE(database_
                    .Read([&](Connection& c) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                                              c.Query("SELECT COUNT(*) FROM workflow_engine", {}));
                      count = rows[0].Int(0);
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }

  base::SeededRng rng_{3};
  ScriptedExecutor executor_;
  CountingObserver observer_;
  FailingDatabase database_{*store::OpenSqlite({":memory:"})};
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineFaultsTest, AFullDiskStopsEffectsKeepsResultsAndHeals) {
  std::atomic<int> calls{0};
  std::atomic<bool> go{false};
  executor_.operations["slow"].call = [&](const StepCall&, CallContext&) {
    ++calls;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return CallResult();
  };
  Open(base::Clock::System());
  ASSERT_TRUE(Begin("r1", "slow").ok());
  ASSERT_TRUE(Eventually([&] { return calls == 1; }));
  ASSERT_TRUE(Begin("r2", "slow").ok());
  ASSERT_TRUE(Eventually([&] { return calls == 2; }));
  database_.full = true;
  EXPECT_EQ(Begin("r3", "slow").code(), absl::StatusCode::kResourceExhausted);
  go = true;  // both effects have happened; their results cannot be stored
  ASSERT_TRUE(Eventually([&] { return !engine_->Health().ok(); }));
  EXPECT_THAT(std::string(engine_->Health().message()), HasSubstr("disk is full"));
  EXPECT_EQ(State("r1"), RunState::kRunning);
  EXPECT_EQ(calls, 2);
  database_.full = false;
  ASSERT_TRUE(Eventually([&] { return State("r1") == RunState::kSucceeded; }));
  ASSERT_TRUE(Eventually([&] { return State("r2") == RunState::kSucceeded; }));
  // The commit is seen a moment before the worker that made it says that all is well.
  EXPECT_TRUE(Eventually([&] { return engine_->Health().ok(); }));
  EXPECT_EQ(calls, 2);
  EXPECT_GT(engine_->Stats().store_errors, 0);
}

TEST_F(EngineFaultsTest, WallClockJumpsNeitherFireNorStarveTimers) {
  base::FakeClock clock;
  std::atomic<int> looks{0};
  executor_.operations["wait"].call = [](const StepCall&, CallContext&) {
    CallResult result;
    result.ready = false;
    result.poll_after = absl::Hours(1);
    return result;
  };
  executor_.operations["wait"].observe = [&](const StepCall&, const CallResult&, CallContext&) {
    ++looks;
    return CallResult();
  };
  Open(clock);
  ASSERT_TRUE(Begin("r1", "wait").ok());
  ASSERT_TRUE(Eventually([&] { return State("r1") == RunState::kWaiting; }));
  clock.JumpWallTime(absl::Hours(5));
  clock.Advance(absl::Minutes(59));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(looks, 0);
  clock.JumpWallTime(absl::Hours(-10));
  // The timer thread may be between two looks at the clock: push until it has seen the hour.
  ASSERT_TRUE(Eventually([&] {
    clock.Advance(absl::Seconds(30));
    return State("r1") == RunState::kSucceeded;
  }));
  EXPECT_EQ(looks, 1);
  engine_->Stop();
}

TEST_F(EngineFaultsTest, ACallPastItsDeadlineIsToldToStop) {
  std::atomic<bool> stopped{false};
  executor_.operations["hang"].call = [&](const StepCall&,
                                          CallContext& context) -> absl::StatusOr<CallResult> {
    while (!context.stop().stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    stopped = true;
    return absl::InvalidArgumentError("stopped");
  };
  base::FakeClock clock;
  Open(clock);
  ASSERT_TRUE(Begin("r1", "hang").ok());
  ASSERT_TRUE(Eventually([&] {
    clock.Advance(absl::Minutes(1));
    return stopped.load();
  }));
  ASSERT_TRUE(Eventually([&] { return State("r1") == RunState::kFailed; }));
  engine_->Stop();
}

TEST_F(EngineFaultsTest, ADefinitionThatCannotBeReadDoesNotBlockTheOthers) {
  Open(base::Clock::System());
  ASSERT_TRUE(database_
                  .Transact([&](Connection& c) -> absl::Status {
                    PURSER_RETURN_IF_ERROR(c.ExecuteLater(
                        "INSERT INTO workflow_run (number, id, subject, definition_hash, "
                        "input, created_at) VALUES (-1, 'broken', 'broken', 'none', "
                        "'{}', 0), (-2, 'worse', 'worse', 'none', '{}', 0)",
                        {}, 2));
                    PURSER_RETURN_IF_ERROR(c.ExecuteLater(
                        "INSERT INTO workflow_state (run, version, state, goal, message, "
                        "outputs, retries, sequence, updated_at, due, steps) VALUES "
                        "(-1, 1, 'running', 'finish', '', '{}', 0, 0, 0, 0, '[]'), "
                        "(-2, 1, 'running', 'finish', '', '{}', 0, 0, 0, 0, '[[7]]')",
                        {}, 2));
                    return c.ExecuteLater(
                        "INSERT INTO workflow_queue (due, run) VALUES (0, -1), (0, -2), (0, -3)",
                        {}, 3);
                  })
                  .ok());
  executor_.operations["ok"] = {};
  ASSERT_TRUE(Begin("r1", "ok").ok());
  EXPECT_TRUE(Eventually([&] { return State("r1") == RunState::kSucceeded; }));
}

// Who was taken for dead by one engine and has said since that it lives is not taken for dead by
// another that remembers the number it had before.
TEST_F(EngineFaultsTest, AnEngineThatCameBackLives) {
  base::FakeClock clock(absl::FromUnixSeconds(1'800'000'000));
  EngineOptions options;
  options.database = &database_;
  options.clock = &clock;
  options.rng = &rng_;
  options.executor = &executor_;
  options.observer = &observer_;
  options.exclusive = false;
  std::vector<std::unique_ptr<EngineCore>> engines;
  for (int i = 0; i < 3; ++i) {
    engines.push_back(std::make_unique<EngineCore>(options, [](const std::string&) {}));
    ASSERT_TRUE(engines.back()->Init().ok());
    ASSERT_TRUE(engines.back()->Start().ok());
  }
  EngineCore& silent = *engines[0];
  EngineCore& late = *engines[1];
  EngineCore& judge = *engines[2];
  ASSERT_TRUE(late.Beat().ok());
  ASSERT_TRUE(judge.Beat().ok());
  clock.Advance(options.lease / 2);
  ASSERT_TRUE(late.Beat().ok());
  ASSERT_TRUE(judge.Beat().ok());
  clock.Advance(options.lease / 2);
  ASSERT_TRUE(judge.Beat().ok());
  ASSERT_EQ(Engines(), 2);
  ASSERT_TRUE(silent.Beat().ok());
  ASSERT_TRUE(late.Beat().ok());
  EXPECT_EQ(Engines(), 3);
}

}  // namespace
}  // namespace purser::workflow
