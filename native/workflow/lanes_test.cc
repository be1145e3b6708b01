#include "workflow/lanes.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workflow/engine.h"
#include "workflow/testing.h"

namespace purser::workflow {
namespace {

TEST(LanesTest, APlaceIsGivenUpOnce) {
  Lanes lanes({{"sql", 1}});
  std::shared_ptr<Lanes::Place> first;
  std::shared_ptr<Lanes::Place> second;
  EXPECT_TRUE(lanes.Enter("sql/role", &first));
  EXPECT_FALSE(lanes.Enter("sql/database", &second));
  EXPECT_EQ(second, nullptr);
  EXPECT_TRUE(lanes.Enter("files/write", &second));
  EXPECT_EQ(second, nullptr) << "a lane without a limit has no places";
  first->GiveUp();
  EXPECT_TRUE(lanes.Enter("sql/database", &second));
  first.reset();
  EXPECT_FALSE(lanes.Enter("sql/role", &first)) << "given up twice";
  second.reset();
  EXPECT_TRUE(lanes.Enter("sql/role", &first));
}

// Calls of "slow/call" wait until the test opens the gate.
class LaneEngineTest : public testing::Test {
 protected:
  static constexpr int kLimit = 2;

  void SetUp() override {
    database_ = *store::OpenSqlite({":memory:"});
    executor_.operations["quick/call"] = {};
    executor_.operations["slow/call"].call = [this](const StepCall&, CallContext&) {
      base::MutexLock lock(mutex_);
      most_ = std::max(most_, ++inside_);
      while (!open_) gate_.Wait(mutex_);
      --inside_;
      return CallResult();
    };
    EngineOptions options;
    options.database = database_.get();
    options.clock = &base::Clock::System();
    options.rng = &rng_;
    options.executor = &executor_;
    options.observer = &observer_;
    options.workers = 8;
    options.concurrency = {{"slow", kLimit}};
    engine_ = *Engine::Open(options);
  }
  void Begin(const std::string& id, const std::string& uses) {
    const nlohmann::json body = {{"steps", {{{"id", "a"}, {"uses", uses}}}}};
    NewRun run;
    run.id = id;
    run.subject = "subject-" + id;
    run.definition = ScriptedExecutor::Build(body);
    run.body = body.dump();
    ASSERT_TRUE(
        database_->Transact([&](store::Connection& c) { return engine_->Begin(c, run); }).ok());
    engine_->Committed();
  }
  bool Succeeded(const std::string& id) {
    const std::vector<RunState> states = observer_.States(id);
    return !states.empty() && states.back() == RunState::kSucceeded;
  }

  base::SeededRng rng_{7};
  ScriptedExecutor executor_;
  CountingObserver observer_;
  base::Mutex mutex_;
  base::CondVar gate_;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  int most_ ABSL_GUARDED_BY(mutex_) = 0;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(LaneEngineTest, AFullLaneHoldsNobodyElseUp) {
  constexpr int kRuns = 10;
  for (int i = 0; i < kRuns; ++i) Begin(absl::StrCat("slow", i), "slow/call");
  ASSERT_TRUE(engine_->Start().ok());
  ASSERT_TRUE(base::Eventually([&] {
    base::MutexLock lock(mutex_);
    return inside_ == kLimit;
  }));
  // More than there are workers left, behind all that wait.
  for (int i = 0; i < kRuns; ++i) Begin(absl::StrCat("quick", i), "quick/call");
  ASSERT_TRUE(base::Eventually([&] {
    for (int i = 0; i < kRuns; ++i) {
      if (!Succeeded(absl::StrCat("quick", i))) return false;
    }
    return true;
  }));
  {
    base::MutexLock lock(mutex_);
    EXPECT_EQ(inside_, kLimit);
    open_ = true;
    gate_.NotifyAll();
  }
  ASSERT_TRUE(base::Eventually([&] {
    for (int i = 0; i < kRuns; ++i) {
      if (!Succeeded(absl::StrCat("slow", i))) return false;
    }
    return true;
  }));
  engine_->Stop();
  base::MutexLock lock(mutex_);
  EXPECT_EQ(most_, kLimit);
  EXPECT_EQ(executor_.Calls().size(), 2 * kRuns) << "what finds its lane full is not called";
  // Nothing was begun in vain, so the trail has nothing of it either.
  EXPECT_TRUE(database_
                  ->Read([&](store::Connection& c) {
                    return ReadEvents(c, "", 0, 10'000, [&](const Event& event) {
                      EXPECT_NE(event.type, "step.given-back");
                      return absl::OkStatus();
                    });
                  })
                  .ok());
}

}  // namespace
}  // namespace purser::workflow
