// When a failed call is made again.
#ifndef PURSER_WORKFLOW_RETRY_H_
#define PURSER_WORKFLOW_RETRY_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/rng.h"
#include "workflow/definition.h"

namespace purser::workflow {

// True for the codes a repeat may cure.
bool IsRetryable(const absl::Status& status);

// Full jitter: uniform in [0, min(cap, initial * 2^(failures-1))], but at least what the other side
// asked for (base::RetryAfterMillis). `failures` counts from 1.
absl::Duration RetryDelay(const RetryPolicy& policy, int failures, const absl::Status& status,
                          base::Rng& rng);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_RETRY_H_
