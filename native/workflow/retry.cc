#include "workflow/retry.h"

#include <algorithm>

#include "base/status.h"

namespace purser::workflow {

bool IsRetryable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

absl::Duration RetryDelay(const RetryPolicy& policy, int failures, const absl::Status& status,
                          base::Rng& rng) {
  absl::Duration ceiling = policy.initial;
  for (int i = 1; i < failures && ceiling < policy.cap; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, policy.cap);
  const int64_t micros = std::max<int64_t>(absl::ToInt64Microseconds(ceiling), 0);
  const absl::Duration jittered =
      absl::Microseconds(static_cast<int64_t>(rng.Below(static_cast<uint64_t>(micros) + 1)));
  const auto asked = base::RetryAfterMillis(status);
  return asked.has_value() ? std::max(jittered, absl::Milliseconds(*asked)) : jittered;
}

}  // namespace purser::workflow
