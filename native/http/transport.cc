#include "http/transport.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::http {

absl::string_view FindHeader(const Headers& headers, absl::string_view name) {
  for (const auto& [key, value] : headers) {
    if (absl::EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

absl::StatusOr<Response> Transport::Stream(
    const Request& request, const CallOptions& options,
    const std::function<absl::Status(const Response& head, absl::string_view piece)>& on_data) {
  PURSER_ASSIGN_OR_RETURN(Response response, Send(request, options));
  const std::string body = std::move(response.body);
  response.body.clear();
  if (!body.empty()) PURSER_RETURN_IF_ERROR(on_data(response, body));
  return response;
}

absl::StatusOr<Response> Transport::Upload(const Request& request, BodySource& body,
                                           const CallOptions& options) {
  Request whole = request;
  whole.body.clear();
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const std::string piece, body.Next());
    if (piece.empty()) break;
    if (static_cast<int64_t>(whole.body.size() + piece.size()) > kMaxGatheredBody) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the request's body is larger than ", kMaxGatheredBody, " bytes (kMaxGatheredBody)"));
    }
    whole.body += piece;
  }
  return Send(whole, options);
}

}  // namespace purser::http
