#include "connectors/rest_api.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/address.h"
#include "http/status.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using nlohmann::json;

constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kMaxPause = absl::Hours(1);
constexpr int kPageItems = 100;

bool IsRead(const std::string& method) { return method == "GET" || method == "HEAD"; }

// The peer's words: "message", and what it says of single fields.
std::string DetailOf(const json& body) {
  if (!body.is_object()) return "";
  std::string detail = RestText(body, {"message"});
  const auto message = body.find("message");
  // GitLab's may be an object of lists, one for each field.
  if (message != body.end() && message->is_structured()) detail = purser::json::Dump(*message);
  if (detail.empty()) detail = RestText(body, {"error_description"});
  if (detail.empty()) detail = RestText(body, {"error"});
  const auto errors = body.find("errors");
  if (errors == body.end() || !errors->is_array()) return detail;
  for (const json& error : *errors) {
    const std::string text =
        error.is_string() ? error.get<std::string>() : RestText(error, {"message"});
    const std::string field = RestText(error, {"field"});
    if (!text.empty()) {
      absl::StrAppend(&detail, "; ", text);
    } else if (!field.empty()) {
      absl::StrAppend(&detail, "; ", field, " ", RestText(error, {"code"}));
    }
  }
  return detail;
}

}  // namespace

std::string RestText(const json& value, std::initializer_list<const char*> path) {
  const json* at = &value;
  for (const char* member : path) {
    if (!at->is_object()) return "";
    const auto found = at->find(member);
    if (found == at->end()) return "";
    at = &*found;
  }
  if (at->is_string()) return at->get<std::string>();
  return at->is_number_integer() ? absl::StrCat(at->get<int64_t>()) : "";
}

absl::StatusOr<std::string> RestNumber(const nlohmann::json& input, const char* member,
                                       absl::string_view connector, absl::string_view what) {
  const std::string number = RestText(input, {member});
  int64_t value = 0;
  if (!absl::SimpleAtoi(number, &value) || value < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("input of ", connector, ": /", member, " must be ", what));
  }
  return number;
}

absl::Status CheckRestPatience(const nlohmann::json& input, int64_t since, absl::Time now,
                               absl::string_view waiting_for) {
  const int64_t waited = absl::ToUnixSeconds(now) - since;
  if (static_cast<double>(waited) <= input["timeoutSeconds"].get<double>()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("not done after ", waited, " s (timeoutSeconds): ", waiting_for));
}

bool IsAllowedRepository(const std::vector<std::string>& allowed, absl::string_view repository) {
  return std::any_of(allowed.begin(), allowed.end(), [repository](absl::string_view one) {
    if (absl::ConsumeSuffix(&one, "*")) return absl::StartsWithIgnoreCase(repository, one);
    return absl::EqualsIgnoreCase(repository, one);
  });
}

absl::Status CheckRestBase(absl::string_view text, absl::string_view what) {
  const absl::StatusOr<http::Url> url = http::ParseUrl(text);
  if (!url.ok()) return base::Annotate(url.status(), what);
  const absl::StatusOr<http::IpAddress> address = http::IpAddress::Parse(url->host);
  const bool local =
      url->host == "localhost" ||
      (address.ok() && (address->ToString() == "127.0.0.1" || address->ToString() == "::1"));
  if (!url->tls && !local) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " must be https: a credential travels with each call"));
  }
  return absl::OkStatus();
}

std::string EffectMark(absl::string_view effect_key) {
  return absl::StrCat("<!-- purser-effect: ", effect_key, " -->");
}

RestApi::RestApi(std::string name, std::string base, http::Headers headers,
                 RestCredential credential, http::Transport& transport, base::Clock& clock)
    : name_(std::move(name)),
      base_(std::move(base)),
      headers_(std::move(headers)),
      credential_(std::move(credential)),
      transport_(transport),
      clock_(clock) {}

absl::Status RestApi::Explain(const http::Response& response, const RestCall& call) const {
  const std::string what = absl::StrCat(name_, ": ", call.what);
  const absl::StatusOr<json> body = purser::json::Parse(response.body);
  const std::string detail =
      body.ok() ? base::EscapeForDisplay(DetailOf(*body), 1000) : std::string();
  // A spent limit comes as 403 as well; what was asked then did not happen.
  const bool spent = http::FindHeader(response.headers, "X-RateLimit-Remaining") == "0" ||
                     absl::StrContains(absl::AsciiStrToLower(detail), "rate limit") ||
                     !http::FindHeader(response.headers, "Retry-After").empty();
  if (response.status == 429 || (response.status == 403 && spent)) {
    absl::Status status =
        absl::UnavailableError(absl::StrCat(what, ": the rate limit is spent: ", detail));
    absl::Duration pause = kRateLimitPause;
    int64_t number = 0;
    if (absl::SimpleAtoi(http::FindHeader(response.headers, "Retry-After"), &number)) {
      pause = absl::Seconds(number);
    } else if (absl::SimpleAtoi(http::FindHeader(response.headers, "X-RateLimit-Reset"), &number) ||
               absl::SimpleAtoi(http::FindHeader(response.headers, "RateLimit-Reset"), &number)) {
      pause = absl::FromUnixSeconds(number) - clock_.Now();
    }
    pause = std::clamp(pause, absl::Seconds(1), kMaxPause);
    base::SetRetryAfterMillis(status, absl::ToInt64Milliseconds(pause));
    return status;
  }
  absl::Status status = http::StatusFromResponse(response, what, detail, clock_.Now());
  if (response.status == 401) {
    return absl::UnauthenticatedError(absl::StrCat(
        status.message(), "; the credential of the connector is wrong or has expired"));
  }
  return status;
}

absl::StatusOr<RestAnswer> RestApi::Send(const RestCall& call, CallContext& context) const {
  http::Request request{
      .method = call.method, .url = absl::StrCat(base_, call.path), .headers = headers_};
  PURSER_ASSIGN_OR_RETURN(auto credential, credential_(context));
  request.headers.push_back(std::move(credential));
  for (const auto& header : call.headers) request.headers.push_back(header);
  if (!call.body.is_null()) {
    request.body = purser::json::Dump(call.body);
    request.headers.emplace_back("Content-Type", "application/json");
  }
  http::CallOptions options;
  options.timeout = std::min(kCallTimeout, context.deadline() - clock_.Now());
  options.stop = context.stop();
  options.max_response_bytes = kMaxRestAnswerBytes;
  absl::StatusOr<http::Response> response = transport_.Send(request, options);
  if (!response.ok()) {
    return base::Annotate(response.status(), absl::StrCat(name_, ": ", call.what));
  }
  RestAnswer answer{response->status, std::move(response->headers), nullptr};
  const bool good = answer.status >= 200 && answer.status < 300;
  const bool wanted =
      std::find(call.accept.begin(), call.accept.end(), answer.status) != call.accept.end();
  if (!good && !wanted) {
    response->headers = answer.headers;
    return Explain(*response, call);
  }
  if (response->body.empty() || answer.status == 204 || answer.status == 304) return answer;
  absl::StatusOr<json> body = purser::json::Parse(response->body);
  if (body.ok()) {
    answer.body = *std::move(body);
  } else if (good) {
    absl::Status torn = absl::UnavailableError(absl::StrCat(name_, ": ", call.what,
                                                            ": the answer is cut off or no JSON (",
                                                            response->body.size(), " bytes)"));
    if (!IsRead(call.method)) base::SetOutcomeUnknown(torn);
    return torn;
  }
  return answer;
}

absl::StatusOr<RestAnswer> RestApi::SendIfChanged(RestCall call, const std::string& etag,
                                                  CallContext& context) const {
  call.accept.push_back(304);
  if (!etag.empty()) call.headers.emplace_back("If-None-Match", etag);
  return Send(call, context);
}

absl::StatusOr<json> RestApi::Json(const RestCall& call, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(RestAnswer answer, Send(call, context));
  return std::move(answer.body);
}

absl::StatusOr<std::vector<json>> RestApi::List(const RestCall& call, CallContext& context) const {
  std::vector<json> items;
  std::string last;
  for (int page = 1; page <= kMaxRestPages; ++page) {
    RestCall one = call;
    absl::StrAppend(&one.path, absl::StrContains(one.path, '?') ? "&" : "?",
                    "per_page=", kPageItems, "&page=", page);
    PURSER_ASSIGN_OR_RETURN(json body, Json(one, context));
    if (!body.is_array()) {
      return absl::UnavailableError(
          absl::StrCat(name_, ": ", call.what, ": the answer is no list"));
    }
    std::string text = purser::json::Dump(body);
    if (!body.empty() && text == last) {
      return absl::UnavailableError(
          absl::StrCat(name_, ": ", call.what, ": the peer gives the same page again"));
    }
    last = std::move(text);
    for (json& item : body) items.push_back(std::move(item));
    if (body.size() < kPageItems) return items;
  }
  return absl::ResourceExhaustedError(absl::StrCat(name_, ": ", call.what, ": more than ",
                                                   kMaxRestPages, " pages (kMaxRestPages)"));
}

}  // namespace purser::connectors
