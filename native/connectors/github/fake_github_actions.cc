// The parts of the fake GitHub beside files and proposals: merges, variables, workflows,
// repositories.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "connectors/github/fake_github.h"

namespace purser::connectors {

using Json = nlohmann::json;

void FakeGithub::EndRun(size_t index, const std::string& conclusion) {
  base::MutexLock lock(mutex_);
  runs_.at(index)["status"] = "completed";
  runs_.at(index)["conclusion"] = conclusion;
}

void FakeGithub::KeepRunNumbers() {
  base::MutexLock lock(mutex_);
  tells_runs_ = false;
}

std::vector<Json> FakeGithub::runs() const {
  base::MutexLock lock(mutex_);
  return runs_;
}

Json FakeGithub::variables() const {
  base::MutexLock lock(mutex_);
  return variables_;
}

std::vector<std::string> FakeGithub::repositories() const {
  base::MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, repository] : made_repositories_) names.push_back(name);
  return names;
}

http::ServerResponse FakeGithub::Merge(size_t number, const Json& body) {
  Json& pull = pulls_[number - 1];
  if (pull["state"] != "open" || pull["draft"] == true) {
    return Refusal(405, "Pull Request is not mergeable");
  }
  if (body.contains("sha") && body["sha"] != refs_[pull["head"]]) {
    return Refusal(409, "Head branch was modified. Review and try the merge again.");
  }
  MergeInto(pull);
  return Answer(200, {{"merged", true}, {"sha", pull["merge_commit_sha"]}});
}

http::ServerResponse FakeGithub::Repositories(const http::ServerRequest& request,
                                              const Json& body) {
  absl::string_view path = request.path;
  if (absl::ConsumePrefix(&path, "/orgs/") && absl::ConsumeSuffix(&path, "/repos")) {
    const std::string full = absl::StrCat(path, "/", body["name"].get<std::string>());
    if (absl::StrContains(full, "..")) return Refusal(422, "name is not valid");
    if (full == "org/infra" || made_repositories_.contains(full)) {
      return Refusal(422, "Repository creation failed.");
    }
    made_repositories_[full] = {
        {"id", made_repositories_.size() + 2},
        {"html_url", absl::StrCat("https://github.example/", full)},
        {"clone_url", absl::StrCat("https://github.example/", full, ".git")},
        {"default_branch", "main"},
        {"visibility", body["visibility"]}};
    return Answer(201, made_repositories_[full]);
  }
  if (!absl::ConsumePrefix(&path, "/repos/")) return Refusal(404, "Not Found");
  const auto found = made_repositories_.find(std::string(path));
  return found == made_repositories_.end() ? Refusal(404, "Not Found") : Answer(200, found->second);
}

http::ServerResponse FakeGithub::Actions(const http::ServerRequest& request,
                                         const std::string& path, const Json& body) {
  absl::string_view rest = path;
  if (rest == "/variables") {
    const std::string name = body["name"];
    if (variables_.contains(name)) return Refusal(409, "Already exists");
    variables_[name] = body["value"];
    return Answer(201, Json::object());
  }
  if (absl::ConsumePrefix(&rest, "/variables/")) {
    const std::string name(rest);
    if (!variables_.contains(name)) return Refusal(404, "Not Found");
    variables_[name] = body["value"];
    return {204};
  }
  if (absl::ConsumePrefix(&rest, "/runs/")) {
    size_t id = 0;
    if (!absl::SimpleAtoi(rest, &id) || id < 1 || id > runs_.size()) {
      return Refusal(404, "Not Found");
    }
    return Answer(200, runs_[id - 1]);
  }
  if (absl::EndsWith(rest, "/dispatches")) {
    if (!tells_runs_ && body.contains("return_run_details")) {
      return Refusal(422, "Invalid request. \"return_run_details\" is not a permitted key.");
    }
    if (body["ref"] != "main") return Refusal(422, "No ref found for: gone");
    const size_t id = runs_.size() + 1;
    runs_.push_back(
        {{"id", id},
         {"status", "queued"},
         {"conclusion", nullptr},
         {"html_url", absl::StrCat("https://github.example/org/infra/runs/", id)},
         {"display_title",
          absl::StrCat("deploy ", body["inputs"].value("key", std::string("by hand")))}});
    if (!tells_runs_) return {204};
    return Answer(200, {{"workflow_run_id", id}});
  }
  if (absl::EndsWith(rest, "/runs") && request.method == "GET") {
    return Answer(200, {{"total_count", runs_.size()}, {"workflow_runs", runs_}});
  }
  return Refusal(404, "Not Found");
}

}  // namespace purser::connectors
