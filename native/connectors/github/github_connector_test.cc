#include "connectors/github/github_connector.h"

#include "base/status.h"
#include "connectors/github/github_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/retry.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using Fault = FakeGithub::Fault;

class GithubConnectorTest : public GithubFixture {
 protected:
  GithubConnectorTest() { peer_.RequireToken("t0ken"); }
  static Json Proposal() {
    return {{"repository", "org/infra"},
            {"branch", "request-1"},
            {"title", "Add workspace x"},
            {"body", "Please."},
            {"files", {{"k8s/x.yaml", "kind: X\n"}}},
            {"labels", {"purser"}},
            {"reviewers", {"ada"}}};
  }
  // As the engine does it: again, with the same effect key, after what may pass.
  absl::StatusOr<CallResult> CallUntilDone(const char* operation, const Json& input) {
    absl::StatusOr<CallResult> result = Call(operation, input);
    for (int i = 0; i < 5 && absl::IsUnavailable(result.status()); ++i) {
      result = Call(operation, input);
    }
    return result;
  }
};

TEST_F(GithubConnectorTest, ProposesFilesOnce) {
  const auto result = Call("pull-request", Proposal());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["number"], 1);
  EXPECT_EQ(result->outputs["created"], true);
  EXPECT_EQ(peer_.Files("request-1")["k8s/x.yaml"], "kind: X\n");
  EXPECT_EQ(peer_.Files("main").size(), 1);
  const auto again = Call("pull-request", Proposal());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->outputs["number"], 1);
  EXPECT_EQ(peer_.commits(), 1);
  ASSERT_EQ(peer_.pulls().size(), 1);
  EXPECT_EQ(peer_.pulls()[0]["labels"], Json({"purser"}));
  EXPECT_EQ(peer_.pulls()[0]["reviewers"], Json({"ada"}));
}

TEST_F(GithubConnectorTest, AChangeGoesToTheSameRequest) {
  ASSERT_TRUE(Call("pull-request", Proposal()).ok());
  context_.key = "run_2/step/1";
  Json change = Proposal();
  change["title"] = "Add workspace x, larger";
  change["files"] = {{"k8s/y.yaml", "kind: Y\n"}};
  change["delete"] = {"k8s/x.yaml", "not/there.yaml", "README.md"};
  const auto result = Call("pull-request", change);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["number"], 1);
  EXPECT_EQ(peer_.pulls()[0]["title"], "Add workspace x, larger");
  EXPECT_EQ(peer_.Files("request-1"),
            (std::map<std::string, std::string>{{"k8s/y.yaml", "kind: Y\n"}}));
}

TEST_F(GithubConnectorTest, WhateverBreaksThereIsOneRequestAndOneCommit) {
  for (const char* call : {"POST /repos/org/infra/git/trees", "POST /repos/org/infra/git/commits",
                           "POST /repos/org/infra/git/refs", "POST /repos/org/infra/pulls",
                           "POST /repos/org/infra/issues/1/labels", "GET /repos/org/infra/pulls"}) {
    for (const Fault fault : {Fault::kDoneThenError, Fault::kDoneThenTorn}) {
      FakeGithub peer;
      const ConnectorDependencies dependencies{*transport_, clock_, rng_, {}};
      auto connector = GithubConnector::FromConfig(
          "github",
          {{"api", peer.url()}, {"credential", {{"token", "env:T"}}}, {"repositories", {"org/*"}}},
          dependencies);
      ASSERT_TRUE(connector.ok()) << connector.status();
      peer.FailNext(call, fault);
      absl::StatusOr<CallResult> result = (*connector)->Call("pull-request", Proposal(), context_);
      EXPECT_TRUE(absl::IsUnavailable(result.status())) << call << ": " << result.status();
      result = (*connector)->Call("pull-request", Proposal(), context_);
      ASSERT_TRUE(result.ok()) << call << ": " << result.status();
      EXPECT_EQ(peer.pulls().size(), 1) << call;
      // A commit that no branch points to is nothing.
      EXPECT_EQ(peer.Files("request-1").size(), 2) << call;
    }
  }
}

TEST_F(GithubConnectorTest, WhatWasMergedIsTakenBackByAnotherRequest) {
  const auto proposed = Call("pull-request", Proposal());
  ASSERT_TRUE(proposed.ok()) << proposed.status();
  EXPECT_EQ(proposed->outputs["paths"], Json({"k8s/x.yaml"}));
  peer_.MergePull(1);
  ASSERT_TRUE(peer_.Files("main").contains("k8s/x.yaml"));
  context_.key = "run_2/proposal/1";
  for (const Fault fault : {Fault::kDoneThenError, Fault::kDoneThenTorn}) {
    peer_.FailNext("POST /repos/org/infra/pulls", fault);
    peer_.FailNext("POST /repos/org/infra/git/refs", fault);
  }
  auto removal = CallUntilDone("withdraw", proposed->outputs);
  ASSERT_TRUE(removal.ok()) << removal.status();
  EXPECT_FALSE(removal->ready);
  EXPECT_THAT(removal->progress, HasSubstr("waits for the merge"));
  ASSERT_EQ(peer_.pulls().size(), 2);
  EXPECT_EQ(peer_.pulls()[1]["title"], "Remove: Add workspace x");
  removal = connector_->Observe("withdraw", proposed->outputs, *removal, context_);
  ASSERT_TRUE(removal.ok()) << removal.status();
  EXPECT_FALSE(removal->ready);
  peer_.MergePull(2);
  removal = connector_->Observe("withdraw", proposed->outputs, *removal, context_);
  ASSERT_TRUE(removal.ok()) << removal.status();
  EXPECT_TRUE(removal->ready);
  EXPECT_EQ(peer_.Files("main").size(), 1);
  // Again, as after a crash: ours is found, and nothing is left to remove for anybody else.
  const auto again = Call("withdraw", proposed->outputs);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->ready);
  context_.key = "run_3/proposal/1";
  EXPECT_TRUE(Call("withdraw", proposed->outputs)->ready);
  EXPECT_EQ(peer_.pulls().size(), 2);
}

TEST_F(GithubConnectorTest, ARemovalThatPeopleRefuseFails) {
  const auto proposed = Call("pull-request", Proposal());
  peer_.MergePull(1);
  context_.key = "run_2/proposal/1";
  const auto removal = Call("withdraw", proposed->outputs);
  ASSERT_TRUE(removal.ok()) << removal.status();
  peer_.ClosePull(2);
  const auto refused = connector_->Observe("withdraw", proposed->outputs, *removal, context_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("closed without being merged"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Call("withdraw", proposed->outputs).status()));
  // One that is still open is closed, as before.
  context_.key = "run_4/proposal/1";
  Json other = Proposal();
  other["branch"] = "request-2";
  other["files"] = {{"k8s/z.yaml", "kind: Z\n"}};
  const auto open = Call("pull-request", other);
  ASSERT_TRUE(open.ok()) << open.status();
  const auto closed = Call("withdraw", open->outputs);
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_TRUE(closed->ready);
  EXPECT_EQ(peer_.pulls()[2]["state"], "closed");
}

TEST_F(GithubConnectorTest, DriftOfWhatWasMergedIsSeen) {
  using State = Comparison::State;
  Json input = Proposal();
  input["files"]["k8s/y.yaml"] = "kind: Y\n";
  input["delete"] = {"README.md"};
  const auto proposed = Call("pull-request", input);
  ASSERT_TRUE(proposed.ok()) << proposed.status();
  const auto compare = [&] {
    const auto found = connector_->Compare("pull-request", input, *proposed, context_);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or(Comparison{});
  };
  // People have not decided yet.
  EXPECT_EQ(compare().state, State::kSame);
  peer_.MergePull(1);
  EXPECT_EQ(compare().state, State::kSame) << compare().detail;
  peer_.Push("main", "k8s/x.yaml", "kind: Other\n");
  peer_.Push("main", "README.md", "back\n");
  EXPECT_EQ(compare().state, State::kDiffers);
  EXPECT_EQ(compare().detail, "what was merged to branch main differs at k8s/x.yaml, README.md");

  context_.key = "run_2/proposal/1";
  ASSERT_TRUE(Call("withdraw", proposed->outputs).ok());
  peer_.MergePull(2);
  input["delete"] = Json::array();
  EXPECT_EQ(compare().state, State::kGone);
  EXPECT_EQ(compare().detail, "what was merged to branch main is gone");

  input["branch"] = "request-3";
  const auto refused = Call("pull-request", input);
  ASSERT_TRUE(refused.ok()) << refused.status();
  peer_.ClosePull(3);
  const auto closed = connector_->Compare("pull-request", input, *refused, context_);
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_EQ(closed->state, State::kGone);
  EXPECT_THAT(closed->detail, HasSubstr("was closed without being merged"));
}

TEST_F(GithubConnectorTest, AListThatIsBehindMakesNoSecondRequest) {
  ASSERT_TRUE(Call("pull-request", Proposal()).ok());
  peer_.FailNext("GET /repos/org/infra/pulls", Fault::kStale);
  const auto result = Call("pull-request", Proposal());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["number"], 1);
  EXPECT_EQ(peer_.pulls().size(), 1);
}

TEST_F(GithubConnectorTest, ARepeatAfterTheMergeChangesNothing) {
  ASSERT_TRUE(Call("pull-request", Proposal()).ok());
  peer_.MergePull(1);
  const auto result = Call("pull-request", Proposal());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["state"], "merged");
  EXPECT_EQ(peer_.pulls().size(), 1);
}

TEST_F(GithubConnectorTest, NothingToPropose) {
  Json same = Proposal();
  same["files"] = {{"README.md", "hello\n"}};
  const auto result = Call("pull-request", same);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("nothing to propose"));
}

TEST_F(GithubConnectorTest, WaitsForPeople) {
  ASSERT_TRUE(Call("pull-request", Proposal()).ok());
  const Json wait = {{"repository", "org/infra"}, {"number", "1"}};
  auto result = Call("merged", wait);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  // Unchanged: the answer is a 304, and what is known stays.
  result = connector_->Observe("merged", wait, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  EXPECT_EQ(result->outputs["number"], 1);
  peer_.MergePull(1);
  result = connector_->Observe("merged", wait, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["state"], "merged");
  EXPECT_FALSE(result->outputs.contains("etag"));
}

TEST_F(GithubConnectorTest, AClosedRequestFailsTheWait) {
  ASSERT_TRUE(Call("pull-request", Proposal()).ok());
  peer_.ClosePull(1);
  const auto result = Call("merged", {{"repository", "org/infra"}, {"number", 1}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("was closed"));
}

TEST_F(GithubConnectorTest, PatienceEnds) {
  ASSERT_TRUE(Call("pull-request", Proposal()).ok());
  const Json wait = {{"repository", "org/infra"}, {"number", 1}, {"timeoutSeconds", 60}};
  const auto waiting = Call("merged", wait);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  clock_.Advance(absl::Seconds(61));
  EXPECT_EQ(connector_->Observe("merged", wait, *waiting, context_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(GithubConnectorTest, UndoClosesAndDeletesTheBranch) {
  const auto made = Call("pull-request", Proposal());
  ASSERT_TRUE(made.ok()) << made.status();
  // The compensation takes the outputs as they are.
  const auto undone = Call("close", made->outputs);
  ASSERT_TRUE(undone.ok()) << undone.status();
  EXPECT_EQ(peer_.pulls()[0]["state"], "closed");
  EXPECT_TRUE(peer_.Files("request-1").empty());
  EXPECT_TRUE(Call("close", made->outputs).ok());  // and again
}

TEST_F(GithubConnectorTest, AStrangerAsReviewerIsOnlyToldOf) {
  Json proposal = Proposal();
  proposal["reviewers"] = {"stranger"};
  const auto result = Call("pull-request", proposal);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(context_.lines(), ::testing::Contains(HasSubstr("collaborators")));
}

TEST_F(GithubConnectorTest, RateLimitsSayWhenToComeBack) {
  peer_.FailNext("GET /repos/org/infra/pulls", Fault::kAnswer,
                 {429, {{"Retry-After", "17"}}, R"({"message":"slow down"})"});
  auto limited = Call("pull-request", Proposal());
  EXPECT_EQ(limited.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(base::RetryAfterMillis(limited.status()), 17'000);
  peer_.FailNext("GET /repos/org/infra/pulls", Fault::kAnswer,
                 {403,
                  {{"X-RateLimit-Remaining", "0"},
                   {"X-RateLimit-Reset", absl::StrCat(absl::ToUnixSeconds(clock_.Now()) + 300)}},
                  R"({"message":"API rate limit exceeded"})"});
  limited = Call("pull-request", Proposal());
  EXPECT_EQ(limited.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(base::RetryAfterMillis(limited.status()), 300'000);
  peer_.FailNext("GET /repos/org/infra/pulls", Fault::kAnswer,
                 {403, {}, R"({"message":"Resource not accessible by integration"})"});
  EXPECT_EQ(Call("pull-request", Proposal()).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(CallUntilDone("pull-request", Proposal()).ok());
}

TEST_F(GithubConnectorTest, RefusalsAreNamed) {
  EXPECT_EQ(Call("pull-request", {{"repository", "other/infra"}, {"branch", "b"}, {"title", "t"}})
                .status()
                .code(),
            absl::StatusCode::kPermissionDenied);
  context_.secrets["env:T"] = "old-s3cret";
  const auto refused = Call("pull-request", Proposal());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("has expired"));
  EXPECT_THAT(std::string(refused.status().message()), ::testing::Not(HasSubstr("s3cret")));
}

TEST_F(GithubConnectorTest, AMovingBranchIsFollowed) {
  ASSERT_TRUE(Call("pull-request", Proposal()).ok());
  peer_.FailNext("PATCH /repos/org/infra/git/refs", Fault::kAnswer,
                 {422, {}, R"({"message":"Update is not a fast forward"})"});
  peer_.Push("request-1", "by-hand.txt", "x");
  Json change = Proposal();
  change["files"] = {{"k8s/x.yaml", "kind: Z\n"}};
  const auto result = Call("pull-request", change);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(peer_.Files("request-1")["by-hand.txt"], "x");
  EXPECT_EQ(peer_.Files("request-1")["k8s/x.yaml"], "kind: Z\n");
}

TEST(GithubConfigTest, Faults) {
  std::unique_ptr<http::Transport> transport =
      *http::NewBeastTransport({.policy = http::AddressPolicy()});
  base::FakeClock clock;
  base::SeededRng rng(1);
  const ConnectorDependencies dependencies{*transport, clock, rng, {}};
  const auto message = [&dependencies](absl::string_view config) {
    return std::string(GithubConnector::FromConfig("github", *json::Parse(config), dependencies)
                           .status()
                           .message());
  };
  EXPECT_THAT(message("{}"), HasSubstr("/credential is required"));
  EXPECT_THAT(message(R"({"api":"http://github.example","credential":{"token":"env:T"},
                          "repositories":["a/*"]})"),
              HasSubstr("must be https"));
}

}  // namespace
}  // namespace purser::connectors
