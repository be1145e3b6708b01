// A GitHub for tests, over real connections: branches, trees, commits, pull requests, variables and
// workflows of one repository, others that are made, and the ways in which the real one fails.
#ifndef PURSER_CONNECTORS_GITHUB_FAKE_GITHUB_H_
#define PURSER_CONNECTORS_GITHUB_FAKE_GITHUB_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "http/server.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// Thread-safe. Holds org/infra with the branch main and one file, README.md.
class FakeGithub {
 public:
  FakeGithub();
  ~FakeGithub();
  std::string url() const;

  // What happens to the next request whose "METHOD /path" begins with this; several queue up.
  enum class Fault {
    kAnswer,         // `response` instead of doing it
    kDoneThenError,  // it is done, but the answer is 502
    kDoneThenTorn,   // it is done, but the answer is cut off
    kStale,          // a list shows nothing yet
  };
  void FailNext(absl::string_view begin, Fault fault, http::ServerResponse response = {});
  // Requests need this bearer token.
  void RequireToken(std::string token);

  // What people do.
  void Push(const std::string& branch, const std::string& path, const std::string& text);
  void MergePull(int number);
  void ClosePull(int number);

  void EndRun(size_t index, const std::string& conclusion);
  // As servers that do not tell which run a dispatch began.
  void KeepRunNumbers();

  std::map<std::string, std::string> Files(const std::string& branch) const;
  int commits() const;
  std::vector<nlohmann::json> pulls() const;
  std::vector<nlohmann::json> runs() const;
  nlohmann::json variables() const;               // by name
  std::vector<std::string> repositories() const;  // made here, "org/name"
  // Requests seen that begin with this.
  int Requests(absl::string_view begin) const;

 private:
  struct Rule {
    std::string begin;
    Fault fault;
    http::ServerResponse response;
  };
  using Files_ = std::map<std::string, std::string>;

  static http::ServerResponse Answer(int status, const nlohmann::json& body);
  static http::ServerResponse Refusal(int status, const std::string& message);
  http::ServerResponse Handle(const http::ServerRequest& request);
  http::ServerResponse Do(const http::ServerRequest& request, const std::string& path,
                          const nlohmann::json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  http::ServerResponse Git(const http::ServerRequest& request, const std::string& path,
                           const nlohmann::json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  http::ServerResponse Pulls(const http::ServerRequest& request, const std::string& path,
                             const nlohmann::json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  http::ServerResponse Actions(const http::ServerRequest& request, const std::string& path,
                               const nlohmann::json& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  http::ServerResponse Repositories(const http::ServerRequest& request, const nlohmann::json& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  http::ServerResponse Merge(size_t number, const nlohmann::json& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MergeInto(nlohmann::json& pull) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string WriteTree(const Files_& files) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string WriteCommit(const std::string& tree, const std::string& parent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The last commit that both have; the merges of this GitHub have one parent, that of the base.
  std::string MergeBase(std::string head, const std::string& base) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  nlohmann::json Shown(const nlohmann::json& pull) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable base::Mutex mutex_;
  std::map<std::string, Files_> trees_ ABSL_GUARDED_BY(mutex_);  // by sha
  std::map<std::string, std::pair<std::string, std::string>> commits_
      ABSL_GUARDED_BY(mutex_);                                       // sha → tree, parent
  std::map<std::string, std::string> refs_ ABSL_GUARDED_BY(mutex_);  // branch → commit
  std::vector<nlohmann::json> pulls_ ABSL_GUARDED_BY(mutex_);
  std::vector<nlohmann::json> runs_ ABSL_GUARDED_BY(mutex_);
  nlohmann::json variables_ ABSL_GUARDED_BY(mutex_) = nlohmann::json::object();
  std::map<std::string, nlohmann::json> made_repositories_ ABSL_GUARDED_BY(mutex_);
  bool tells_runs_ ABSL_GUARDED_BY(mutex_) = true;
  std::deque<Rule> rules_ ABSL_GUARDED_BY(mutex_);
  std::string token_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mutex_);
  int made_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<http::Server> server_;  // last: its threads use the rest
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_FAKE_GITHUB_H_
