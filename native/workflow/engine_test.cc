#include "workflow/engine.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workflow/testing.h"

namespace purser::workflow {
namespace {

using nlohmann::json;
using store::Connection;
using testing::ElementsAre;
using testing::HasSubstr;

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    auto database = store::OpenSqlite({":memory:"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    executor_.operations["ok"] = {};
    executor_.operations["undoable"].traits.has_undo = true;
    OpenEngine();
  }

  void OpenEngine() {
    EngineOptions options;
    options.database = database_.get();
    options.clock = &base::Clock::System();
    options.rng = &rng_;
    options.executor = &executor_;
    options.observer = &observer_;
    auto engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  void Begin(const std::string& id, const json& body, bool held = false) {
    NewRun run;
    run.id = id;
    run.subject = "subject-" + id;
    run.definition = ScriptedExecutor::Build(body);
    run.body = body.dump();
    run.held = held;
    const absl::Status status =
        database_->Transact([&](Connection& c) { return engine_->Begin(c, run); });
    ASSERT_TRUE(status.ok()) << status;
    engine_->Committed();
  }

  RunRecord Run(const std::string& id) {
    RunRecord run;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& c) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(run, LoadRun(c, id));
                      return absl::OkStatus();
                    })
                    .ok());
    return run;
  }

  std::vector<StepRecord> Steps(const std::string& id) {
    std::vector<StepRecord> steps;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& c) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(steps, LoadSteps(c, id));
                      return absl::OkStatus();
                    })
                    .ok());
    return steps;
  }

  RunState WaitFor(const std::string& id, const std::set<RunState>& wanted) {
    RunState state = RunState::kHeld;
    EXPECT_TRUE(base::Eventually([&] {
      state = Run(id).state;
      return wanted.contains(state);
    })) << "run "
        << id << " stays " << ToString(state);
    return state;
  }

  RunState Settle(const std::string& id) {
    return WaitFor(id, {RunState::kSucceeded, RunState::kFailed, RunState::kCancelled,
                        RunState::kNeedsOperator});
  }

  std::vector<Event> Events(const std::string& subject) {
    std::vector<Event> events;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& c) {
                      return ReadEvents(c, subject, 0, 10000, [&](const Event& event) {
                        events.push_back(event);
                        return absl::OkStatus();
                      });
                    })
                    .ok());
    return events;
  }

  static std::string TypeAndStep(const Event& event) {
    return event.step_id.empty() ? event.type : absl::StrCat(event.type, " ", event.step_id);
  }

  std::vector<std::string> EventTypes(const std::string& subject) {
    std::vector<std::string> types;
    for (const Event& event : Events(subject)) types.push_back(TypeAndStep(event));
    return types;
  }

  base::SeededRng rng_{7};
  ScriptedExecutor executor_;
  CountingObserver observer_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Engine> engine_;
};

json Steps3() {
  return {{"steps",
           {{{"id", "a"}, {"uses", "undoable"}},
            {{"id", "b"}, {"uses", "undoable"}, {"needs", {"a"}}},
            {{"id", "c"}, {"uses", "ok"}, {"needs", {"b"}}}}}};
}

TEST_F(EngineTest, RunsStepsInOrderAndTellsEachTransitionOnce) {
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", Steps3());
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_THAT(executor_.Calls(), ElementsAre("call a", "call b", "call c"));
  EXPECT_THAT(
      EventTypes("subject-r1"),
      ElementsAre("run.created", "step.started a", "step.succeeded a", "step.started b",
                  "step.succeeded b", "step.started c", "step.succeeded c", "run.succeeded"));
  EXPECT_TRUE(database_->Read([](Connection& c) { return VerifyEvents(c); }).ok());
}

TEST_F(EngineTest, IndependentStepsRunSideBySide) {
  std::atomic<int> inside{0};
  executor_.operations["meet"].call = [&](const StepCall&,
                                          CallContext&) -> absl::StatusOr<CallResult> {
    ++inside;
    if (!base::Eventually([&] { return inside == 2; })) {
      return absl::InvalidArgumentError("the other one did not come");
    }
    return CallResult();
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps",
                {{{"id", "a"}, {"uses", "meet"}},
                 {{"id", "b"}, {"uses", "meet"}},
                 {{"id", "c"}, {"needs", {"a", "b"}}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(executor_.Calls().back(), "call c");
}

TEST_F(EngineTest, RetriesWhatMayPassAndKeepsTheEffectKey) {
  std::atomic<int> calls{0};
  std::set<std::string> keys;
  executor_.operations["flaky"].call = [&](const StepCall&,
                                           CallContext& context) -> absl::StatusOr<CallResult> {
    keys.insert(context.effect_key());
    if (++calls < 3) return absl::UnavailableError("not now");
    return CallResult();
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "flaky"}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(calls, 3);
  EXPECT_THAT(keys, ElementsAre("r1/a/1"));
  EXPECT_THAT(
      EventTypes("subject-r1"),
      ElementsAre("run.created", "step.started a", "step.retrying a", "step.started a",
                  "step.retrying a", "step.started a", "step.succeeded a", "run.succeeded"));
}

TEST_F(EngineTest, GivesUpAfterItsAttempts) {
  executor_.operations["down"].call = [](const StepCall&, CallContext&) {
    return absl::UnavailableError("no route");
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "down"}, {"attempts", 2}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kFailed);
  EXPECT_EQ(Run("r1").message, "step a: gave up after 2 failed calls: UNAVAILABLE: no route");
  EXPECT_EQ(Steps("r1")[0].attempts, 2);
}

TEST_F(EngineTest, FailureUndoesInReverseAndRetryGoesOnWithNewKeys) {
  std::atomic<bool> broken{true};
  executor_.operations["last"].call = [&](const StepCall&,
                                          CallContext&) -> absl::StatusOr<CallResult> {
    if (broken) return absl::InvalidArgumentError("wrong");
    return CallResult();
  };
  ASSERT_TRUE(engine_->Start().ok());
  json body = Steps3();
  body["steps"][2]["uses"] = "last";
  Begin("r1", body);
  EXPECT_EQ(Settle("r1"), RunState::kFailed);
  EXPECT_EQ(Run("r1").message, "step c: INVALID_ARGUMENT: wrong");
  EXPECT_THAT(executor_.Calls(), ElementsAre("call a", "call b", "call c", "undo b", "undo a"));
  EXPECT_EQ(Steps("r1")[0].state, StepState::kCompensated);
  broken = false;
  ASSERT_TRUE(engine_->Retry("r1", {"user:default/x", ""}).ok());
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(Steps("r1")[0].incarnation, 2);
  EXPECT_EQ(engine_->Retry("r1", {"user:default/x", ""}).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineTest, CompletedStepsAreNotRunAgainByARetry) {
  std::atomic<bool> broken{true};
  executor_.operations["last"].call = [&](const StepCall&,
                                          CallContext&) -> absl::StatusOr<CallResult> {
    if (broken) return absl::InvalidArgumentError("wrong");
    return CallResult();
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}}, {{"id", "b"}, {"uses", "last"}, {"needs", {"a"}}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kFailed);
  broken = false;
  ASSERT_TRUE(engine_->Retry("r1", {}).ok());
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_THAT(executor_.Calls(), ElementsAre("call a", "call b", "call b"));
}

TEST_F(EngineTest, WaitsForReadinessWithoutAThread) {
  std::atomic<int> looks{0};
  executor_.operations["slow"].call = [](const StepCall&, CallContext&) {
    CallResult result;
    result.ready = false;
    result.poll_after = absl::Milliseconds(5);
    result.progress = "starting";
    result.outputs = {{"id", 7}};
    return result;
  };
  executor_.operations["slow"].observe = [&](const StepCall&, const CallResult& previous,
                                             CallContext&) {
    CallResult result = previous;
    result.ready = ++looks == 3;
    return result;
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "slow"}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(looks, 3);
  EXPECT_EQ(Run("r1").outputs, R"({"a":{"id":7}})");
  const std::vector<RunState> states = observer_.States("r1");
  EXPECT_THAT(states, testing::Contains(RunState::kWaiting));
}

TEST_F(EngineTest, NotReadyInTimeFails) {
  executor_.operations["never"].call = [](const StepCall&, CallContext&) {
    CallResult result;
    result.ready = false;
    result.poll_after = absl::Milliseconds(5);
    result.progress = "0 of 1";
    return result;
  };
  executor_.operations["never"].observe = [](const StepCall&, const CallResult& previous,
                                             CallContext&) { return previous; };
  executor_.operations["never"].traits.has_undo = true;
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "never"}, {"timeoutMs", 60}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kFailed);
  EXPECT_THAT(Run("r1").message, HasSubstr("not ready after 60ms: 0 of 1"));
  // What it had made is undone.
  EXPECT_EQ(executor_.Calls().back(), "undo a");
}

TEST_F(EngineTest, UnsafeCallWithUnknownOutcomeNeedsAnOperator) {
  std::atomic<int> calls{0};
  ScriptedOperation& operation = executor_.operations["unsafe"];
  operation.traits.call_class = CallClass::kUnsafe;
  operation.call = [&](const StepCall&, CallContext&) -> absl::StatusOr<CallResult> {
    if (++calls == 1) {
      absl::Status status = absl::UnavailableError("connection lost");
      base::SetOutcomeUnknown(status);
      return status;
    }
    return CallResult();
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "unsafe"}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kNeedsOperator);
  EXPECT_EQ(calls, 1);
  ASSERT_TRUE(engine_->Retry("r1", {}).ok());
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(Steps("r1")[0].incarnation, 1);
}

TEST_F(EngineTest, ProbeFindsWhatALostAnswerDid) {
  std::atomic<int> effects{0};
  ScriptedOperation& operation = executor_.operations["probe"];
  operation.traits.call_class = CallClass::kProbe;
  operation.call = [&](const StepCall&, CallContext&) -> absl::StatusOr<CallResult> {
    ++effects;
    absl::Status status = absl::UnavailableError("connection lost");
    base::SetOutcomeUnknown(status);
    return status;
  };
  operation.probe = [&](const StepCall&,
                        CallContext&) -> absl::StatusOr<std::optional<CallResult>> {
    if (effects == 0) return std::optional<CallResult>();
    CallResult result;
    result.outputs = {{"commit", "abc"}};
    return std::optional<CallResult>(result);
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "probe"}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(effects, 1);
  EXPECT_EQ(Run("r1").outputs, R"({"a":{"commit":"abc"}})");
}

TEST_F(EngineTest, HeldRunsStartWhenReleased) {
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", Steps3(), /*held=*/true);
  EXPECT_EQ(Run("r1").state, RunState::kHeld);
  ASSERT_TRUE(engine_->Release("r1", {"user:default/boss", "fine"}).ok());
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(engine_->Release("r1", {}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine_->Release("r9", {}).code(), absl::StatusCode::kNotFound);
}

TEST_F(EngineTest, CancelStopsTheCallAndUndoes) {
  std::atomic<bool> started{false};
  executor_.operations["long"].call = [&](const StepCall&,
                                          CallContext& context) -> absl::StatusOr<CallResult> {
    started = true;
    while (!context.stop().stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return absl::CancelledError("stopped");
  };
  ASSERT_TRUE(engine_->Start().ok());
  json body = Steps3();
  body["steps"][2]["uses"] = "long";
  Begin("r1", body);
  while (!started) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(engine_->Cancel("r1", {"user:default/x", "no longer wanted"}).ok());
  EXPECT_EQ(Settle("r1"), RunState::kCancelled);
  EXPECT_EQ(Run("r1").message, "cancelled by user:default/x: no longer wanted");
  EXPECT_THAT(executor_.Calls(), ElementsAre("call a", "call b", "call c", "undo b", "undo a"));
  EXPECT_EQ(engine_->Cancel("r1", {}).code(), absl::StatusCode::kOk);
}

TEST_F(EngineTest, FailedUndoParksAndRetryGoesOnUndoing) {
  std::atomic<bool> broken{true};
  executor_.operations["sticky"].traits.has_undo = true;
  executor_.operations["sticky"].undo = [&](const StepCall&,
                                            CallContext&) -> absl::StatusOr<CallResult> {
    if (broken) return absl::PermissionDeniedError("locked");
    return CallResult();
  };
  executor_.operations["bad"].call = [](const StepCall&, CallContext&) {
    return absl::InvalidArgumentError("wrong");
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps",
                {{{"id", "a"}, {"uses", "undoable"}},
                 {{"id", "b"}, {"uses", "sticky"}, {"needs", {"a"}}},
                 {{"id", "c"}, {"uses", "bad"}, {"needs", {"b"}}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kNeedsOperator);
  EXPECT_EQ(Run("r1").message, "undoing step b failed: PERMISSION_DENIED: locked");
  broken = false;
  ASSERT_TRUE(engine_->Retry("r1", {}).ok());
  EXPECT_EQ(Settle("r1"), RunState::kFailed);
  EXPECT_EQ(executor_.Calls().back(), "undo a");
}

TEST_F(EngineTest, SkippedStepsCountAsDone) {
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"skip", true}}, {{"id", "b"}, {"needs", {"a"}}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_THAT(executor_.Calls(), ElementsAre("call b"));
  EXPECT_EQ(Steps("r1")[0].state, StepState::kSkipped);
}

TEST_F(EngineTest, LogsBecomeEventsAndBadTextDoesNoHarm) {
  executor_.operations["talk"].call = [](const StepCall&, CallContext& context) {
    context.Log(LogLevel::kInfo, "one");
    context.Log(LogLevel::kInfo, "two");
    context.Log(LogLevel::kError, std::string("bad \xff\0 bytes", 12));
    CallResult result;
    result.progress = std::string("bad \xff\0 progress", 15);
    return result;
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "talk"}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  // How many events the lines come in depends on when they were fetched; their order does not.
  std::vector<std::string> types;
  std::vector<std::string> lines;
  for (const Event& event : Events("subject-r1")) {
    if (event.type != "step.log") {
      types.push_back(TypeAndStep(event));
      continue;
    }
    EXPECT_EQ(event.step_id, "a");
    const std::string level = event.data.value("level", "");
    for (absl::string_view line : absl::StrSplit(event.message, '\n')) {
      lines.push_back(absl::StrCat(level, ": ", line));
    }
  }
  EXPECT_THAT(types,
              ElementsAre("run.created", "step.started a", "step.succeeded a", "run.succeeded"));
  EXPECT_THAT(lines, ElementsAre("info: one", "info: two", HasSubstr("error: bad ")));
}

TEST_F(EngineTest, StopGivesWorkBackAndTheNextEngineGoesOn) {
  std::atomic<int> calls{0};
  executor_.operations["long"].call = [&](const StepCall&,
                                          CallContext& context) -> absl::StatusOr<CallResult> {
    if (++calls > 1) return CallResult();
    while (!context.stop().stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return absl::CancelledError("stopped");
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "long"}}}}});
  while (calls == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  engine_->Stop();
  EXPECT_EQ(Run("r1").state, RunState::kRunning);
  OpenEngine();
  ASSERT_TRUE(engine_->Start().ok());
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  EXPECT_EQ(calls, 2);
}

TEST_F(EngineTest, AZombiesResultIsRefused) {
  // Two engines on one store, not exclusive; the first one's lease is taken while it is inside.
  std::atomic<int> calls{0};
  std::atomic<bool> go{false};
  executor_.operations["stuck"].call = [&](const StepCall&, CallContext&) {
    if (++calls == 1) {
      while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CallResult result;
    result.outputs = {{"by", calls.load()}};
    return result;
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "stuck"}}}}});
  while (calls == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::unique_ptr<Engine> zombie = std::move(engine_);
  OpenEngine();  // exclusive: takes everything over at once
  ASSERT_TRUE(engine_->Start().ok());
  EXPECT_EQ(Settle("r1"), RunState::kSucceeded);
  go = true;
  EXPECT_TRUE(base::Eventually([&] { return zombie->Stats().refused_results > 0; }));
  EXPECT_EQ(zombie->Stats().refused_results, 1);
  EXPECT_EQ(Run("r1").outputs, R"({"a":{"by":2}})");
  zombie->Stop();
}

TEST_F(EngineTest, ExceptionOfAConnectorFailsItsStepOnly) {
  executor_.operations["throws"].call = [](const StepCall&, CallContext&) -> CallResult {
    throw std::runtime_error("boom");
  };
  ASSERT_TRUE(engine_->Start().ok());
  Begin("r1", {{"steps", {{{"id", "a"}, {"uses", "throws"}}}}});
  EXPECT_EQ(Settle("r1"), RunState::kFailed);
  EXPECT_THAT(Run("r1").message, HasSubstr("boom"));
}

TEST_F(EngineTest, ManyRunsAtOnce) {
  ASSERT_TRUE(engine_->Start().ok());
  for (int i = 0; i < 50; ++i) Begin(absl::StrCat("r", i), Steps3());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Settle(absl::StrCat("r", i)), RunState::kSucceeded);
  EXPECT_EQ(executor_.Calls().size(), 150u);
  EXPECT_TRUE(database_->Read([](Connection& c) { return VerifyEvents(c); }).ok());
}

}  // namespace
}  // namespace purser::workflow
