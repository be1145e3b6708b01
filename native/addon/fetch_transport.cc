#include "addon/fetch_transport.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "addon/thread_pool.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::addon {
namespace {

// Scheme and host; paths and queries may carry secrets.
std::string Origin(absl::string_view url) {
  const size_t authority = url.find("://");
  if (authority == absl::string_view::npos) return base::EscapeForDisplay(url);
  const size_t end = url.find_first_of("/?#", authority + 3);
  return base::EscapeForDisplay(url.substr(0, end));
}

absl::Status CheckUrl(absl::string_view url) {
  const bool scheme =
      absl::StartsWithIgnoreCase(url, "https://") || absl::StartsWithIgnoreCase(url, "http://");
  const absl::string_view authority =
      scheme ? url.substr(url.find("://") + 3)
                   .substr(0, url.substr(url.find("://") + 3).find_first_of("/?#"))
             : absl::string_view();
  if (!scheme || authority.empty() || authority.find('@') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", Origin(url), "' is not an absolute http or https URL without user info"));
  }
  return absl::OkStatus();
}

}  // namespace

void FetchExchange::Complete(absl::StatusOr<http::Response> answer) {
  base::MutexLock lock(mutex_);
  if (!answer_.has_value()) answer_.emplace(std::move(answer));
  changed_.NotifyAll();
}

void FetchExchange::WantPiece() {
  base::MutexLock lock(mutex_);
  wanted_ = true;
  changed_.NotifyAll();
}

absl::StatusOr<http::Response> FetchExchange::Wait(std::stop_token stop, http::BodySource* body,
                                                   const GivePiece& give) {
  const std::stop_callback on_stop(stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    {
      const ThreadPool::BlockingScope blocking;
      base::MutexLock lock(mutex_);
      while (!answer_.has_value() && !wanted_) {
        if (stop.stop_requested()) {
          return absl::CancelledError(absl::StrCat(request.method, " ", Origin(request.url)));
        }
        const absl::Duration left = deadline - absl::Now();
        if (left <= absl::ZeroDuration()) {
          absl::Status status = absl::DeadlineExceededError(
              absl::StrCat(request.method, " ", Origin(request.url), ": no answer within ",
                           absl::FormatDuration(timeout)));
          base::SetOutcomeUnknown(status);
          return status;
        }
        changed_.WaitFor(mutex_, left);
      }
      if (answer_.has_value()) return *std::move(answer_);
      wanted_ = false;
    }
    // Without the lock: making a piece is work.
    if (body == nullptr) continue;
    PURSER_ASSIGN_OR_RETURN(std::string piece, body->Next());
    if (piece.empty()) body = nullptr;
    PURSER_RETURN_IF_ERROR(give(std::move(piece)));
  }
}

absl::StatusOr<http::Response> FetchTransport::Send(const http::Request& request,
                                                    const http::CallOptions& options) {
  if (request.body.size() > kMaxFetchRequestBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(request.method, " ", Origin(request.url), ": a body of ", request.body.size(),
                     " bytes is larger than ", kMaxFetchRequestBytes));
  }
  return Run(request, nullptr, options);
}

absl::StatusOr<http::Response> FetchTransport::Upload(const http::Request& request,
                                                      http::BodySource& body,
                                                      const http::CallOptions& options) {
  return Run(request, &body, options);
}

absl::StatusOr<http::Response> FetchTransport::Run(const http::Request& request,
                                                   http::BodySource* body,
                                                   const http::CallOptions& options) {
  PURSER_RETURN_IF_ERROR(CheckUrl(request.url));
  // Either token ends the exchange.
  std::stop_source both;
  const auto request_stop = [&both] { both.request_stop(); };
  const std::stop_callback on_call(options.stop, request_stop);
  const std::stop_callback on_host(stop_, request_stop);
  if (both.stop_requested()) {
    return absl::CancelledError(absl::StrCat(request.method, " ", Origin(request.url)));
  }

  const auto exchange = std::make_shared<FetchExchange>(request, body != nullptr,
                                                        std::min(options.timeout, absl::Hours(24)),
                                                        options.max_response_bytes);
  PURSER_RETURN_IF_ERROR(hooks_.start(exchange));
  absl::StatusOr<http::Response> answer = exchange->Wait(
      both.get_token(), body,
      [this, &exchange](std::string piece) { return hooks_.give(exchange, std::move(piece)); });
  if (!answer.ok()) {
    // Also when the portal itself failed: aborting what has ended does nothing.
    hooks_.abort(exchange);
    return answer;
  }
  if (static_cast<int64_t>(answer->body.size()) > options.max_response_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(request.method, " ", Origin(request.url),
                                                     ": the answer is larger than ",
                                                     options.max_response_bytes, " bytes"));
  }
  return answer;
}

std::string FetchRequestJson(const FetchExchange& exchange) {
  nlohmann::json headers = nlohmann::json::array();
  for (const auto& [name, value] : exchange.request.headers) headers.push_back({name, value});
  return json::Dump({{"method", exchange.request.method},
                     {"url", exchange.request.url},
                     {"headers", std::move(headers)},
                     {"timeoutMs", absl::ToInt64Milliseconds(exchange.timeout)},
                     {"maxResponseBytes", exchange.max_response_bytes}});
}

absl::Status FetchFailure(const http::Request& request, absl::string_view name,
                          absl::string_view code, absl::string_view message) {
  const std::string text = absl::StrCat(request.method, " ", Origin(request.url), ": ",
                                        base::EscapeForDisplay(message, 500),
                                        code.empty() ? "" : " (", code, code.empty() ? "" : ")");
  if (name == "AbortError") return absl::CancelledError(text);
  if (name == "TimeoutError") {
    absl::Status status = absl::DeadlineExceededError(text);
    base::SetOutcomeUnknown(status);
    return status;
  }
  static constexpr std::array<absl::string_view, 8> kNothingSent = {
      "ECONNREFUSED",     "ENOTFOUND",
      "EAI_AGAIN",        "EHOSTUNREACH",
      "ENETUNREACH",      "UND_ERR_CONNECT_TIMEOUT",
      "CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT"};
  absl::Status status = absl::UnavailableError(text);
  if (std::find(kNothingSent.begin(), kNothingSent.end(), code) == kNothingSent.end()) {
    base::SetOutcomeUnknown(status);
  }
  return status;
}

}  // namespace purser::addon
