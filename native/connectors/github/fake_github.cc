#include "connectors/github/fake_github.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "git/object.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kRepository[] = "/repos/org/infra";

}  // namespace

http::ServerResponse FakeGithub::Answer(int status, const Json& body) {
  return {status, {{"Content-Type", "application/json"}}, json::Dump(body)};
}

http::ServerResponse FakeGithub::Refusal(int status, const std::string& message) {
  return Answer(status, {{"message", message}});
}

FakeGithub::FakeGithub() {
  {
    base::MutexLock lock(mutex_);
    refs_["main"] = WriteCommit(WriteTree({{"README.md", "hello\n"}}), "");
    made_ = 0;
  }
  auto server = http::Server::Start(
      {}, [this](const http::ServerRequest& request) { return Handle(request); });
  if (server.ok()) server_ = *std::move(server);
}

FakeGithub::~FakeGithub() {
  if (server_ != nullptr) server_->Stop();
}

std::string FakeGithub::url() const {
  return absl::StrCat("http://127.0.0.1:", server_ == nullptr ? 0 : server_->port());
}

void FakeGithub::FailNext(absl::string_view begin, Fault fault, http::ServerResponse response) {
  base::MutexLock lock(mutex_);
  rules_.push_back({std::string(begin), fault, std::move(response)});
}

void FakeGithub::RequireToken(std::string token) {
  base::MutexLock lock(mutex_);
  token_ = std::move(token);
}

std::string FakeGithub::WriteTree(const Files_& files) {
  std::string text;
  for (const auto& [path, content] : files) absl::StrAppend(&text, path, "\n", content, "\n");
  const std::string sha = base::ToHex(base::Sha1(text));
  trees_[sha] = files;
  return sha;
}

std::string FakeGithub::WriteCommit(const std::string& tree, const std::string& parent) {
  const std::string sha = base::ToHex(base::Sha1(absl::StrCat(tree, " ", parent, " ", ++made_)));
  commits_[sha] = {tree, parent};
  return sha;
}

void FakeGithub::Push(const std::string& branch, const std::string& path, const std::string& text) {
  base::MutexLock lock(mutex_);
  const std::string head = refs_[branch];
  Files_ files = trees_[commits_[head].first];
  files[path] = text;
  refs_[branch] = WriteCommit(WriteTree(files), head);
}

std::string FakeGithub::MergeBase(std::string head, const std::string& base) const {
  std::set<std::string> of_base;
  for (std::string one = base; !one.empty(); one = commits_.at(one).second) of_base.insert(one);
  while (!of_base.contains(head) && !head.empty()) head = commits_.at(head).second;
  return head;
}

void FakeGithub::MergePull(int number) {
  base::MutexLock lock(mutex_);
  MergeInto(pulls_.at(static_cast<size_t>(number - 1)));
}

void FakeGithub::MergeInto(Json& pull) {
  const Files_ head = trees_[commits_[refs_[pull["head"]]].first];
  const Files_ before = trees_[commits_[MergeBase(refs_[pull["head"]], refs_[pull["base"]])].first];
  Files_ merged = trees_[commits_[refs_[pull["base"]]].first];
  for (const auto& [path, text] : before) {
    if (!head.contains(path)) merged.erase(path);
  }
  for (const auto& [path, text] : head) merged[path] = text;
  refs_[pull["base"]] = WriteCommit(WriteTree(merged), refs_[pull["base"]]);
  pull["state"] = "closed";
  pull["merged_at"] = "2026-01-01T00:00:00Z";
  pull["merge_commit_sha"] = refs_[pull["base"]];
}

void FakeGithub::ClosePull(int number) {
  base::MutexLock lock(mutex_);
  pulls_.at(static_cast<size_t>(number - 1))["state"] = "closed";
}

std::map<std::string, std::string> FakeGithub::Files(const std::string& branch) const {
  base::MutexLock lock(mutex_);
  const auto ref = refs_.find(branch);
  if (ref == refs_.end()) return {};
  return trees_.at(commits_.at(ref->second).first);
}

int FakeGithub::commits() const {
  base::MutexLock lock(mutex_);
  return made_;
}

std::vector<Json> FakeGithub::pulls() const {
  base::MutexLock lock(mutex_);
  return pulls_;
}

int FakeGithub::Requests(absl::string_view begin) const {
  base::MutexLock lock(mutex_);
  return static_cast<int>(
      std::count_if(seen_.begin(), seen_.end(),
                    [begin](const std::string& one) { return absl::StartsWith(one, begin); }));
}

Json FakeGithub::Shown(const Json& pull) const {
  Json shown = pull;
  const std::string branch = pull["head"].get<std::string>();
  const auto ref = refs_.find(branch);
  shown["head"] = {{"ref", branch},
                   {"sha", ref == refs_.end() ? "" : ref->second},
                   {"repo", {{"full_name", "org/infra"}}}};
  shown["base"] = {{"ref", pull["base"]}};
  return shown;
}

http::ServerResponse FakeGithub::Handle(const http::ServerRequest& request) {
  base::MutexLock lock(mutex_);
  const std::string line = absl::StrCat(request.method, " ", request.path);
  seen_.push_back(line);
  if (!token_.empty() &&
      http::FindHeader(request.headers, "Authorization") != absl::StrCat("Bearer ", token_)) {
    return Refusal(401, "Bad credentials");
  }
  const auto rule = std::find_if(rules_.begin(), rules_.end(), [&line](const Rule& one) {
    return absl::StartsWith(line, one.begin);
  });
  Rule found;
  const bool fails = rule != rules_.end();
  if (fails) {
    found = std::move(*rule);
    rules_.erase(rule);
    if (found.fault == Fault::kAnswer) return found.response;
    if (found.fault == Fault::kStale) return Answer(200, Json::array());
  }
  absl::StatusOr<Json> body = request.body.empty() ? Json() : json::Parse(request.body);
  if (!body.ok()) return Refusal(400, "Problems parsing JSON");
  absl::string_view path = request.path;
  http::ServerResponse response = absl::ConsumePrefix(&path, kRepository)
                                      ? Do(request, std::string(path), *body)
                                      : Repositories(request, *body);
  if (fails && found.fault == Fault::kDoneThenError) return {502, {}, "<html>Bad Gateway</html>"};
  if (fails) response.body.resize(response.body.size() / 2);
  return response;
}

http::ServerResponse FakeGithub::Do(const http::ServerRequest& request, const std::string& path,
                                    const Json& body) {
  if (path.empty()) return Answer(200, {{"default_branch", "main"}, {"id", 1}});
  if (absl::StartsWith(path, "/git/")) return Git(request, path.substr(4), body);
  if (absl::StartsWith(path, "/pulls")) return Pulls(request, path.substr(6), body);
  if (absl::StartsWith(path, "/actions/")) return Actions(request, path.substr(8), body);
  if (absl::StartsWith(path, "/issues/")) {
    size_t number = 0;
    (void)absl::SimpleAtoi(path.substr(8, path.find('/', 8) - 8), &number);
    pulls_.at(number - 1)["labels"] = body["labels"];
    return Answer(200, body["labels"]);
  }
  return Refusal(404, "Not Found");
}

http::ServerResponse FakeGithub::Git(const http::ServerRequest& request, const std::string& path,
                                     const Json& body) {
  absl::string_view rest = path;
  if (absl::ConsumePrefix(&rest, "/ref/heads/")) {
    const auto ref = refs_.find(std::string(rest));
    if (ref == refs_.end()) return Refusal(404, "Not Found");
    return Answer(200, {{"object", {{"sha", ref->second}}}});
  }
  if (absl::ConsumePrefix(&rest, "/commits/")) {
    return Answer(200, {{"tree", {{"sha", commits_.at(std::string(rest)).first}}}});
  }
  if (absl::ConsumePrefix(&rest, "/trees/")) {
    Json entries = Json::array();
    // By its own name, or by that of a branch.
    const auto ref = refs_.find(std::string(rest));
    const std::string tree =
        ref == refs_.end() ? std::string(rest) : commits_.at(ref->second).first;
    for (const auto& [file, text] : trees_.at(tree)) {
      entries.push_back({{"path", file},
                         {"type", "blob"},
                         {"sha", git::HashObject(git::ObjectType::kBlob, text).ToHex()}});
    }
    return Answer(200, {{"tree", entries}, {"truncated", false}});
  }
  if (rest == "/trees") {
    Files_ files = trees_.at(body["base_tree"]);
    for (const Json& entry : body["tree"]) {
      const std::string file = entry["path"];
      if (entry.contains("content")) {
        files[file] = entry["content"];
      } else if (files.erase(file) == 0) {
        return Refusal(422, "GitRPC::BadObjectState");
      }
    }
    return Answer(201, {{"sha", WriteTree(files)}});
  }
  if (rest == "/commits") {
    return Answer(201, {{"sha", WriteCommit(body["tree"], body["parents"][0])}});
  }
  if (rest == "/refs") {
    const std::string branch = body["ref"].get<std::string>().substr(strlen("refs/heads/"));
    if (refs_.contains(branch)) return Refusal(422, "Reference already exists");
    refs_[branch] = body["sha"];
    return Answer(201, {{"ref", body["ref"]}});
  }
  if (absl::ConsumePrefix(&rest, "/refs/heads/")) {
    const std::string branch(rest);
    if (request.method == "DELETE") {
      return refs_.erase(branch) > 0 ? http::ServerResponse{204}
                                     : Refusal(422, "Reference does not exist");
    }
    if (commits_.at(body["sha"]).second != refs_[branch]) {
      return Refusal(422, "Update is not a fast forward");
    }
    refs_[branch] = body["sha"];
    return Answer(200, {{"ref", branch}});
  }
  return Refusal(404, "Not Found");
}

http::ServerResponse FakeGithub::Pulls(const http::ServerRequest& request, const std::string& path,
                                       const Json& body) {
  if (path.empty() && request.method == "GET") {
    Json list = Json::array();
    const size_t head = request.query.find("head=org%3A");
    const std::string wanted =
        request.query.substr(head + 11, request.query.find('&', head) - head - 11);
    if (absl::StrContains(request.query, "&page=1")) {
      for (auto pull = pulls_.rbegin(); pull != pulls_.rend(); ++pull) {
        if ((*pull)["head"] == wanted) list.push_back(Shown(*pull));
      }
    }
    return Answer(200, list);
  }
  if (path.empty()) {
    for (const Json& pull : pulls_) {
      if (pull["state"] == "open" && pull["head"] == body["head"]) {
        return Answer(
            422,
            {{"message", "Validation Failed"},
             {"errors", Json::array({{{"message", "A pull request already exists for org:x."}}})}});
      }
    }
    Json pull = {
        {"number", pulls_.size() + 1},
        {"state", "open"},
        {"merged_at", nullptr},
        {"labels", Json::array()},
        {"html_url", absl::StrCat("https://github.example/org/infra/pull/", pulls_.size() + 1)}};
    for (const char* member : {"title", "body", "head", "base", "draft"}) {
      pull[member] = body[member];
    }
    pulls_.push_back(pull);
    return Answer(201, Shown(pull));
  }
  const size_t slash = path.find('/', 1);
  size_t number = 0;
  if (!absl::SimpleAtoi(path.substr(1, slash - 1), &number) || number > pulls_.size()) {
    return Refusal(404, "Not Found");
  }
  Json& pull = pulls_[number - 1];
  if (slash != std::string::npos && path.substr(slash) == "/requested_reviewers") {
    for (const Json& reviewer : body["reviewers"]) {
      if (reviewer == "stranger")
        return Refusal(422, "Reviews may only be requested from collaborators");
    }
    pull["reviewers"] = body["reviewers"];
    return Answer(201, Shown(pull));
  }
  if (slash != std::string::npos && path.substr(slash) == "/merge") return Merge(number, body);
  if (request.method == "PATCH") pull.merge_patch(body);
  const std::string etag = absl::StrCat("\"", base::Sha256Hex(json::Dump(pull)), "\"");
  if (http::FindHeader(request.headers, "If-None-Match") == etag) return {304};
  http::ServerResponse response = Answer(200, Shown(pull));
  response.headers.emplace_back("ETag", etag);
  return response;
}

}  // namespace purser::connectors
