#include "connectors/okta/http_okta_client.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/id.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/status.h"
#include "http/url.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using purser::json::TextAt;

constexpr absl::Duration kTokenMargin = absl::Seconds(30);
constexpr absl::Duration kAssertionLife = absl::Minutes(5);
constexpr absl::Duration kMaxTokenLife = absl::Hours(12);
// Of a window's calls this part is left to others.
constexpr int64_t kSpareFraction = 20;  // a twentieth
constexpr int kTooManyRequests = 429;

// "a.b": base 64 without padding, as JSON Web Tokens have it.
std::string Base64Url(absl::string_view bytes) {
  std::string text;
  absl::WebSafeBase64Escape(bytes, &text);
  return text;
}

std::optional<int64_t> NumberIn(const http::Headers& headers, absl::string_view name) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(http::FindHeader(headers, name), &number)) return std::nullopt;
  return number;
}

}  // namespace

std::string NextLink(const http::Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (!absl::EqualsIgnoreCase(name, "Link")) continue;
    absl::string_view rest = value;
    for (;;) {
      const size_t open = rest.find('<');
      const size_t close = rest.find('>', open == absl::string_view::npos ? 0 : open);
      if (open == absl::string_view::npos || close == absl::string_view::npos) break;
      const absl::string_view target = rest.substr(open + 1, close - open - 1);
      rest.remove_prefix(close + 1);
      const absl::string_view parameters = rest.substr(0, rest.find('<'));
      for (absl::string_view parameter : absl::StrSplit(parameters, absl::ByAnyChar(";,"))) {
        parameter = absl::StripAsciiWhitespace(parameter);
        if (absl::EqualsIgnoreCase(parameter, "rel=\"next\"") ||
            absl::EqualsIgnoreCase(parameter, "rel=next")) {
          return std::string(target);
        }
      }
    }
  }
  return "";
}

HttpOktaClient::HttpOktaClient(OktaOptions options, std::optional<base::PrivateKey> key,
                               http::Transport& transport, base::Clock& clock, base::Rng& rng)
    : options_(std::move(options)),
      key_(std::move(key)),
      transport_(transport),
      clock_(clock),
      rng_(rng) {}

absl::StatusOr<std::unique_ptr<HttpOktaClient>> HttpOktaClient::Create(OktaOptions options,
                                                                       http::Transport& transport,
                                                                       base::Clock& clock,
                                                                       base::Rng& rng) {
  std::optional<base::PrivateKey> key;
  if (options.api_token.empty()) {
    absl::StatusOr<base::PrivateKey> parsed = base::PrivateKey::RsaPem(options.private_key_pem);
    if (!parsed.ok()) return base::Annotate(parsed.status(), "okta");
    key.emplace(*std::move(parsed));
  }
  return std::unique_ptr<HttpOktaClient>(
      new HttpOktaClient(std::move(options), std::move(key), transport, clock, rng));
}

absl::StatusOr<std::string> HttpOktaClient::ClientAssertion(const std::string& audience) {
  Json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  if (!options_.key_id.empty()) header["kid"] = options_.key_id;
  const absl::Time now = clock_.Now();
  const Json claims = {{"iss", options_.client_id},
                       {"sub", options_.client_id},
                       {"aud", audience},
                       {"iat", absl::ToUnixSeconds(now)},
                       {"exp", absl::ToUnixSeconds(now + kAssertionLife)},
                       {"jti", base::NewId("", clock_, rng_)}};
  const std::string signed_part =
      absl::StrCat(Base64Url(json::Dump(header)), ".", Base64Url(json::Dump(claims)));
  PURSER_ASSIGN_OR_RETURN(const std::string signature, key_->Sign(signed_part, "SHA256"));
  return absl::StrCat(signed_part, ".", Base64Url(signature));
}

absl::StatusOr<std::string> HttpOktaClient::Authorization(bool renew, std::stop_token stop) {
  if (!key_.has_value()) return absl::StrCat("SSWS ", options_.api_token);
  {
    base::MutexLock lock(mutex_);
    if (!renew && clock_.Now() + kTokenMargin < token_ends_) return absl::StrCat("Bearer ", token_);
  }
  http::Request request;
  request.method = "POST";
  request.url = absl::StrCat(options_.org_url, "/oauth2/v1/token");
  PURSER_ASSIGN_OR_RETURN(const std::string assertion, ClientAssertion(request.url));
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"}};
  request.body =
      FormBody({{"grant_type", "client_credentials"},
                {"scope", options_.scopes},
                {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
                {"client_assertion", assertion}});
  http::CallOptions options;
  options.timeout = options_.timeout;
  options.max_response_bytes = options_.max_response_bytes;
  options.stop = stop;
  absl::StatusOr<JsonAnswer> answer =
      SendForJson(transport_, request, options, "okta: sign in", clock_.Now());
  if (!answer.ok()) {
    if (absl::IsInvalidArgument(answer.status())) {
      return absl::UnauthenticatedError(answer.status().message());
    }
    return answer.status();
  }
  const std::string token = answer->body.is_object() ? TextAt(answer->body, "access_token") : "";
  if (token.empty() || token.find_first_of("\r\n") != std::string::npos) {
    return absl::UnavailableError("okta: sign in: the answer holds no access_token");
  }
  const auto life = answer->body.find("expires_in");
  base::MutexLock lock(mutex_);
  token_ = token;
  token_ends_ =
      clock_.Now() + std::min(kMaxTokenLife, life != answer->body.end() && life->is_number_integer()
                                                 ? absl::Seconds(life->get<int64_t>())
                                                 : absl::ZeroDuration());
  return absl::StrCat("Bearer ", token);
}

absl::Status HttpOktaClient::WaitForLimit(const http::Headers& headers, bool refused,
                                          std::stop_token stop) {
  const auto limit = NumberIn(headers, "X-Rate-Limit-Limit");
  const auto remaining = NumberIn(headers, "X-Rate-Limit-Remaining");
  const auto reset = NumberIn(headers, "X-Rate-Limit-Reset");
  if (!refused && (!limit || !remaining || !reset || *remaining > *limit / kSpareFraction)) {
    return absl::OkStatus();
  }
  // Our clock may be wrong: the server's own Date tells how long the window still is.
  absl::Time now = clock_.Now();
  std::string problem;
  if (absl::Time date;
      absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", std::string(http::FindHeader(headers, "Date")),
                      &date, &problem)) {
    now = date;
  }
  absl::Duration wait =
      reset ? absl::FromUnixSeconds(*reset) - now + absl::Seconds(1) : absl::Seconds(5);
  wait = std::clamp(wait, absl::Seconds(1), kMaxOktaRateLimitWait);
  if (!clock_.SleepFor(wait, stop)) return absl::CancelledError("stopped");
  return absl::OkStatus();
}

absl::StatusOr<JsonAnswer> HttpOktaClient::Get(const std::string& url, absl::string_view what,
                                               std::stop_token stop) {
  http::Request request;
  request.url = url;
  http::CallOptions options;
  options.timeout = options_.timeout;
  options.max_response_bytes = options_.max_response_bytes;
  options.stop = stop;
  bool renew = false;
  for (int wait = 0; wait <= kMaxOktaRateLimitWaits;) {
    PURSER_ASSIGN_OR_RETURN(const std::string authorization, Authorization(renew, stop));
    request.headers = {{"Accept", "application/json"}, {"Authorization", authorization}};
    absl::StatusOr<http::Response> response = transport_.Send(request, options);
    if (!response.ok()) return base::Annotate(response.status(), what);
    if (response->status == kTooManyRequests) {
      ++wait;
      PURSER_RETURN_IF_ERROR(WaitForLimit(response->headers, true, stop));
      continue;
    }
    if (response->status == 401 && key_.has_value() && !renew) {
      renew = true;
      continue;
    }
    if (response->status < 200 || response->status > 299) {
      const absl::StatusOr<Json> body = json::Parse(response->body);
      return http::StatusFromResponse(
          *response, what, body.ok() && body->is_object() ? TextAt(*body, "errorSummary") : "",
          clock_.Now());
    }
    absl::StatusOr<Json> body = json::Parse(response->body);
    if (!body.ok()) {
      return absl::UnavailableError(absl::StrCat(what, ": the answer is no JSON (",
                                                 response->body.size(),
                                                 " bytes): it was cut off, or came from a proxy"));
    }
    PURSER_RETURN_IF_ERROR(WaitForLimit(response->headers, false, stop));
    return JsonAnswer{std::move(response->headers), *std::move(body)};
  }
  return absl::UnavailableError(absl::StrCat(what, ": the rate limit did not end after ",
                                             kMaxOktaRateLimitWaits,
                                             " waits (kMaxOktaRateLimitWaits)"));
}

absl::Status HttpOktaClient::ListPages(std::string url, absl::string_view what,
                                       const OnItem& on_item, std::stop_token stop) {
  const std::string origin = absl::StrCat(options_.org_url, "/");
  absl::flat_hash_set<std::string> pages;
  for (int page = 0; page < kMaxOktaPages; ++page) {
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    if (!pages.insert(url).second) {
      return absl::AbortedError(
          absl::StrCat(what, ": the server names a page as next that was read already"));
    }
    PURSER_ASSIGN_OR_RETURN(const JsonAnswer answer, Get(url, what, stop));
    if (!answer.body.is_array()) {
      return absl::UnavailableError(absl::StrCat(what, ": the answer is not a list"));
    }
    for (const Json& item : answer.body) {
      if (!item.is_object() || TextAt(item, "id").empty()) {
        return absl::UnavailableError(absl::StrCat(what, ": a list of objects without an id"));
      }
      PURSER_RETURN_IF_ERROR(on_item(item));
    }
    url = NextLink(answer.headers);
    if (url.empty()) return absl::OkStatus();
    // The token must not be sent elsewhere because an answer says so.
    if (!absl::StartsWith(url, origin)) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, ": the next page is at another origin than ", options_.org_url));
    }
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(what, ": more than ", kMaxOktaPages, " pages (kMaxOktaPages)"));
}

absl::Status HttpOktaClient::ListUsers(absl::string_view search, const OnItem& on_user,
                                       std::stop_token stop) {
  return ListPages(
      absl::StrCat(options_.org_url, "/api/v1/users?limit=", options_.page_size,
                   search.empty() ? "" : absl::StrCat("&search=", http::EncodeComponent(search))),
      "okta: GET /api/v1/users", on_user, stop);
}

absl::Status HttpOktaClient::ListGroups(absl::string_view search, const OnItem& on_group,
                                        std::stop_token stop) {
  return ListPages(
      absl::StrCat(options_.org_url, "/api/v1/groups?limit=", options_.page_size,
                   search.empty() ? "" : absl::StrCat("&search=", http::EncodeComponent(search))),
      "okta: GET /api/v1/groups", on_group, stop);
}

absl::Status HttpOktaClient::ListMembers(absl::string_view group_id, const OnItem& on_user,
                                         std::stop_token stop) {
  const std::string path =
      absl::StrCat("/api/v1/groups/", http::EncodeComponent(group_id), "/users");
  return ListPages(absl::StrCat(options_.org_url, path, "?limit=", options_.page_size),
                   absl::StrCat("okta: GET ", path), on_user, stop);
}

}  // namespace purser::connectors
