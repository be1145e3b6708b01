#include "git/http_remote.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::git {
namespace {

constexpr int kMaxRedirects = 3;
constexpr size_t kMaxErrorText = 300;

// "https://host:port" of a URL.
absl::string_view Origin(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == absl::string_view::npos) return {};
  return url.substr(0, url.find('/', scheme + 3));
}

absl::Status JudgeStatus(const http::Response& response, absl::string_view url) {
  if (response.status == 200) return absl::OkStatus();
  std::string message = absl::StrCat("git server at ", url, " answered HTTP ", response.status);
  const absl::string_view type = http::FindHeader(response.headers, "content-type");
  if (absl::StartsWith(type, "text/plain") && !response.body.empty()) {
    absl::StrAppend(&message, ": ", base::EscapeForDisplay(response.body, kMaxErrorText));
  }
  absl::Status status;
  switch (response.status) {
    case 401:
      return absl::UnauthenticatedError(absl::StrCat(
          message, "; the repository needs a credential, or the one given is not valid"));
    case 403:
      return absl::PermissionDeniedError(
          absl::StrCat(message, "; the credential may not do this on the repository"));
    case 404:
    case 410:
      return absl::NotFoundError(absl::StrCat(
          message, "; the repository does not exist, or the credential may not see it"));
    case 411:
      return absl::FailedPreconditionError(absl::StrCat(
          message,
          "; the server, or a proxy before it, takes no body whose length is not told (chunks)"));
    case 413:
      return absl::ResourceExhaustedError(absl::StrCat(message, "; the push is too large for it"));
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      status = absl::UnavailableError(message);
      break;
    default:
      status = response.status >= 500 ? absl::UnavailableError(message)
                                      : absl::FailedPreconditionError(message);
  }
  int64_t seconds = 0;
  if (absl::SimpleAtoi(http::FindHeader(response.headers, "retry-after"), &seconds)) {
    base::SetRetryAfterMillis(status, std::clamp<int64_t>(seconds, 0, 86'400) * 1000);
  }
  return status;
}

}  // namespace

HttpRemote::HttpRemote(std::string url, std::string authorization, http::Transport& transport)
    : url_(std::move(url)),
      authorization_(std::move(authorization)),
      transport_(transport),
      base_(absl::StripSuffix(url_, "/")) {}

std::string HttpRemote::Base() {
  base::MutexLock lock(mutex_);
  return base_;
}

absl::StatusOr<http::Response> HttpRemote::Send(http::Request request, http::BodySource* body,
                                                const ExchangeOptions& options, int64_t max_bytes,
                                                bool repeatable) {
  request.headers.emplace_back("User-Agent", "git/2.0 (purser)");
  request.headers.emplace_back("Cache-Control", "no-cache");
  if (!authorization_.empty()) request.headers.emplace_back("Authorization", authorization_);
  http::CallOptions call;
  call.timeout = options.timeout;
  call.max_response_bytes = max_bytes;
  call.stop = options.stop;
  call.repeatable = repeatable;
  absl::StatusOr<http::Response> response =
      body != nullptr ? transport_.Upload(request, *body, call) : transport_.Send(request, call);
  if (!response.ok()) {
    return base::Annotate(response.status(), absl::StrCat("git server at ", url_));
  }
  return response;
}

absl::StatusOr<std::string> HttpRemote::Advertise(Service service, const ExchangeOptions& options) {
  const std::string suffix = absl::StrCat("/info/refs?service=", ServiceName(service));
  std::string base = Base();
  for (int redirects = 0;; ++redirects) {
    http::Request request;
    request.url = absl::StrCat(base, suffix);
    PURSER_ASSIGN_OR_RETURN(http::Response response, Send(std::move(request), nullptr, options,
                                                          kMaxAdvertisementBytes, true));
    if (response.status >= 301 && response.status <= 308 && response.status != 304) {
      std::string target(http::FindHeader(response.headers, "location"));
      if (absl::StartsWith(target, "/")) target = absl::StrCat(Origin(base), target);
      const absl::string_view moved = absl::StripSuffix(target, suffix);
      // Only to another path of the same origin: the credential must not travel.
      if (redirects >= kMaxRedirects || moved.size() == target.size() ||
          Origin(moved) != Origin(base) || !CheckUrl(moved).ok()) {
        return absl::FailedPreconditionError(
            absl::StrCat("git server at ", url_, " redirects to \"", base::EscapeForDisplay(target),
                         "\"; give the repository's new URL"));
      }
      base = std::string(moved);
      continue;
    }
    PURSER_RETURN_IF_ERROR(JudgeStatus(response, url_));
    if (!absl::StartsWith(http::FindHeader(response.headers, "content-type"),
                          absl::StrCat("application/x-", ServiceName(service), "-advertisement"))) {
      return absl::FailedPreconditionError(
          absl::StrCat("what answers at ", url_, " is not a git server with the smart protocol"));
    }
    base::MutexLock lock(mutex_);
    base_ = base;
    return std::move(response.body);
  }
}

absl::StatusOr<std::string> HttpRemote::Exchange(Service service, std::string request,
                                                 const ExchangeOptions& options) {
  return Post(service, std::move(request), nullptr, options);
}

absl::StatusOr<std::string> HttpRemote::Push(http::BodySource& request,
                                             const ExchangeOptions& options) {
  return Post(Service::kReceivePack, "", &request, options);
}

absl::StatusOr<std::string> HttpRemote::Post(Service service, std::string body,
                                             http::BodySource* source,
                                             const ExchangeOptions& options) {
  const std::string kind = absl::StrCat("application/x-", ServiceName(service));
  http::Request request;
  request.method = "POST";
  request.url = absl::StrCat(Base(), "/", ServiceName(service));
  request.headers.emplace_back("Content-Type", absl::StrCat(kind, "-request"));
  request.headers.emplace_back("Accept", absl::StrCat(kind, "-result"));
  request.body = std::move(body);
  // A fetch changes nothing; a push whose answer was lost must not be sent blindly again.
  PURSER_ASSIGN_OR_RETURN(
      http::Response response,
      Send(std::move(request), source, options, kMaxAnswerBytes, service == Service::kUploadPack));
  if (absl::Status status = JudgeStatus(response, url_); !status.ok()) {
    // A gateway's error says nothing of what the server behind it did with a push.
    if (service == Service::kReceivePack && response.status >= 500) base::SetOutcomeUnknown(status);
    return status;
  }
  return std::move(response.body);
}

}  // namespace purser::git
