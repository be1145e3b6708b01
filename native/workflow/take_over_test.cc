// Runs whose engine died during a call, changed before anybody has taken them over.
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workflow/engine.h"
#include "workflow/engine_core.h"
#include "workflow/records.h"
#include "workflow/testing.h"

namespace purser::workflow {
namespace {

using nlohmann::json;
using store::Connection;

class TakeOverTest : public testing::Test {
 protected:
  TakeOverTest() { executor_.operations["ok"] = {}; }

  // An engine whose rounds and calls the test performs; it dies by being destroyed.
  std::unique_ptr<EngineCore> Start() {
    EngineOptions options;
    options.database = database_.get();
    options.clock = &clock_;
    options.rng = &rng_;
    options.executor = &executor_;
    options.observer = &observer_;
    auto engine = std::make_unique<EngineCore>(options, [](const std::string&) {});
    EXPECT_TRUE(engine->Init().ok());
    EXPECT_TRUE(engine->Start().ok());
    return engine;
  }
  void Begin(EngineCore& engine) {
    const json body = {{"steps", {{{"id", "a"}}, {{"id", "b"}, {"needs", {"a"}}}}}};
    NewRun run;
    run.id = "r1";
    run.subject = "r1";
    run.definition = ScriptedExecutor::Build(body);
    run.body = body.dump();
    ASSERT_TRUE(database_->Transact([&](Connection& c) { return engine.Begin(c, run); }).ok());
    engine.Submitted();
  }
  void DieDuringACall() {
    const std::unique_ptr<EngineCore> dying = Start();
    Begin(*dying);
    ASSERT_TRUE(dying->TryRound());
    ASSERT_NE(dying->Pop(), nullptr);
  }
  static std::shared_ptr<ControlCall> Cancel(EngineCore& engine) {
    return engine.Control("r1", [](Transition& transition) {
      return transition.Cancel({"user:default/tester", "changed my mind"});
    });
  }
  // Rounds and calls until nothing is to be done; `first` is what the first call comes to.
  std::vector<TaskKind> Work(EngineCore& engine, Outcome first = Outcome()) {
    std::vector<TaskKind> kinds;
    for (int i = 0; i < 100; ++i) {
      engine.OnTime();
      const bool stored = engine.TryRound();
      const std::shared_ptr<const Task> task = engine.Pop();
      if (task != nullptr) {
        kinds.push_back(task->kind);
        engine.Finish(task, std::exchange(first, Outcome()), false, {}, absl::Milliseconds(1));
      } else if (!stored) {
        clock_.Advance(absl::Seconds(1));
      }
    }
    return kinds;
  }
  RunState State() {
    RunState state = RunState::kHeld;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& c) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(const RunRecord run, LoadRun(c, "r1"));
                      state = run.state;
                      return absl::OkStatus();
                    })
                    .ok());
    return state;
  }

  base::FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  base::SeededRng rng_{3};
  ScriptedExecutor executor_;
  CountingObserver observer_;
  std::unique_ptr<store::Database> database_ = *store::OpenSqlite({":memory:"});
};

// The cancellation comes in the first round, before the run is claimed: its only step counts as
// being called, by an engine that is no more, and the run must stay in the queue all the same.
TEST_F(TakeOverTest, ARunCancelledBeforeItIsClaimedIsNotForgotten) {
  DieDuringACall();
  const std::unique_ptr<EngineCore> engine = Start();
  const auto cancelled = Cancel(*engine);
  ASSERT_TRUE(engine->TryRound());
  ASSERT_TRUE(engine->IsDone(*cancelled));
  Work(*engine);
  EXPECT_EQ(State(), RunState::kCancelled);
}

// The dead engine's call may have happened. That its repetition fails changes nothing about it: it
// is repeated until its outcome is known, and undone.
TEST_F(TakeOverTest, ACallWhoseRepetitionFailsIsStillUndone) {
  executor_.operations["ok"].traits = {CallClass::kKeyed, /*has_undo=*/true};
  DieDuringACall();
  const std::unique_ptr<EngineCore> engine = Start();
  const auto cancelled = Cancel(*engine);
  Outcome unreachable;
  unreachable.kind = Outcome::Kind::kError;
  unreachable.error = absl::UnavailableError("no route");
  const std::vector<TaskKind> kinds = Work(*engine, unreachable);
  EXPECT_TRUE(engine->IsDone(*cancelled));
  EXPECT_THAT(kinds, testing::ElementsAre(TaskKind::kCall, TaskKind::kCall, TaskKind::kUndo));
  EXPECT_EQ(State(), RunState::kCancelled);
}

TEST_F(TakeOverTest, ARunOfADeadEngineGoesOn) {
  DieDuringACall();
  const std::unique_ptr<EngineCore> engine = Start();
  Work(*engine);
  EXPECT_EQ(State(), RunState::kSucceeded);
}

}  // namespace
}  // namespace purser::workflow
