// A GitLab for tests, over real connections: answers as the real one's documentation says, and can
// be made to fail in its ways.
#ifndef PURSER_CONNECTORS_GITLAB_FAKE_GITLAB_H_
#define PURSER_CONNECTORS_GITLAB_FAKE_GITLAB_H_

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/mutex.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "json/json.h"

namespace purser::connectors {

inline http::ServerResponse GitlabAnswer(int status, const nlohmann::json& body) {
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
  // As people do: the target then holds what the source branch does.
  void Merge(size_t request) {
    base::MutexLock lock(mutex_);
    nlohmann::json& one = requests_.at(request);
    one["state"] = "merged";
    one["merge_commit_sha"] = absl::StrCat("m", request);
    branches_[one["target_branch"].get<std::string>()] =
        branches_[one["source_branch"].get<std::string>()];
    if (one.value("remove_source_branch", false)) {
      branches_.erase(one["source_branch"].get<std::string>());
    }
  }
  // Somebody writes a file; without a text, deletes it.
  void Push(const std::string& branch, const std::string& path,
            const std::optional<std::string>& text) {
    base::MutexLock lock(mutex_);
    if (text.has_value()) {
      branches_[branch][path] = *text;
    } else {
      branches_[branch].erase(path);
    }
  }
  void EndPipeline(size_t pipeline, const char* state) {
    base::MutexLock lock(mutex_);
    pipelines_.at(pipeline)["status"] = state;
  }
  std::map<std::string, std::string> Files(const std::string& branch) {
    base::MutexLock lock(mutex_);
    return branches_[branch];
  }
  std::vector<nlohmann::json> requests() {
    base::MutexLock lock(mutex_);
    return requests_;
  }
  size_t pipelines() {
    base::MutexLock lock(mutex_);
    return pipelines_.size();
  }
  nlohmann::json variables() {
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
      return GitlabAnswer(401, {{"message", "401 Unauthorized"}});
    }
    absl::string_view path = request.path;
    if (!absl::ConsumePrefix(&path, "/api/v4")) return GitlabAnswer(404, {{"message", "404"}});
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
    const absl::StatusOr<nlohmann::json> body =
        request.body.empty() ? nlohmann::json() : json::Parse(request.body);
    http::ServerResponse response = Do(request, std::string(path), *body);
    if (torn) response.body.resize(response.body.size() / 2);
    return said.value_or(std::move(response));
  }

  http::ServerResponse Do(const http::ServerRequest& request, const std::string& path,
                          const nlohmann::json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (path == "/users") {
      return GitlabAnswer(200, request.query == "username=anna"
                                   ? nlohmann::json::array({{{"id", 41}, {"username", "anna"}}})
                                   : nlohmann::json::array());
    }
    if (path == "/namespaces/platform") return GitlabAnswer(200, {{"id", 7}});
    if (path == "/projects")
      return GitlabAnswer(400, {{"message", {{"name", {"has already been taken"}}}}});
    absl::string_view rest = path;
    if (!absl::ConsumePrefix(&rest, "/projects/platform%2Finfra")) {
      return GitlabAnswer(404, {{"message", "404 Project Not Found"}});
    }
    if (rest.empty()) return GitlabAnswer(200, {{"id", 1}, {"default_branch", "main"}});
    if (absl::ConsumePrefix(&rest, "/repository/branches/")) {
      const std::string branch(rest);
      if (!branches_.contains(branch))
        return GitlabAnswer(404, {{"message", "404 Branch Not Found"}});
      if (request.method == "DELETE") {
        branches_.erase(branch);
        return {204};
      }
      return GitlabAnswer(200, {{"name", branch}});
    }
    if (absl::ConsumePrefix(&rest, "/repository/files/")) {
      std::string file = absl::StrReplaceAll(rest, {{"%2F", "/"}});
      const auto& files = branches_[request.query.substr(4)];
      const auto found = files.find(file);
      if (found == files.end()) return GitlabAnswer(404, {{"message", "404 File Not Found"}});
      return GitlabAnswer(200, {{"content", absl::Base64Escape(found->second)},
                                {"last_commit_id", absl::StrCat("c", commits_)}});
    }
    if (rest == "/repository/commits") return Commit(body);
    if (absl::ConsumePrefix(&rest, "/merge_requests")) return Requests(request, rest, body);
    if (absl::ConsumePrefix(&rest, "/variables")) {
      if (request.method == "POST") {
        variables_[body["key"].get<std::string>()] = body;
        return GitlabAnswer(201, body);
      }
      const std::string key(rest.substr(1));
      if (!variables_.contains(key))
        return GitlabAnswer(404, {{"message", "404 Variable Not Found"}});
      variables_[key] = body;
      return GitlabAnswer(200, body);
    }
    if (rest == "/pipeline") {
      pipelines_.push_back({{"id", pipelines_.size() + 1},
                            {"status", "running"},
                            {"web_url", "https://gitlab.example/p"},
                            {"variables", body["variables"]}});
      return GitlabAnswer(201, pipelines_.back());
    }
    if (rest == "/pipelines") {
      nlohmann::json list = nlohmann::json::array();
      for (auto one = pipelines_.rbegin(); one != pipelines_.rend(); ++one) list.push_back(*one);
      return GitlabAnswer(200, list);
    }
    if (absl::ConsumePrefix(&rest, "/pipelines/")) {
      const bool variables = absl::ConsumeSuffix(&rest, "/variables");
      const nlohmann::json& one =
          pipelines_.at(static_cast<size_t>(std::stoi(std::string(rest)) - 1));
      return GitlabAnswer(200, variables ? one["variables"] : one);
    }
    return GitlabAnswer(404, {{"message", "404"}});
  }

  http::ServerResponse Commit(const nlohmann::json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string branch = body["branch"];
    if (!branches_.contains(branch)) {
      branches_[branch] = branches_[body.value("start_branch", "main")];
    } else if (body.contains("start_branch")) {
      return GitlabAnswer(400, {{"message", "A branch called 'x' already exists."}});
    }
    for (const nlohmann::json& action : body["actions"]) {
      const std::string file = action["file_path"];
      const bool there = branches_[branch].contains(file);
      if (action["action"] == "create" && there) {
        return GitlabAnswer(400, {{"message", "A file with this name already exists"}});
      }
      if (action["action"] != "create" && !there) {
        return GitlabAnswer(400, {{"message", "A file with this name doesn't exist"}});
      }
      if (action["action"] == "delete") {
        branches_[branch].erase(file);
      } else {
        branches_[branch][file] = action["content"];
      }
    }
    ++commits_;
    return GitlabAnswer(201, {{"id", absl::StrCat("c", commits_)}});
  }

  http::ServerResponse Requests(const http::ServerRequest& request, absl::string_view rest,
                                const nlohmann::json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (rest.empty() && request.method == "GET") {
      nlohmann::json list = nlohmann::json::array();
      for (auto one = requests_.rbegin(); one != requests_.rend(); ++one) {
        const std::string source =
            absl::StrCat("source_branch=", (*one)["source_branch"].get<std::string>());
        const std::vector<std::string> asked = absl::StrSplit(request.query, '&');
        if (std::find(asked.begin(), asked.end(), source) != asked.end()) list.push_back(*one);
      }
      return GitlabAnswer(200, list);
    }
    if (rest.empty()) {
      for (const nlohmann::json& one : requests_) {
        if (one["state"] == "opened" && one["source_branch"] == body["source_branch"]) {
          return GitlabAnswer(409, {{"message", {"Another open merge request already exists"}}});
        }
      }
      nlohmann::json made = body;
      made["iid"] = requests_.size() + 1;
      made["state"] = "opened";
      made["web_url"] = absl::StrCat("https://gitlab.example/mr/", requests_.size() + 1);
      made["source_project_id"] = 1;
      made["target_project_id"] = 1;
      requests_.push_back(made);
      return GitlabAnswer(201, made);
    }
    nlohmann::json& one =
        requests_.at(static_cast<size_t>(std::stoi(std::string(rest.substr(1))) - 1));
    if (request.method == "PUT") {
      one.merge_patch(body);
      if (body.value("state_event", "") == "close") one["state"] = "closed";
    }
    http::ServerResponse response = GitlabAnswer(200, one);
    const std::string etag = absl::StrCat("W/\"", std::hash<std::string>()(response.body), "\"");
    if (http::FindHeader(request.headers, "If-None-Match") == etag) return {304};
    response.headers.emplace_back("ETag", etag);
    return response;
  }

  base::Mutex mutex_;
  std::map<std::string, std::map<std::string, std::string>> branches_ ABSL_GUARDED_BY(mutex_) = {
      {"main", {{"README.md", "hello\n"}}}};
  std::vector<nlohmann::json> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<nlohmann::json> pipelines_ ABSL_GUARDED_BY(mutex_);
  nlohmann::json variables_ ABSL_GUARDED_BY(mutex_) = nlohmann::json::object();
  std::deque<Rule> rules_ ABSL_GUARDED_BY(mutex_);
  int commits_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<http::Server> server_;  // last: its threads use the rest
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITLAB_FAKE_GITLAB_H_
