#include <set>
#include <string>

#include "base/rng.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workflow/definition.h"
#include "workflow/events.h"
#include "workflow/journal.h"
#include "workflow/perform.h"
#include "workflow/records.h"
#include "workflow/retry.h"
#include "workflow/running.h"
#include "workflow/testing.h"

namespace purser::workflow {
namespace {

using store::Connection;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<StepDefinition> Graph(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& steps) {
  std::vector<StepDefinition> graph;
  for (const auto& [id, needs] : steps) {
    StepDefinition step;
    step.id = id;
    step.needs = needs;
    graph.push_back(step);
  }
  return graph;
}

TEST(FindCycle, ShowsTheWayRound) {
  EXPECT_THAT(FindCycle(Graph({{"a", {}}, {"b", {"a"}}, {"c", {"a", "b"}}})), IsEmpty());
  EXPECT_THAT(FindCycle(Graph({{"a", {"a"}}})), ElementsAre("a", "a"));
  EXPECT_THAT(FindCycle(Graph({{"x", {}}, {"a", {"x", "b"}}, {"b", {"c"}}, {"c", {"a"}}})),
              ElementsAre("a", "b", "c", "a"));
  EXPECT_THAT(FindCycle(Graph({{"a", {"unknown"}}})), IsEmpty());
}

TEST(FindCycle, LongChainsNeedNoStack) {
  std::vector<std::pair<std::string, std::vector<std::string>>> steps = {{"s0", {}}};
  for (int i = 1; i < 100'000; ++i) {
    steps.push_back({"s" + std::to_string(i), {"s" + std::to_string(i - 1)}});
  }
  steps[0].second = {"s99999"};
  EXPECT_EQ(FindCycle(Graph(steps)).size(), 100'001u);
}

TEST(RetryDelay, IsJitteredCappedAndObeysRetryAfter) {
  base::SeededRng rng(1);
  RetryPolicy policy;
  policy.initial = absl::Seconds(1);
  policy.cap = absl::Seconds(10);
  const absl::Status plain = absl::UnavailableError("x");
  std::set<absl::Duration> delays;
  for (int i = 0; i < 200; ++i) {
    EXPECT_LE(RetryDelay(policy, 1, plain, rng), absl::Seconds(1));
    const absl::Duration late = RetryDelay(policy, 60, plain, rng);
    EXPECT_GE(late, absl::ZeroDuration());
    EXPECT_LE(late, absl::Seconds(10));
    delays.insert(late);
  }
  EXPECT_GT(delays.size(), 150u);
  EXPECT_GT(*delays.rbegin(), absl::Seconds(8));
  absl::Status asked = absl::ResourceExhaustedError("slow down");
  base::SetRetryAfterMillis(asked, 42'000);
  EXPECT_EQ(RetryDelay(policy, 1, asked, rng), absl::Seconds(42));
}

TEST(IsRetryable, KnowsTheCodes) {
  for (const auto& status : {absl::UnavailableError(""), absl::DeadlineExceededError(""),
                             absl::AbortedError(""), absl::ResourceExhaustedError("")}) {
    EXPECT_TRUE(IsRetryable(status)) << status;
  }
  for (const auto& status : {absl::InvalidArgumentError(""), absl::PermissionDeniedError(""),
                             absl::InternalError(""), absl::CancelledError("")}) {
    EXPECT_FALSE(IsRetryable(status)) << status;
  }
}

// Whose inputs cannot be had at the moment.
class UnpreparedExecutor final : public ScriptedExecutor {
 public:
  absl::StatusOr<Prepared> Prepare(const RunView&, const StepDefinition&) override {
    return absl::UnavailableError("a secret's store is away");
  }
};

TEST(Perform, AnUnsafeCallThatMayHaveHappenedIsNotTriedAgainWhateverFails) {
  UnpreparedExecutor executor;
  executor.operations["once"].traits.call_class = CallClass::kUnsafe;
  auto task = std::make_shared<Task>();
  task->view.definition = ScriptedExecutor::Build({{"steps", {{{"id", "a"}, {"uses", "once"}}}}});
  task->step_id = "a";
  task->recovering = true;
  RunningCall call(task, absl::InfiniteFuture(), absl::InfiniteDuration());
  EXPECT_EQ(Perform(executor, *task, call).kind, Outcome::Kind::kUnknown);
  // Not called before, it may be tried again.
  task->recovering = false;
  EXPECT_EQ(Perform(executor, *task, call).kind, Outcome::Kind::kError);
}

TEST(CleanMessage, GivesTextTheStoreTakes) {
  EXPECT_EQ(CleanMessage("grüße\nzwei"), "grüße\nzwei");
  EXPECT_THAT(CleanMessage("a\xff"), HasSubstr("\\xFF"));
  EXPECT_EQ(CleanMessage(std::string("a\0b", 3)).find('\0'), std::string::npos);
  std::string umlauts;
  for (int i = 0; i < 5000; ++i) umlauts += "ü";
  const std::string cut = CleanMessage(umlauts);
  EXPECT_LE(cut.size(), kMaxMessageBytes);
  EXPECT_TRUE(cut.ends_with("ü…"));
}

class EventsTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = *store::OpenSqlite({":memory:"});
    ASSERT_TRUE(MigrateWorkflow(*database_).ok());
    ASSERT_TRUE(database_
                    ->Transact([](Connection& connection) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(
                          Journal journal,
                          Journal::Open(connection, absl::FromUnixSeconds(1), {}, 1));
                      for (int i = 0; i < 5; ++i) {
                        journal.BeginRow(1, "r", i);
                        journal.Append("", "type", "text", {{"i", i}});
                        if (i == 4) journal.Append("", "type", "text", {});
                        journal.EndRow();
                      }
                      return journal.Write();
                    })
                    .ok());
  }
  absl::Status After(const std::string& sql) {
    const absl::Status changed = database_->Transact(
        [&](Connection& connection) { return connection.Execute(sql, {}).status(); });
    if (!changed.ok()) return changed;
    return database_->Read([](Connection& connection) { return VerifyEvents(connection); });
  }
  std::unique_ptr<store::Database> database_;
};

TEST_F(EventsTest, AnUntouchedTrailHolds) {
  EXPECT_TRUE(After("UPDATE workflow_head SET at = at WHERE id = 1").ok());
}
TEST_F(EventsTest, AChangedEventIsFound) {
  EXPECT_EQ(std::string(After("UPDATE workflow_event SET events = replace(events, 'text', 'texT') "
                              "WHERE sequence = 3")
                            .message()),
            "event trail: event 3 of run r was changed");
  EXPECT_EQ(After("UPDATE workflow_event SET events = replace(events, 'texT', 'text') "
                  "WHERE sequence = 3")
                .code(),
            absl::StatusCode::kOk);
  EXPECT_EQ(
      std::string(After("UPDATE workflow_event SET at = at + 1 WHERE sequence = 6").message()),
      "event trail: events 5 to 6 of run r were changed");
}
TEST_F(EventsTest, ARemovedEventIsFound) {
  EXPECT_EQ(std::string(After("DELETE FROM workflow_event WHERE sequence = 2").message()),
            "event trail: event 2 is missing");
}
TEST_F(EventsTest, ARowTakenOutOfItsRunIsFound) {
  EXPECT_EQ(
      std::string(After("UPDATE workflow_event SET previous = 2 WHERE sequence = 4").message()),
      "event trail: event 4 of run r should follow event 3 of the run, and says 2");
}
TEST_F(EventsTest, ACutTailIsFound) {
  EXPECT_THAT(std::string(After("DELETE FROM workflow_event WHERE sequence = 6").message()),
              HasSubstr("its head says otherwise"));
}

}  // namespace
}  // namespace purser::workflow
