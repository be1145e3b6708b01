// AWS Signature Version 4, as S3 and the stores that speak its protocol want it.
#ifndef PURSER_COSTS_SOURCES_AWS_SIGNATURE_H_
#define PURSER_COSTS_SOURCES_AWS_SIGNATURE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/transport.h"

namespace purser::costs {

struct AwsCredentials {
  std::string access_key_id = {};
  std::string secret_access_key = {};
  std::string session_token = {};  // "" for long-lived keys
};

// Adds x-amz-date, x-amz-content-sha256, x-amz-security-token (with a session token) and
// Authorization for the request's method, URL, body and the headers that are there already. Path
// and query of the URL must be percent-encoded as http::EncodeComponent does it. INVALID_ARGUMENT
// for a URL that is none.
absl::Status SignAws(const AwsCredentials& credentials, absl::string_view region,
                     absl::string_view service, absl::Time now, http::Request& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_AWS_SIGNATURE_H_
