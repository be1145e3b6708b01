// HTTP answers as absl::Status, one mapping for all callers.
#ifndef PURSER_HTTP_STATUS_H_
#define PURSER_HTTP_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/transport.h"

namespace purser::http {

// OK for 2xx. Otherwise "<what>: status 404 Not Found: <detail>": 400/422 INVALID_ARGUMENT, 401
// UNAUTHENTICATED, 403 PERMISSION_DENIED, 404/410 NOT_FOUND, 409/412/428 FAILED_PRECONDITION, 413
// INVALID_ARGUMENT, 408/429/502/503/504 UNAVAILABLE, 501 UNIMPLEMENTED, other 5xx UNAVAILABLE, the
// rest (redirects too) FAILED_PRECONDITION. Retry-After is carried (base::RetryAfterMillis), judged
// from `now`; 408 and 5xx are marked as of unknown outcome. `detail` is for people and must hold no
// secret.
absl::Status StatusFromResponse(const Response& response, absl::string_view what,
                                absl::string_view detail, absl::Time now);

}  // namespace purser::http

#endif  // PURSER_HTTP_STATUS_H_
