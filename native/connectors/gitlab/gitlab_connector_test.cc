// Against a GitLab of our own, which answers as the real one's documentation says and fails in its
// ways.
#include "connectors/gitlab/gitlab_connector.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "connectors/fake_call_context.h"
#include "connectors/gitlab/fake_gitlab.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class GitlabConnectorTest : public ::testing::Test {
 protected:
  GitlabConnectorTest() {
    context_.secrets["env:T"] = "t0ken";
    context_.secrets["env:S"] = "s3cret";
    const ConnectorDependencies dependencies{*transport_, clock_, rng_, {}};
    auto connector = GitlabConnector::FromConfig(
        "gitlab", {{"api", peer_.url()}, {"token", "env:T"}, {"projects", {"platform/*"}}},
        dependencies);
    EXPECT_TRUE(connector.ok()) << connector.status();
    connector_ = *std::move(connector);
  }
  static Json Proposal() {
    return {{"project", "platform/infra"},
            {"branch", "request-1"},
            {"title", "Add workspace x"},
            {"files", {{"k8s/x.yaml", "kind: X\n"}}},
            {"labels", {"purser", "new"}}};
  }
  absl::StatusOr<CallResult> Call(const char* operation, const Json& input) {
    return connector_->Call(operation, input, context_);
  }

  FakeGitlab peer_;
  std::unique_ptr<http::Transport> transport_ =
      *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
  base::FakeClock clock_;
  base::SeededRng rng_{1};
  FakeCallContext context_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(GitlabConnectorTest, ProposesOnceAndFollowsChanges) {
  auto result = Call("merge-request", Proposal());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["iid"], 1);
  EXPECT_EQ(peer_.Files("request-1")["k8s/x.yaml"], "kind: X\n");
  ASSERT_TRUE(Call("merge-request", Proposal()).ok());
  EXPECT_EQ(peer_.commits(), 1);
  EXPECT_EQ(peer_.requests().size(), 1);
  EXPECT_EQ(peer_.requests()[0]["labels"], "purser,new");
  context_.key = "run_2/step/1";
  Json change = Proposal();
  change["files"] = {{"k8s/y.yaml", "kind: Y\n"}, {"README.md", "bye\n"}};
  change["delete"] = {"k8s/x.yaml", "none.yaml"};
  result = Call("merge-request", change);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["iid"], 1);
  EXPECT_EQ(peer_.Files("request-1"), (std::map<std::string, std::string>{
                                          {"README.md", "bye\n"}, {"k8s/y.yaml", "kind: Y\n"}}));
}

TEST_F(GitlabConnectorTest, WhateverBreaksThereIsOneRequestAndOneCommit) {
  const std::string project = "/projects/platform%2Finfra";
  for (const std::string& call :
       {"POST " + project + "/repository/commits", "POST " + project + "/merge_requests",
        "GET " + project + "/merge_requests"}) {
    peer_.FailNext(call, {.status = 0});
    EXPECT_TRUE(absl::IsUnavailable(Call("merge-request", Proposal()).status())) << call;
  }
  peer_.FailNext("POST " + project + "/repository/commits", {502, {}, "<html>"});
  const auto result = Call("merge-request", Proposal());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(peer_.commits(), 1);
  EXPECT_EQ(peer_.requests().size(), 1);
  // A list that is behind: the server's refusal shows that it is there.
  peer_.FailNext("GET " + project + "/merge_requests", GitlabAnswer(200, Json::array()));
  const auto stale = Call("merge-request", Proposal());
  ASSERT_TRUE(stale.ok()) << stale.status();
  EXPECT_EQ(peer_.requests().size(), 1);
}

TEST_F(GitlabConnectorTest, WhatWasDoneAndSaidToHaveFailedIsNotDoneAgain) {
  const std::string project = "/projects/platform%2Finfra";
  for (const char* what : {"/repository/commits", "/merge_requests"}) {
    peer_.DoNextAndSay(absl::StrCat("POST ", project, what), {503, {}, "busy"});
    const absl::StatusOr<CallResult> result = Call("merge-request", Proposal());
    if (!result.ok()) {
      EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
    }
  }
  const auto result = Call("merge-request", Proposal());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(peer_.commits(), 1);
  EXPECT_EQ(peer_.requests().size(), 1);
}

TEST_F(GitlabConnectorTest, ConflictsAndLimitsOfWritesAreTriedAgainAndRefusalsAreNot) {
  const std::string commits = "POST /projects/platform%2Finfra/repository/commits";
  const std::string requests = "POST /projects/platform%2Finfra/merge_requests";
  peer_.FailNext(commits, {429, {{"Retry-After", "17"}}, ""});
  const auto limited = Call("merge-request", Proposal());
  EXPECT_TRUE(absl::IsUnavailable(limited.status())) << limited.status();
  EXPECT_EQ(base::RetryAfterMillis(limited.status()), 17'000);
  // The file changed between the read and the write.
  peer_.FailNext(commits,
                 GitlabAnswer(400, {{"message", "The file has changed since you read it"}}));
  EXPECT_TRUE(absl::IsAborted(Call("merge-request", Proposal()).status()));
  peer_.FailNext(commits, GitlabAnswer(400, {{"message", "branch name is invalid"}}));
  const auto invalid = Call("merge-request", Proposal());
  EXPECT_TRUE(absl::IsInvalidArgument(invalid.status())) << invalid.status();
  EXPECT_THAT(std::string(invalid.status().message()), HasSubstr("branch name is invalid"));
  // Said to be there, and not to be seen yet.
  peer_.FailNext(requests, GitlabAnswer(409, {{"message", {"Another open merge request exists"}}}));
  EXPECT_TRUE(absl::IsAborted(Call("merge-request", Proposal()).status()));
  peer_.FailNext(requests, GitlabAnswer(422, {{"message", "source branch is protected"}}));
  const auto refused = Call("merge-request", Proposal());
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("source branch is protected"));
  ASSERT_TRUE(Call("merge-request", Proposal()).ok());
  EXPECT_EQ(peer_.commits(), 1);
  EXPECT_EQ(peer_.requests().size(), 1);
}

TEST_F(GitlabConnectorTest, WaitsForPeople) {
  const auto made = Call("merge-request", Proposal());
  ASSERT_TRUE(made.ok()) << made.status();
  const Json wait = {{"project", "platform/infra"}, {"iid", "1"}};
  auto result = Call("merged", wait);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  result = connector_->Observe("merged", wait, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  peer_.SetState(0, "merged");
  result = connector_->Observe("merged", wait, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  peer_.SetState(0, "closed");
  EXPECT_EQ(Call("merged", wait).status().code(), absl::StatusCode::kFailedPrecondition);
  peer_.SetState(0, "opened");
  ASSERT_TRUE(Call("close", made->outputs).ok());
  EXPECT_EQ(peer_.requests()[0]["state"], "closed");
  EXPECT_TRUE(peer_.Files("request-1").empty());
}

TEST_F(GitlabConnectorTest, WhatIsOpenIsClosedWhenItIsWithdrawn) {
  const auto made = Call("merge-request", Proposal());
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["paths"], Json({"k8s/x.yaml"}));
  // Every part of it may break off, or be done and said to have failed.
  const std::string project = "/projects/platform%2Finfra";
  context_.key = "run_1/step/1/undo";
  for (const std::string& call :
       {"GET " + project + "/merge_requests/1", "PUT " + project + "/merge_requests/1",
        "DELETE " + project + "/repository/branches/request-1"}) {
    peer_.FailNext(call, {503, {}, "busy"});
    EXPECT_TRUE(absl::IsUnavailable(Call("withdraw", made->outputs).status())) << call;
  }
  peer_.DoNextAndSay("DELETE " + project + "/repository/branches/request-1", {502, {}, "<html>"});
  (void)Call("withdraw", made->outputs);
  const auto undone = Call("withdraw", made->outputs);
  ASSERT_TRUE(undone.ok()) << undone.status();
  EXPECT_TRUE(undone->ready);
  EXPECT_EQ(peer_.requests().size(), 1);
  EXPECT_EQ(peer_.requests()[0]["state"], "closed");
  EXPECT_TRUE(peer_.Files("request-1").empty());
}

TEST_F(GitlabConnectorTest, WhatWasMergedIsTakenBackByAnotherRequest) {
  const auto made = Call("merge-request", Proposal());
  ASSERT_TRUE(made.ok()) << made.status();
  peer_.Merge(0);
  ASSERT_TRUE(peer_.Files("main").contains("k8s/x.yaml"));
  context_.key = "run_2/step/1";
  const std::string project = "/projects/platform%2Finfra";
  for (const char* what : {"/repository/commits", "/merge_requests"}) {
    peer_.FailNext(absl::StrCat("POST ", project, what), {.status = 0});
    EXPECT_FALSE(Call("withdraw", made->outputs).ok()) << what;
  }
  auto removal = Call("withdraw", made->outputs);
  ASSERT_TRUE(removal.ok()) << removal.status();
  EXPECT_FALSE(removal->ready);
  EXPECT_TRUE(removal->resources.empty());
  ASSERT_EQ(peer_.requests().size(), 2);
  EXPECT_EQ(peer_.requests()[1]["title"], "Remove: Add workspace x");
  EXPECT_EQ(peer_.commits(), 2);
  removal = connector_->Observe("withdraw", made->outputs, *removal, context_);
  ASSERT_TRUE(removal.ok()) << removal.status();
  EXPECT_FALSE(removal->ready);
  peer_.Merge(1);
  removal = connector_->Observe("withdraw", made->outputs, *removal, context_);
  ASSERT_TRUE(removal.ok()) << removal.status();
  EXPECT_TRUE(removal->ready);
  EXPECT_FALSE(peer_.Files("main").contains("k8s/x.yaml"));
  // Again, as after a crash: ours is found, and nothing is left to remove for anybody else.
  EXPECT_TRUE(Call("withdraw", made->outputs)->ready);
  context_.key = "run_3/step/1";
  EXPECT_TRUE(Call("withdraw", made->outputs)->ready);
  EXPECT_EQ(peer_.requests().size(), 2);
}

TEST_F(GitlabConnectorTest, ARemovalThatPeopleRefuseFails) {
  const auto made = Call("merge-request", Proposal());
  ASSERT_TRUE(made.ok()) << made.status();
  peer_.Merge(0);
  context_.key = "run_2/step/1";
  const auto removal = Call("withdraw", made->outputs);
  ASSERT_TRUE(removal.ok()) << removal.status();
  peer_.SetState(1, "closed");
  const auto refused = connector_->Observe("withdraw", made->outputs, *removal, context_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("closed without being merged"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Call("withdraw", made->outputs).status()));
}

TEST_F(GitlabConnectorTest, DriftOfWhatWasMergedIsSeen) {
  using State = Comparison::State;
  const auto made = Call("merge-request", Proposal());
  ASSERT_TRUE(made.ok()) << made.status();
  const auto compare = [&] {
    const auto found = connector_->Compare("merge-request", Proposal(), *made, context_);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or(Comparison{});
  };
  // People have not decided yet.
  EXPECT_EQ(compare().state, State::kSame);
  peer_.Merge(0);
  EXPECT_EQ(compare().state, State::kSame);
  peer_.Push("main", "k8s/x.yaml", "kind: Other\n");
  EXPECT_EQ(compare().state, State::kDiffers);
  EXPECT_EQ(compare().detail, "what was merged to branch main differs at k8s/x.yaml");
  peer_.Push("main", "k8s/x.yaml", std::nullopt);
  EXPECT_EQ(compare().state, State::kGone);
  peer_.SetState(0, "closed");
  EXPECT_EQ(compare().state, State::kGone);
  EXPECT_THAT(compare().detail, HasSubstr("was closed without being merged"));
}

TEST_F(GitlabConnectorTest, ReviewersAreAskedByNameAndStrangersOnlyToldOf) {
  Json proposal = Proposal();
  proposal["reviewers"] = {"anna", "stranger"};
  ASSERT_TRUE(Call("merge-request", proposal).ok());
  EXPECT_EQ(peer_.requests()[0]["reviewer_ids"], Json({41}));
  EXPECT_THAT(context_.lines(), ::testing::Contains(HasSubstr("stranger")));
}

TEST_F(GitlabConnectorTest, APipelineIsFoundAgain) {
  const Json input = {{"project", "platform/infra"}, {"ref", "main"}};
  EXPECT_FALSE(connector_->Probe("pipeline", input, context_)->has_value());
  peer_.FailNext("POST /projects/platform%2Finfra/pipeline", {.status = 0});
  const auto lost = Call("pipeline", input);
  EXPECT_TRUE(absl::IsUnavailable(lost.status()));
  EXPECT_TRUE(base::IsOutcomeUnknown(lost.status()));
  const auto found = connector_->Probe("pipeline", input, context_);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->outputs["pipelineId"], 1);
  EXPECT_FALSE((*found)->ready);
  peer_.EndPipeline(0, "success");
  const auto done = connector_->Observe("pipeline", input, **found, context_);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_TRUE(done->ready);
  EXPECT_EQ(peer_.pipelines(), 1);
  peer_.EndPipeline(0, "failed");
  EXPECT_EQ(connector_->Observe("pipeline", input, **found, context_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(GitlabConnectorTest, ProjectsAndVariables) {
  const auto project = Call("project", {{"project", "platform/infra"}});
  ASSERT_TRUE(project.ok()) << project.status();
  EXPECT_EQ(project->outputs["created"], false);
  EXPECT_EQ(project->outputs["projectId"], 1);
  const Json input = {{"project", "platform/infra"},
                      {"variables", {{"REGION", "eu"}}},
                      {"secretVariables", {{"TOKEN", "env:S"}}}};
  for (int i = 0; i < 2; ++i) {
    const auto set = Call("variables", input);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_THAT(json::Dump(set->outputs), ::testing::Not(HasSubstr("s3cret")));
  }
  EXPECT_EQ(peer_.variables()["TOKEN"]["masked"], true);
  EXPECT_EQ(peer_.variables()["REGION"]["masked"], false);
}

TEST_F(GitlabConnectorTest, RefusalsAreNamed) {
  EXPECT_EQ(Call("pipeline", {{"project", "other/infra"}, {"ref", "main"}}).status().code(),
            absl::StatusCode::kPermissionDenied);
  peer_.FailNext("GET", {429, {{"Retry-After", "9"}}, ""});
  const auto limited = Call("merge-request", Proposal());
  EXPECT_EQ(base::RetryAfterMillis(limited.status()), 9'000);
  context_.secrets["env:T"] = "old-one";
  const auto refused = Call("merge-request", Proposal());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(refused.status().message()), ::testing::Not(HasSubstr("old-one")));
}

}  // namespace
}  // namespace purser::connectors
