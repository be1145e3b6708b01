// A Kubernetes API server for tests: keeps objects, answers lists in pages and watches over real
// connections, and can be made to fail in the ways real ones do.
#ifndef PURSER_CONNECTORS_KUBERNETES_FAKE_API_SERVER_H_
#define PURSER_CONNECTORS_KUBERNETES_FAKE_API_SERVER_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "http/server.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// Thread-safe.
class FakeApiServer {
 public:
  FakeApiServer();
  ~FakeApiServer();

  // "http://127.0.0.1:<port>".
  std::string url() const;

  // Serves a kind; the core kinds that tests need are served from the start.
  void AddKind(absl::string_view api_version, absl::string_view kind, absl::string_view plural,
               bool namespaced);
  // The definition goes away; its objects with it.
  void RemoveKind(absl::string_view api_version, absl::string_view kind);

  // Creates or replaces; the server adds uid, resourceVersion, generation and managedFields.
  void Put(nlohmann::json object);
  // By apiVersion, kind, metadata.namespace and .name.
  void Delete(const nlohmann::json& object);
  size_t size() const;

  // --- Failures.
  // The next request whose path begins with `path` gets this; several queue up.
  void FailNext(absl::string_view path, http::ServerResponse response);
  // All requests get this until cleared by a status of 0.
  void FailAlways(int status);
  // Lists give this many objects a page at most.
  void SetPageSize(size_t objects);
  // The next continue tokens have expired.
  void ExpireContinue(int times);
  // Continue tokens lead back to the first page, for ever.
  void LoopContinue(bool loop);
  // Every list page names one more page, without objects.
  void EndlessPages(bool endless);
  // Changes so far can no longer be watched: 410, in the stream.
  void ForgetHistory();
  // Watches end at once, without a word: also those that were asked for and have not begun.
  void BreakWatches();
  // Sends a bookmark to all watches.
  void Bookmark();
  // Requests need this bearer token.
  void RequireToken(std::string token);

  // Requests seen whose target ("/path?query") begins with this.
  int Requests(absl::string_view begin) const;
  int open_watches() const;
  // Blocks until `done` holds of the server; false when it does not.
  bool WaitFor(const std::function<bool(const FakeApiServer&)>& done) const;

 private:
  struct Kind {
    std::string api_version;
    std::string kind;
    std::string plural;
    bool namespaced;
  };
  struct Event {
    int64_t version;
    const char* type;
    nlohmann::json object;
  };

  http::ServerResponse Handle(const http::ServerRequest& request);
  // `breaks`: of breaks_, when the request came.
  http::ServerResponse Answer(const http::ServerRequest& request, int64_t breaks);
  http::ServerResponse List(const Kind& kind, const std::string& namespace_name,
                            const std::map<std::string, std::string>& query)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  http::ServerResponse Watch(const Kind& kind, const std::string& namespace_name,
                             const std::map<std::string, std::string>& query, int64_t breaks);
  http::ServerResponse Discovery(const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable base::Mutex mutex_;
  mutable base::CondVar changed_;
  std::vector<Kind> kinds_ ABSL_GUARDED_BY(mutex_);
  // By "apiVersion/kind/namespace/name".
  std::map<std::string, nlohmann::json> objects_ ABSL_GUARDED_BY(mutex_);
  std::vector<Event> events_ ABSL_GUARDED_BY(mutex_);
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 100;
  int64_t forgotten_ ABSL_GUARDED_BY(mutex_) = 0;  // versions up to this cannot be watched
  int64_t breaks_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t bookmarks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::pair<std::string, http::ServerResponse>> failures_ ABSL_GUARDED_BY(mutex_);
  int always_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t page_size_ ABSL_GUARDED_BY(mutex_) = 1000;
  int expire_ ABSL_GUARDED_BY(mutex_) = 0;
  bool loop_ ABSL_GUARDED_BY(mutex_) = false;
  bool endless_ ABSL_GUARDED_BY(mutex_) = false;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
  int open_watches_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<http::Server> server_;  // last: its threads use the rest
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_FAKE_API_SERVER_H_
