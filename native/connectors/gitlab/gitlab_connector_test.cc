// Against a GitLab of our own, which answers as the real one's documentation says and fails in its
// ways.
#include "connectors/gitlab/gitlab_connector.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/status.h"
#include "connectors/fake_call_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "http/server.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

http::ServerResponse Answer(int status, const Json& body) {
  return {status, {{"Content-Type", "application/json"}}, json::Dump(body)};
}

// One project, platform/infra.
class FakeGitlab {
 public:
  FakeGitlab() {
    auto server = http::Server::Start(
        {}, [this](const http::ServerRequest& request) { return Handle(request); });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~FakeGitlab() { server_->Stop(); }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", server_->port(), "/api/v4"); }

  // The next request whose "METHOD path" begins so is answered by this; with status 0 it is done,
  // but the answer is cut off.
  void FailNext(const std::string& begin, http::ServerResponse response) {
    base::MutexLock lock(mutex_);
    rules_.push_back({begin, std::move(response), /*done=*/false});
  }
  // The next such request is done, and answered by this all the same.
  void DoNextAndSay(const std::string& begin, http::ServerResponse response) {
    base::MutexLock lock(mutex_);
    rules_.push_back({begin, std::move(response), /*done=*/true});
  }
  void SetState(size_t request, const char* state) {
    base::MutexLock lock(mutex_);
    requests_.at(request)["state"] = state;
  }
  void EndPipeline(size_t pipeline, const char* state) {
    base::MutexLock lock(mutex_);
    pipelines_.at(pipeline)["status"] = state;
  }
  std::map<std::string, std::string> Files(const std::string& branch) {
    base::MutexLock lock(mutex_);
    return branches_[branch];
  }
  std::vector<Json> requests() {
    base::MutexLock lock(mutex_);
    return requests_;
  }
  size_t pipelines() {
    base::MutexLock lock(mutex_);
    return pipelines_.size();
  }
  Json variables() {
    base::MutexLock lock(mutex_);
    return variables_;
  }
  int commits() {
    base::MutexLock lock(mutex_);
    return commits_;
  }

 private:
  struct Rule {
    std::string begin;
    http::ServerResponse response;
    bool done;
  };

  http::ServerResponse Handle(const http::ServerRequest& request) {
    base::MutexLock lock(mutex_);
    if (http::FindHeader(request.headers, "PRIVATE-TOKEN") != "t0ken") {
      return Answer(401, {{"message", "401 Unauthorized"}});
    }
    absl::string_view path = request.path;
    if (!absl::ConsumePrefix(&path, "/api/v4")) return Answer(404, {{"message", "404"}});
    const std::string line = absl::StrCat(request.method, " ", path);
    bool torn = false;
    std::optional<http::ServerResponse> said;
    const auto rule = std::find_if(rules_.begin(), rules_.end(), [&line](const auto& one) {
      return absl::StartsWith(line, one.begin);
    });
    if (rule != rules_.end()) {
      const Rule found = *rule;
      rules_.erase(rule);
      if (found.response.status != 0 && !found.done) return found.response;
      torn = found.response.status == 0;
      if (!torn) said = found.response;
    }
    const absl::StatusOr<Json> body = request.body.empty() ? Json() : json::Parse(request.body);
    http::ServerResponse response = Do(request, std::string(path), *body);
    if (torn) response.body.resize(response.body.size() / 2);
    return said.value_or(std::move(response));
  }

  http::ServerResponse Do(const http::ServerRequest& request, const std::string& path,
                          const Json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (path == "/namespaces/platform") return Answer(200, {{"id", 7}});
    if (path == "/projects")
      return Answer(400, {{"message", {{"name", {"has already been taken"}}}}});
    absl::string_view rest = path;
    if (!absl::ConsumePrefix(&rest, "/projects/platform%2Finfra")) {
      return Answer(404, {{"message", "404 Project Not Found"}});
    }
    if (rest.empty()) return Answer(200, {{"id", 1}, {"default_branch", "main"}});
    if (absl::ConsumePrefix(&rest, "/repository/branches/")) {
      const std::string branch(rest);
      if (!branches_.contains(branch)) return Answer(404, {{"message", "404 Branch Not Found"}});
      if (request.method == "DELETE") {
        branches_.erase(branch);
        return {204};
      }
      return Answer(200, {{"name", branch}});
    }
    if (absl::ConsumePrefix(&rest, "/repository/files/")) {
      std::string file = absl::StrReplaceAll(rest, {{"%2F", "/"}});
      const auto& files = branches_[request.query.substr(4)];
      const auto found = files.find(file);
      if (found == files.end()) return Answer(404, {{"message", "404 File Not Found"}});
      return Answer(200, {{"content", absl::Base64Escape(found->second)},
                          {"last_commit_id", absl::StrCat("c", commits_)}});
    }
    if (rest == "/repository/commits") return Commit(body);
    if (absl::ConsumePrefix(&rest, "/merge_requests")) return Requests(request, rest, body);
    if (absl::ConsumePrefix(&rest, "/variables")) {
      if (request.method == "POST") {
        variables_[body["key"].get<std::string>()] = body;
        return Answer(201, body);
      }
      const std::string key(rest.substr(1));
      if (!variables_.contains(key)) return Answer(404, {{"message", "404 Variable Not Found"}});
      variables_[key] = body;
      return Answer(200, body);
    }
    if (rest == "/pipeline") {
      pipelines_.push_back({{"id", pipelines_.size() + 1},
                            {"status", "running"},
                            {"web_url", "https://gitlab.example/p"},
                            {"variables", body["variables"]}});
      return Answer(201, pipelines_.back());
    }
    if (rest == "/pipelines") {
      Json list = Json::array();
      for (auto one = pipelines_.rbegin(); one != pipelines_.rend(); ++one) list.push_back(*one);
      return Answer(200, list);
    }
    if (absl::ConsumePrefix(&rest, "/pipelines/")) {
      const bool variables = absl::ConsumeSuffix(&rest, "/variables");
      const Json& one = pipelines_.at(static_cast<size_t>(std::stoi(std::string(rest)) - 1));
      return Answer(200, variables ? one["variables"] : one);
    }
    return Answer(404, {{"message", "404"}});
  }

  http::ServerResponse Commit(const Json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string branch = body["branch"];
    if (!branches_.contains(branch)) {
      branches_[branch] = branches_[body.value("start_branch", "main")];
    } else if (body.contains("start_branch")) {
      return Answer(400, {{"message", "A branch called 'x' already exists."}});
    }
    for (const Json& action : body["actions"]) {
      const std::string file = action["file_path"];
      const bool there = branches_[branch].contains(file);
      if (action["action"] == "create" && there) {
        return Answer(400, {{"message", "A file with this name already exists"}});
      }
      if (action["action"] != "create" && !there) {
        return Answer(400, {{"message", "A file with this name doesn't exist"}});
      }
      if (action["action"] == "delete") {
        branches_[branch].erase(file);
      } else {
        branches_[branch][file] = action["content"];
      }
    }
    ++commits_;
    return Answer(201, {{"id", absl::StrCat("c", commits_)}});
  }

  http::ServerResponse Requests(const http::ServerRequest& request, absl::string_view rest,
                                const Json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (rest.empty() && request.method == "GET") {
      Json list = Json::array();
      for (auto one = requests_.rbegin(); one != requests_.rend(); ++one) list.push_back(*one);
      return Answer(200, list);
    }
    if (rest.empty()) {
      for (const Json& one : requests_) {
        if (one["state"] == "opened" && one["source_branch"] == body["source_branch"]) {
          return Answer(409, {{"message", {"Another open merge request already exists"}}});
        }
      }
      Json made = body;
      made["iid"] = requests_.size() + 1;
      made["state"] = "opened";
      made["web_url"] = absl::StrCat("https://gitlab.example/mr/", requests_.size() + 1);
      made["source_project_id"] = 1;
      made["target_project_id"] = 1;
      requests_.push_back(made);
      return Answer(201, made);
    }
    Json& one = requests_.at(static_cast<size_t>(std::stoi(std::string(rest.substr(1))) - 1));
    if (request.method == "PUT") {
      one.merge_patch(body);
      if (body.value("state_event", "") == "close") one["state"] = "closed";
    }
    http::ServerResponse response = Answer(200, one);
    const std::string etag = absl::StrCat("W/\"", std::hash<std::string>()(response.body), "\"");
    if (http::FindHeader(request.headers, "If-None-Match") == etag) return {304};
    response.headers.emplace_back("ETag", etag);
    return response;
  }

  base::Mutex mutex_;
  std::map<std::string, std::map<std::string, std::string>> branches_ ABSL_GUARDED_BY(mutex_) = {
      {"main", {{"README.md", "hello\n"}}}};
  std::vector<Json> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<Json> pipelines_ ABSL_GUARDED_BY(mutex_);
  Json variables_ ABSL_GUARDED_BY(mutex_) = Json::object();
  std::deque<Rule> rules_ ABSL_GUARDED_BY(mutex_);
  int commits_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<http::Server> server_;  // last: its threads use the rest
};

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
  peer_.FailNext("GET " + project + "/merge_requests", Answer(200, Json::array()));
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
  peer_.FailNext(commits, Answer(400, {{"message", "The file has changed since you read it"}}));
  EXPECT_TRUE(absl::IsAborted(Call("merge-request", Proposal()).status()));
  peer_.FailNext(commits, Answer(400, {{"message", "branch name is invalid"}}));
  const auto invalid = Call("merge-request", Proposal());
  EXPECT_TRUE(absl::IsInvalidArgument(invalid.status())) << invalid.status();
  EXPECT_THAT(std::string(invalid.status().message()), HasSubstr("branch name is invalid"));
  // Said to be there, and not to be seen yet.
  peer_.FailNext(requests, Answer(409, {{"message", {"Another open merge request exists"}}}));
  EXPECT_TRUE(absl::IsAborted(Call("merge-request", Proposal()).status()));
  peer_.FailNext(requests, Answer(422, {{"message", "source branch is protected"}}));
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
