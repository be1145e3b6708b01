#include "http/retry.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/numbers.h"
#include "base/status.h"

namespace purser::http {
namespace {

bool IsRepeatable(const Request& request, const CallOptions& options) {
  const std::string& method = request.method;
  return options.repeatable || method == "GET" || method == "HEAD" || method == "PUT" ||
         method == "DELETE" || method == "OPTIONS";
}

bool WantsRepeat(const absl::StatusOr<Response>& result, bool repeatable) {
  if (!result.ok()) {
    if (result.status().code() != absl::StatusCode::kUnavailable) return false;
    return repeatable || !base::IsOutcomeUnknown(result.status());
  }
  switch (result->status) {
    case 429:
      return true;  // refused before it was looked at
    case 408:
    case 502:
    case 503:
    case 504:
      return repeatable;
    default:
      return false;
  }
}

// A body that remembers whether it was begun.
class WatchedBody final : public BodySource {
 public:
  explicit WatchedBody(BodySource& body) : body_(body) {}
  absl::StatusOr<std::string> Next() override {
    begun_ = true;
    return body_.Next();
  }
  std::optional<int64_t> size() const override { return body_.size(); }
  const bool* begun() const { return &begun_; }

 private:
  BodySource& body_;
  bool begun_ = false;
};

}  // namespace

std::optional<absl::Duration> RetryAfter(const Headers& headers, absl::Time now) {
  const absl::string_view text = FindHeader(headers, "Retry-After");
  if (text.empty()) return std::nullopt;
  int64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) {
    return absl::Seconds(std::clamp<int64_t>(seconds, 0, 86'400));
  }
  absl::Time date;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", text, &date, nullptr)) return std::nullopt;
  return std::clamp(date - now, absl::ZeroDuration(), absl::Hours(24));
}

RetryingTransport::RetryingTransport(Transport& next, base::Clock& clock, base::Rng& rng,
                                     const RetryOptions& options)
    : next_(next), clock_(clock), rng_(rng), options_(options), budget_(options.budget) {}

bool RetryingTransport::TakeFromBudget() {
  base::MutexLock lock(mutex_);
  if (budget_ < 1) return false;
  budget_ -= 1;
  return true;
}

absl::StatusOr<Response> RetryingTransport::Run(
    const Request& request, const CallOptions& options,
    const std::function<absl::StatusOr<Response>(const CallOptions&)>& attempt,
    const bool* handed_over) {
  const bool repeatable = IsRepeatable(request, options);
  const absl::Duration end = clock_.Monotonic() + options.timeout;
  {
    base::MutexLock lock(mutex_);
    budget_ = std::min(options_.budget, budget_ + options_.budget_ratio);
  }
  CallOptions left = options;
  for (int tries = 1;; ++tries) {
    absl::StatusOr<Response> result = attempt(left);
    if ((handed_over != nullptr && *handed_over) || !WantsRepeat(result, repeatable) ||
        tries >= options_.max_attempts) {
      return result;
    }
    const absl::Duration ceiling =
        std::min(options_.max_delay, options_.base_delay * std::pow(2.0, tries - 1));
    const auto bound = static_cast<uint64_t>(std::max<int64_t>(1, ceiling / absl::Microseconds(1)));
    absl::Duration wait = absl::Microseconds(static_cast<int64_t>(rng_.Below(bound)));
    if (result.ok()) {
      const std::optional<absl::Duration> asked = RetryAfter(result->headers, clock_.Now());
      if (asked.has_value()) wait = std::max(wait, *asked);
    }
    if (clock_.Monotonic() + wait >= end || !TakeFromBudget()) return result;
    if (!clock_.SleepFor(wait, options.stop)) return absl::CancelledError("stopped");
    left.timeout = end - clock_.Monotonic();
  }
}

absl::StatusOr<Response> RetryingTransport::Send(const Request& request,
                                                 const CallOptions& options) {
  return Run(
      request, options,
      [this, &request](const CallOptions& left) { return next_.Send(request, left); }, nullptr);
}

absl::StatusOr<Response> RetryingTransport::Stream(
    const Request& request, const CallOptions& options,
    const std::function<absl::Status(const Response& head, absl::string_view piece)>& on_data) {
  bool handed_over = false;
  // The body of an answer that will be repeated must not reach the caller, so it is held back as
  // long as it is an error.
  return Run(
      request, options,
      [&](const CallOptions& left) {
        return next_.Stream(
            request, left, [&](const Response& head, absl::string_view piece) -> absl::Status {
              const bool repeated = WantsRepeat(head, IsRepeatable(request, options));
              if (repeated) return absl::OkStatus();
              handed_over = true;
              return on_data(head, piece);
            });
      },
      &handed_over);
}

absl::StatusOr<Response> RetryingTransport::Upload(const Request& request, BodySource& body,
                                                   const CallOptions& options) {
  WatchedBody watched(body);
  return Run(
      request, options,
      [&](const CallOptions& left) { return next_.Upload(request, watched, left); },
      watched.begun());
}

}  // namespace purser::http
