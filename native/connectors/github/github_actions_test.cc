// Merges, repositories, variables and workflows against a GitHub of our own, and how they fail.
#include "base/status.h"
#include "connectors/github/github_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Fault = FakeGithub::Fault;

class GithubActionsTest : public GithubFixture {
 protected:
  absl::StatusOr<CallResult> Observe(const Json& input, const CallResult& previous) {
    return connector_->Observe("workflow", input, previous, context_);
  }
  int Propose() {
    const auto proposed = Call("pull-request", {{"repository", "org/infra"},
                                                {"branch", "b"},
                                                {"title", "T"},
                                                {"files", {{"a.txt", "a"}}}});
    EXPECT_TRUE(proposed.ok()) << proposed.status();
    return 1;
  }

  const Json run_ = {{"repository", "org/infra"},
                     {"workflow", "deploy.yaml"},
                     {"ref", "main"},
                     {"keyInput", "key"}};
};

TEST_F(GithubActionsTest, MergesOnceWhateverBreaks) {
  Propose();
  Json input = {{"repository", "org/infra"}, {"number", 1}};
  input["sha"] = "0000000000000000000000000000000000000000";
  const auto moved = Call("merge", input);
  EXPECT_TRUE(absl::IsFailedPrecondition(moved.status())) << moved.status();
  EXPECT_THAT(std::string(moved.status().message()), HasSubstr("Head branch was modified"));
  input.erase("sha");
  peer_.FailNext("PUT /repos/org/infra/pulls/1/merge", Fault::kDoneThenTorn);
  EXPECT_TRUE(absl::IsUnavailable(Call("merge", input).status()));
  const auto merged = Call("merge", input);
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->outputs["state"], "merged");
  EXPECT_EQ(peer_.Requests("PUT /repos/org/infra/pulls/1/merge"), 2);
  EXPECT_EQ(peer_.Files("main")["a.txt"], "a");
}

TEST_F(GithubActionsTest, WhatCannotBeMergedSaysWhy) {
  Propose();
  peer_.ClosePull(1);
  const auto refused = Call("merge", {{"repository", "org/infra"}, {"number", "1"}});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("not mergeable"));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Call("merge", {{"repository", "org/infra"}, {"number", "one"}}).status()));
}

TEST_F(GithubActionsTest, ARepositoryIsMadeOnce) {
  const Json input = {{"repository", "org/shop"}, {"visibility", "internal"}};
  for (const Fault fault : {Fault::kDoneThenTorn, Fault::kDoneThenError}) {
    peer_.FailNext("POST /orgs/org/repos", fault);
    EXPECT_TRUE(absl::IsUnavailable(Call("repository", input).status()));
  }
  const auto made = Call("repository", input);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["created"], false);
  EXPECT_EQ(made->outputs["cloneUrl"], "https://github.example/org/shop.git");
  EXPECT_THAT(peer_.repositories(), ElementsAre("org/shop"));
  const auto other = Call("repository", {{"repository", "org/blog"}});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->outputs["created"], true);
  ASSERT_EQ(other->resources.size(), 1);
  EXPECT_EQ(other->resources[0].type, "repository");
}

TEST_F(GithubActionsTest, ARepositoryThatCannotBeSaysWhy) {
  const auto refused = Call("repository", {{"repository", "org/a..b"}});
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("name is not valid"));
}

TEST_F(GithubActionsTest, VariablesAreSetWhateverIsThere) {
  const Json first = {{"repository", "org/infra"},
                      {"variables", {{"REGION", "eu"}, {"SIZE", "1"}}}};
  Json second = first;
  second["variables"]["SIZE"] = "2";
  peer_.FailNext("POST /repos/org/infra/actions/variables", Fault::kDoneThenTorn);
  EXPECT_TRUE(absl::IsUnavailable(Call("variables", first).status()));
  ASSERT_TRUE(Call("variables", first).ok());
  ASSERT_TRUE(Call("variables", second).ok());
  EXPECT_EQ(peer_.variables(), Json({{"REGION", "eu"}, {"SIZE", "2"}}));
  // A replica that is behind says that there is none yet, and another that there is.
  Json third = first;
  third["variables"] = {{"SIZE", "3"}};
  peer_.FailNext("PATCH /repos/org/infra/actions/variables/SIZE", Fault::kAnswer,
                 {404, {}, R"({"message":"Not Found"})"});
  const auto set = Call("variables", third);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(peer_.variables()["SIZE"], "3");
}

TEST_F(GithubActionsTest, AWorkflowIsBegunAndItsEndWaitedFor) {
  auto run = Call("workflow", run_);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE(run->ready);
  EXPECT_EQ(run->outputs["runId"], 1);
  run = Observe(run_, *run);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE(run->ready);
  EXPECT_THAT(run->progress, HasSubstr("is queued"));
  peer_.EndRun(0, "success");
  run = Observe(run_, *run);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_TRUE(run->ready);
  EXPECT_EQ(run->outputs["conclusion"], "success");
}

TEST_F(GithubActionsTest, ARunThatFailsFailsTheStep) {
  const auto run = Call("workflow", run_);
  peer_.EndRun(0, "failure");
  const auto ended = Observe(run_, *run);
  EXPECT_TRUE(absl::IsFailedPrecondition(ended.status())) << ended.status();
  EXPECT_THAT(std::string(ended.status().message()), HasSubstr("runs/1 ended with failure"));
}

TEST_F(GithubActionsTest, ARunWhoseAnswerWasLostIsFoundByItsKey) {
  EXPECT_FALSE(connector_->Probe("workflow", run_, context_)->has_value());
  peer_.FailNext("POST /repos/org/infra/actions/workflows", Fault::kDoneThenTorn);
  const auto lost = Call("workflow", run_);
  EXPECT_TRUE(base::IsOutcomeUnknown(lost.status())) << lost.status();
  const auto found = connector_->Probe("workflow", run_, context_);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->outputs["runId"], 1);
  EXPECT_EQ(peer_.runs().size(), 1);
  // Without a key in its name nobody can tell.
  Json nameless = run_;
  nameless.erase("keyInput");
  EXPECT_TRUE(
      absl::IsFailedPrecondition(connector_->Probe("workflow", nameless, context_).status()));
}

TEST_F(GithubActionsTest, OlderServersAreAskedWithoutTheRunsNumber) {
  peer_.KeepRunNumbers();
  auto run = Call("workflow", run_);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE(run->outputs.contains("runId"));
  peer_.FailNext("GET /repos/org/infra/actions/workflows", Fault::kAnswer,
                 {200, {}, R"({"total_count":0,"workflow_runs":[]})"});
  run = Observe(run_, *run);  // a list that is behind
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE(run->ready);
  peer_.EndRun(0, "success");
  run = Observe(run_, *run);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_TRUE(run->ready);
  EXPECT_EQ(run->outputs["runId"], 1);
  // Patience ends with a run that never shows up.
  context_.key = "run_9/step/1";
  Json lonely = run_;
  lonely.erase("keyInput");
  const auto untold = Call("workflow", lonely);
  ASSERT_TRUE(untold.ok()) << untold.status();
  EXPECT_TRUE(untold->ready);
  EXPECT_THAT(context_.lines(), ::testing::Contains(HasSubstr("not waited for")));
}

TEST_F(GithubActionsTest, ARunThatNeverShowsUpEndsTheWait) {
  peer_.KeepRunNumbers();
  Json input = run_;
  input["timeoutSeconds"] = 60;
  const auto run = Call("workflow", input);
  context_.key = "run_9/step/1";  // as if its name did not have it
  clock_.Advance(absl::Seconds(61));
  const auto late = Observe(input, *run);
  EXPECT_TRUE(absl::IsFailedPrecondition(late.status())) << late.status();
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("not shown up"));
}

TEST_F(GithubActionsTest, LimitsAndRefusalsOfDispatches) {
  peer_.FailNext("POST /repos/org/infra/actions/workflows", Fault::kAnswer,
                 {429, {{"Retry-After", "7"}}, R"({"message":"slow down"})"});
  const auto limited = Call("workflow", run_);
  EXPECT_TRUE(absl::IsUnavailable(limited.status()));
  EXPECT_EQ(base::RetryAfterMillis(limited.status()), 7'000);
  EXPECT_FALSE(base::IsOutcomeUnknown(limited.status()));
  Json gone = run_;
  gone["ref"] = "gone";
  const auto refused = Call("workflow", gone);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("No ref found"));
  EXPECT_TRUE(peer_.runs().empty());
}

}  // namespace
}  // namespace purser::connectors
