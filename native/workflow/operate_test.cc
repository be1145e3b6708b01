// What operators do to runs that do not go on by themselves.
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workflow/engine.h"
#include "workflow/testing.h"

namespace purser::workflow {
namespace {

using nlohmann::json;
using store::Connection;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const Actor kOperator = {"user:default/olga", "looked at it"};

class OperateTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = *store::OpenSqlite({":memory:"});
    executor_.operations["ok"] = {};
    executor_.operations["undoable"].traits.has_undo = true;
    executor_.operations["bad"].call = [](const StepCall&, CallContext&) {
      return absl::InvalidArgumentError("wrong");
    };
    executor_.operations["unsafe"].traits.call_class = CallClass::kUnsafe;
    executor_.operations["unsafe"].call = [](const StepCall&, CallContext&) {
      return absl::DeadlineExceededError("no answer");
    };
    executor_.operations["sticky"].traits.has_undo = true;
    executor_.operations["sticky"].undo = [](const StepCall&, CallContext&) {
      return absl::PermissionDeniedError("locked");
    };
    executor_.operations["signal"].call = [](const StepCall&, CallContext&) {
      CallResult result;
      result.ready = false;
      result.poll_after = absl::Hours(24);
      return result;
    };
  }

  void Start() {
    EngineOptions options;
    options.database = database_.get();
    options.clock = &base::Clock::System();
    options.rng = &rng_;
    options.executor = &executor_;
    options.observer = &observer_;
    engine_ = *Engine::Open(options);
    ASSERT_TRUE(engine_->Start().ok());
  }

  void Begin(const json& body, std::map<std::string, json> done = {}) {
    NewRun run;
    run.id = "r1";
    run.subject = "s1";
    run.definition = ScriptedExecutor::Build(body);
    run.body = body.dump();
    run.done = std::move(done);
    const absl::Status status =
        database_->Transact([&](Connection& c) { return engine_->Begin(c, run); });
    ASSERT_TRUE(status.ok()) << status;
    engine_->Committed();
  }

  RunRecord Run() {
    RunRecord run;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& c) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(run, LoadRun(c, "r1"));
                      return absl::OkStatus();
                    })
                    .ok());
    return run;
  }
  StepRecord Step(size_t index) {
    std::vector<StepRecord> steps;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& c) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(steps, LoadSteps(c, "r1"));
                      return absl::OkStatus();
                    })
                    .ok());
    return steps[index];
  }

  RunState WaitFor(const std::set<RunState>& wanted) {
    RunState state = RunState::kHeld;
    EXPECT_TRUE(base::Eventually([&] {
      state = Run().state;
      return wanted.contains(state);
    }));
    return state;
  }
  RunState Settle() {
    return WaitFor(
        {RunState::kSucceeded, RunState::kFailed, RunState::kCancelled, RunState::kNeedsOperator});
  }
  absl::Status Skip(const std::string& step) {
    return engine_->Change("r1", [step](Transition& t) { return t.SkipStep(step, kOperator); });
  }
  absl::Status Done(const std::string& step, const json& outputs) {
    return engine_->Change("r1",
                           [=](Transition& t) { return t.MarkDone(step, outputs, kOperator); });
  }

  base::SeededRng rng_{7};
  ScriptedExecutor executor_;
  CountingObserver observer_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Engine> engine_;
};

json Three(const std::string& middle) {
  return {{"steps",
           {{{"id", "a"}, {"uses", "undoable"}},
            {{"id", "b"}, {"uses", middle}, {"needs", {"a"}}},
            {{"id", "c"}, {"uses", "ok"}, {"needs", {"b"}}}}}};
}

TEST_F(OperateTest, AFailedStepSkippedLetsTheRunGoOn) {
  Start();
  Begin(Three("bad"));
  ASSERT_EQ(Settle(), RunState::kFailed);
  EXPECT_EQ(Skip("a").code(), absl::StatusCode::kFailedPrecondition);  // it was undone
  EXPECT_EQ(Skip("nothing").code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Skip("b").ok());
  ASSERT_EQ(Settle(), RunState::kSucceeded) << Run().message;
  EXPECT_EQ(Step(1).state, StepState::kSkipped);
  EXPECT_THAT(Step(1).message, HasSubstr("user:default/olga: looked at it"));
  // What was undone is done anew before it.
  EXPECT_THAT(executor_.Calls(), ElementsAre("call a", "call b", "undo a", "call a", "call c"));
  EXPECT_EQ(Skip("b").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(OperateTest, AnUnknownOutcomeMarkedAsDoneHasItsOutputs) {
  Start();
  Begin(Three("unsafe"));
  ASSERT_EQ(Settle(), RunState::kNeedsOperator);
  EXPECT_EQ(Done("b", json("text")).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(Done("b", {{"id", "i-1"}}).ok());
  ASSERT_EQ(Settle(), RunState::kSucceeded) << Run().message;
  EXPECT_EQ(json::parse(Run().outputs)["b"], json({{"id", "i-1"}}));
  EXPECT_EQ(json::parse(Step(1).outputs), json({{"id", "i-1"}}));
  EXPECT_THAT(executor_.Calls(), ElementsAre("call a", "call b", "call c"));
}

TEST_F(OperateTest, AFailedUndoDoneByHandOrLeft) {
  json body = Three("sticky");
  body["steps"][2]["uses"] = "bad";
  Start();
  Begin(body);
  ASSERT_EQ(Settle(), RunState::kNeedsOperator);
  ASSERT_TRUE(Done("b", json::object()).ok());
  ASSERT_EQ(Settle(), RunState::kFailed);
  EXPECT_EQ(Step(1).state, StepState::kCompensated);
  EXPECT_THAT(executor_.Calls(), Contains("undo a"));
}

TEST_F(OperateTest, AFailedUndoCanBeLeftAsItIs) {
  json body = Three("sticky");
  body["steps"][2]["uses"] = "bad";
  Start();
  Begin(body);
  ASSERT_EQ(Settle(), RunState::kNeedsOperator);
  ASSERT_TRUE(Skip("b").ok());
  ASSERT_EQ(Settle(), RunState::kFailed);
  EXPECT_EQ(Step(1).state, StepState::kSkipped);
  EXPECT_EQ(Step(0).state, StepState::kCompensated);
}

TEST_F(OperateTest, AWaitingStepIsLookedAtWhenWoken) {
  std::atomic<bool> came{false};
  executor_.operations["signal"].observe = [&](const StepCall&, const CallResult& previous,
                                               CallContext&) {
    CallResult result = previous;
    result.ready = came;
    return result;
  };
  Start();
  Begin({{"steps", {{{"id", "a"}, {"uses", "signal"}, {"timeoutMs", 90'000'000}}}}});
  ASSERT_EQ(WaitFor({RunState::kWaiting}), RunState::kWaiting);
  came = true;
  bool woken = false;
  ASSERT_TRUE(engine_
                  ->Change("r1",
                           [&](Transition& t) {
                             woken = t.Wake("a");
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_TRUE(woken);
  EXPECT_EQ(Settle(), RunState::kSucceeded);
  ASSERT_TRUE(engine_
                  ->Change("r1",
                           [&](Transition& t) {
                             woken = t.Wake("a");
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_FALSE(woken);
}

TEST_F(OperateTest, WhatADomainWritesAndTheChangeAreOne) {
  ASSERT_TRUE(database_
                  ->Migrate("notes",
                            std::vector<store::Migration>{
                                {1, "notes", "CREATE TABLE note (text TEXT NOT NULL)"}})
                  .ok());
  Start();
  Begin(Three("ok"));
  ASSERT_EQ(Settle(), RunState::kSucceeded);
  const int64_t before = Run().sequence;
  ASSERT_TRUE(engine_
                  ->Change("r1",
                           [](Transition& t) -> absl::Status {
                             PURSER_RETURN_IF_ERROR(
                                 t.connection()
                                     .Execute("INSERT INTO note (text) VALUES ($1)", {"renewed"})
                                     .status());
                             t.AppendEvent("", "run.renewed", "for a month", {{"days", 30}});
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(Run().sequence, before + 1);
  EXPECT_EQ(Run().state, RunState::kSucceeded);
  const absl::Status verified =
      database_->Read([](Connection& connection) { return VerifyEvents(connection); });
  EXPECT_TRUE(verified.ok()) << verified;
}

TEST_F(OperateTest, NoMoreStepsSideBySideThanAllowed) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  executor_.operations["slow"].call = [&](const StepCall&, CallContext&) {
    const int now = ++running;
    int seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --running;
    return CallResult();
  };
  json body = {{"parallel", 2}, {"steps", json::array()}};
  for (int i = 0; i < 8; ++i) {
    body["steps"].push_back({{"id", absl::StrCat("s", i)}, {"uses", "slow"}});
  }
  Start();
  Begin(body);
  ASSERT_EQ(Settle(), RunState::kSucceeded);
  EXPECT_LE(most, 2);
  EXPECT_EQ(executor_.Calls().size(), 8u);
}

TEST_F(OperateTest, ARunTakesStepsOverAndDoesNotUndoThem) {
  json body = Three("undoable");
  body["steps"][2]["uses"] = "bad";
  Start();
  Begin(body, {{"a", {{"id", 7}}}});
  ASSERT_EQ(Settle(), RunState::kFailed);
  EXPECT_EQ(json::parse(Step(0).outputs), json({{"id", 7}}));
  EXPECT_THAT(executor_.Calls(), ElementsAre("call b", "call c", "undo b"));
}

TEST_F(OperateTest, AStepThatIsNotToBeUndoneStays) {
  json body = Three("bad");
  body["steps"][0]["undo"] = false;
  Start();
  Begin(body);
  ASSERT_EQ(Settle(), RunState::kFailed);
  EXPECT_EQ(Step(0).state, StepState::kSucceeded);
  EXPECT_THAT(executor_.Calls(), ElementsAre("call a", "call b"));
}

}  // namespace
}  // namespace purser::workflow
