// http::Transport for native code in the portal: the exchange itself is the portal's own fetch, so
// that its proxy and certificate settings hold and no second TLS stack lives in the process.
#ifndef PURSER_ADDON_FETCH_TRANSPORT_H_
#define PURSER_ADDON_FETCH_TRANSPORT_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "http/transport.h"

namespace purser::addon {

inline constexpr size_t kMaxFetchRequestBytes = 256 << 20;

// One exchange, shared by the waiting native thread and the JavaScript thread. Thread-safe.
class FetchExchange {
 public:
  FetchExchange(http::Request a_request, absl::Duration a_timeout, int64_t a_max_response_bytes)
      : request(std::move(a_request)),
        timeout(a_timeout),
        max_response_bytes(a_max_response_bytes) {}

  const http::Request request;
  const absl::Duration timeout;
  const int64_t max_response_bytes;

  // The first answer counts.
  void Complete(absl::StatusOr<http::Response> answer);
  // The answer, or CANCELLED (stop), or DEADLINE_EXCEEDED with outcome unknown.
  absl::StatusOr<http::Response> Wait(std::stop_token stop);

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::optional<absl::StatusOr<http::Response>> answer_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe as far as its two functions are.
class FetchTransport final : public http::Transport {
 public:
  struct Hooks {
    // Begins the exchange; Complete is called later, from any thread. A status ends it at once.
    std::function<absl::Status(const std::shared_ptr<FetchExchange>&)> start;
    // Nobody waits for it any more: the portal should drop the connection.
    std::function<void(const std::shared_ptr<FetchExchange>&)> abort;
  };
  // Every exchange ends when `stop` is requested, besides its own options.
  FetchTransport(Hooks hooks, std::stop_token stop)
      : hooks_(std::move(hooks)), stop_(std::move(stop)) {}

  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions& options) override;

 private:
  const Hooks hooks_;
  const std::stop_token stop_;
};

// {"method","url","headers":[[name,value]],"timeoutMs","maxResponseBytes"}: what the portal gets
// beside the body.
std::string FetchRequestJson(const FetchExchange& exchange);

// The status of a fetch that failed in the portal: `code` is the error's or its cause's code as
// Node names it ("ECONNREFUSED"), empty when there is none. Failures that come before anything was
// sent are plain UNAVAILABLE, others have an unknown outcome. The text names the host only.
absl::Status FetchFailure(const http::Request& request, absl::string_view name,
                          absl::string_view code, absl::string_view message);

}  // namespace purser::addon

#endif  // PURSER_ADDON_FETCH_TRANSPORT_H_
