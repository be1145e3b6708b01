// A transport that tries again, where that is harmless.
#ifndef PURSER_HTTP_RETRY_H_
#define PURSER_HTTP_RETRY_H_

#include <functional>
#include <optional>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "http/transport.h"

namespace purser::http {

struct RetryOptions {
  int max_attempts = 4;
  absl::Duration base_delay = absl::Milliseconds(200);  // doubled each time …
  absl::Duration max_delay = absl::Seconds(10);         // … up to this; full jitter below it
  // Each call adds `budget_ratio` to a store of at most `budget` retries, each retry takes one: a
  // peer that is down gets at most that many more calls, not four times the load.
  double budget = 20;
  double budget_ratio = 0.2;
};

// Repeats a request when nothing was sent (UNAVAILABLE without outcome unknown), when the peer said
// 429, and, for GET, HEAD, PUT, DELETE, OPTIONS and calls marked `repeatable`, when the connection
// broke or the peer said 408, 502, 503 or 504. Retry-After (seconds or date) is obeyed when it ends
// before the call's deadline; otherwise the answer goes to the caller at once. `timeout` counts for
// all attempts together. A stream is repeated only while nothing of it was handed over, an upload
// only while nothing was taken from its body.
// Thread-safe; `next`, `clock` and `rng` outlive it.
class RetryingTransport final : public Transport {
 public:
  RetryingTransport(Transport& next, base::Clock& clock, base::Rng& rng,
                    const RetryOptions& options = {});

  absl::StatusOr<Response> Send(const Request& request, const CallOptions& options) override;
  absl::StatusOr<Response> Stream(
      const Request& request, const CallOptions& options,
      const std::function<absl::Status(const Response& head, absl::string_view piece)>& on_data)
      override;
  absl::StatusOr<Response> Upload(const Request& request, BodySource& body,
                                  const CallOptions& options) override;

 private:
  absl::StatusOr<Response> Run(
      const Request& request, const CallOptions& options,
      const std::function<absl::StatusOr<Response>(const CallOptions&)>& attempt,
      const bool* handed_over);
  bool TakeFromBudget();

  Transport& next_;
  base::Clock& clock_;
  base::Rng& rng_;
  const RetryOptions options_;
  base::Mutex mutex_;
  double budget_ ABSL_GUARDED_BY(mutex_);
};

// The wait a response's Retry-After asks for, or nullopt. Negative waits are zero.
std::optional<absl::Duration> RetryAfter(const Headers& headers, absl::Time now);

}  // namespace purser::http

#endif  // PURSER_HTTP_RETRY_H_
