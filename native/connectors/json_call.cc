#include "connectors/json_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/status.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

constexpr size_t kMaxDetailBytes = 300;

std::string DetailOf(const std::string& body) {
  const absl::StatusOr<nlohmann::json> parsed = json::Parse(body);
  if (!parsed.ok() || !parsed->is_object()) return "";
  for (const char* const name :
       {"error_description", "errorSummary", "errorMessage", "message", "error"}) {
    const auto found = parsed->find(name);
    if (found != parsed->end() && found->is_string()) {
      return found->get<std::string>().substr(0, kMaxDetailBytes);
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<JsonAnswer> SendForJson(http::Transport& transport, const http::Request& request,
                                       const http::CallOptions& options, absl::string_view what,
                                       absl::Time now) {
  absl::StatusOr<http::Response> response = transport.Send(request, options);
  if (!response.ok()) return base::Annotate(response.status(), what);
  if (response->status < 200 || response->status > 299) {
    return http::StatusFromResponse(*response, what, DetailOf(response->body), now);
  }
  absl::StatusOr<nlohmann::json> body = json::Parse(response->body);
  if (!body.ok()) {
    // The parser's own words may show what it met.
    return absl::UnavailableError(absl::StrCat(what, ": the answer is no JSON (",
                                               response->body.size(),
                                               " bytes): it was cut off, or came from a proxy"));
  }
  return JsonAnswer{std::move(response->headers), *std::move(body)};
}

std::string FormBody(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string body;
  for (const auto& [name, value] : members) {
    absl::StrAppend(&body, body.empty() ? "" : "&", http::EncodeComponent(name), "=",
                    http::EncodeComponent(value));
  }
  return body;
}

}  // namespace purser::connectors
