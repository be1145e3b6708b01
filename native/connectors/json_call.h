// One call of a REST interface that answers with JSON.
#ifndef PURSER_CONNECTORS_JSON_CALL_H_
#define PURSER_CONNECTORS_JSON_CALL_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/transport.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

struct JsonAnswer {
  http::Headers headers;
  nlohmann::json body;
};

// The body of a 2xx answer. Other statuses as http::StatusFromResponse gives them, with the peer's
// own words where they stand in a member that is known to hold some (error_description,
// errorSummary, errorMessage, message, error). UNAVAILABLE when a 2xx answer is no JSON: it was cut
// off, or a proxy answered.
absl::StatusOr<JsonAnswer> SendForJson(http::Transport& transport, const http::Request& request,
                                       const http::CallOptions& options, absl::string_view what,
                                       absl::Time now);

// The members as application/x-www-form-urlencoded.
std::string FormBody(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_JSON_CALL_H_
