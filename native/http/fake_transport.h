// A transport for tests: answers from a script, remembers what was asked.
//
//   http::FakeTransport fake;
//   fake.Reply("GET", "https://peer/a", {.status = 200, .body = "{}"});
//   fake.Fail("POST", "https://peer/b", absl::UnavailableError("down"));
#ifndef PURSER_HTTP_FAKE_TRANSPORT_H_
#define PURSER_HTTP_FAKE_TRANSPORT_H_

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "http/transport.h"

namespace purser::http {

// Thread-safe.
class FakeTransport final : public Transport {
 public:
  using Handler = std::function<absl::StatusOr<Response>(const Request&, const CallOptions&)>;

  // Queues an answer for requests of that method and URL; the last one queued stays for all later
  // requests.
  void Reply(absl::string_view method, absl::string_view url, Response response) {
    Handle(method, url, [response](const Request&, const CallOptions&) { return response; });
  }
  void Fail(absl::string_view method, absl::string_view url, absl::Status status) {
    Handle(method, url, [status](const Request&, const CallOptions&) { return status; });
  }
  void Handle(absl::string_view method, absl::string_view url, Handler handler) {
    base::MutexLock lock(mutex_);
    script_[absl::StrCat(method, " ", url)].push_back(std::move(handler));
  }
  // For what no script holds; without one such a request fails with NOT_FOUND.
  void Otherwise(Handler handler) {
    base::MutexLock lock(mutex_);
    otherwise_ = std::move(handler);
  }

  std::vector<Request> requests() const {
    base::MutexLock lock(mutex_);
    return requests_;
  }

  absl::StatusOr<Response> Send(const Request& request, const CallOptions& options) override {
    Handler handler;
    {
      base::MutexLock lock(mutex_);
      requests_.push_back(request);
      const auto found = script_.find(absl::StrCat(request.method, " ", request.url));
      if (found != script_.end()) {
        handler = found->second.front();
        if (found->second.size() > 1) found->second.pop_front();
      } else {
        handler = otherwise_;
      }
    }
    if (options.stop.stop_requested()) return absl::CancelledError("stopped");
    if (handler) return handler(request, options);
    return absl::NotFoundError(
        absl::StrCat("the test has no answer for ", request.method, " ", request.url));
  }

 private:
  mutable base::Mutex mutex_;
  std::map<std::string, std::deque<Handler>> script_ ABSL_GUARDED_BY(mutex_);
  Handler otherwise_ ABSL_GUARDED_BY(mutex_);
  std::vector<Request> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::http

#endif  // PURSER_HTTP_FAKE_TRANSPORT_H_
