#include "http/status.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/retry.h"

namespace purser::http {
namespace {

absl::StatusCode CodeOf(int status) {
  switch (status) {
    case 400:
    case 413:
    case 414:
    case 415:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
    case 410:
      return absl::StatusCode::kNotFound;
    case 408:
    case 429:
      return absl::StatusCode::kUnavailable;
    case 501:
      return absl::StatusCode::kUnimplemented;
    default:
      return status >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kFailedPrecondition;
  }
}

}  // namespace

absl::Status StatusFromResponse(const Response& response, absl::string_view what,
                                absl::string_view detail, absl::Time now) {
  if (response.status >= 200 && response.status < 300) return absl::OkStatus();
  std::string message = absl::StrCat(what, ": the peer answered with status ", response.status);
  if (!detail.empty()) absl::StrAppend(&message, ": ", base::EscapeForDisplay(detail, 500));
  absl::Status status(CodeOf(response.status), message);
  if (const auto wait = RetryAfter(response.headers, now); wait.has_value()) {
    base::SetRetryAfterMillis(status, absl::ToInt64Milliseconds(*wait));
  }
  if (response.status == 408 || (response.status >= 500 && response.status != 501)) {
    base::SetOutcomeUnknown(status);
  }
  return status;
}

}  // namespace purser::http
