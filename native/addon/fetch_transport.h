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
  FetchExchange(http::Request a_request, bool a_uploads, absl::Duration a_timeout,
                int64_t a_max_response_bytes)
      : request(std::move(a_request)),
        uploads(a_uploads),
        timeout(a_timeout),
        max_response_bytes(a_max_response_bytes) {}

  const http::Request request;
  // The body comes in pieces (WantPiece) instead of standing in the request.
  const bool uploads;
  const absl::Duration timeout;
  const int64_t max_response_bytes;

  // The portal is ready for the next piece of the body.
  void WantPiece();
  // The first answer counts.
  void Complete(absl::StatusOr<http::Response> answer);
  // Gives one piece of the body to the portal, "" at its end.
  using GivePiece = std::function<absl::Status(std::string piece)>;
  // The answer, or CANCELLED (stop), or DEADLINE_EXCEEDED with outcome unknown. Reads `body` as the
  // portal asks for it; its error ends the wait. `body` is null when nothing is uploaded.
  absl::StatusOr<http::Response> Wait(std::stop_token stop, http::BodySource* body,
                                      const GivePiece& give);

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::StatusOr<http::Response>> answer_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe as far as its two functions are.
class FetchTransport final : public http::Transport {
 public:
  struct Hooks {
    // Begins the exchange; Complete is called later, from any thread. A status ends it at once.
    std::function<absl::Status(const std::shared_ptr<FetchExchange>&)> start;
    // Gives the portal the piece it asked for by WantPiece, "" at the end.
    std::function<absl::Status(const std::shared_ptr<FetchExchange>&, std::string piece)> give;
    // Nobody waits for it any more: the portal should drop the connection.
    std::function<void(const std::shared_ptr<FetchExchange>&)> abort;
  };
  // Every exchange ends when `stop` is requested, besides its own options.
  FetchTransport(Hooks hooks, std::stop_token stop)
      : hooks_(std::move(hooks)), stop_(std::move(stop)) {}

  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions& options) override;
  absl::StatusOr<http::Response> Upload(const http::Request& request, http::BodySource& body,
                                        const http::CallOptions& options) override;

 private:
  absl::StatusOr<http::Response> Run(const http::Request& request, http::BodySource* body,
                                     const http::CallOptions& options);

  const Hooks hooks_;
  const std::stop_token stop_;
};

// {"method","url","headers":[[name,value]],"timeoutMs","maxResponseBytes"}: what the portal gets
// beside the body or the function that gives its pieces.
std::string FetchRequestJson(const FetchExchange& exchange);

// The status of a fetch that failed in the portal: `code` is the error's or its cause's code as
// Node names it ("ECONNREFUSED"), empty when there is none. Failures that come before anything was
// sent are plain UNAVAILABLE, others have an unknown outcome. The text names the host only.
absl::Status FetchFailure(const http::Request& request, absl::string_view name,
                          absl::string_view code, absl::string_view message);

}  // namespace purser::addon

#endif  // PURSER_ADDON_FETCH_TRANSPORT_H_
