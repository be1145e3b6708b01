// A hosting product's REST interface: one session with a base URL, a credential that may be
// renewed, and the rate limits that the peer tells of.
#ifndef PURSER_CONNECTORS_REST_API_H_
#define PURSER_CONNECTORS_REST_API_H_

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "connectors/connector.h"
#include "http/transport.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline constexpr int64_t kMaxRestAnswerBytes = 16 << 20;
// Pages of one list; a peer that gives more, or the same one again, is broken.
inline constexpr int kMaxRestPages = 50;
// What a peer that says "later" without saying when is given.
inline constexpr absl::Duration kRateLimitPause = absl::Seconds(60);

struct RestAnswer {
  int status = 0;
  http::Headers headers;
  nlohmann::json body;  // null when there was none
};

struct RestCall {
  std::string method = "GET";
  std::string path;               // behind the base URL, with its query
  nlohmann::json body = nullptr;  // null: none
  http::Headers headers = {};
  std::vector<int> accept = {};  // statuses that are answers, beside 2xx
  std::string what;              // in front of errors: "open the pull request"
};

// The name of the authorization header and its value for this call.
using RestCredential =
    std::function<absl::StatusOr<std::pair<std::string, std::string>>(CallContext& context)>;

// Thread-safe. Immutable but for what the credential keeps.
class RestApi {
 public:
  // `name` stands in errors ("github"); `base` has no '/' at its end. References outlive this.
  RestApi(std::string name, std::string base, http::Headers headers, RestCredential credential,
          http::Transport& transport, base::Clock& clock);

  // The answer, or what the peer said: http::StatusFromResponse's codes, and UNAVAILABLE with the
  // pause it asks for when a limit is met. A 2xx that is no JSON is UNAVAILABLE, of unknown outcome
  // when the call may have changed something.
  absl::StatusOr<RestAnswer> Send(const RestCall& call, CallContext& context) const;
  // Send, but status 304 and no body when the answer bears the same ETag still: that costs nothing
  // of most rate limits. `etag` is "" at first.
  absl::StatusOr<RestAnswer> SendIfChanged(RestCall call, const std::string& etag,
                                           CallContext& context) const;
  // The body of a 2xx.
  absl::StatusOr<nlohmann::json> Json(const RestCall& call, CallContext& context) const;
  // All items of a list over its pages (`page` and `per_page` are added); at most kMaxRestPages.
  absl::StatusOr<std::vector<nlohmann::json>> List(const RestCall& call,
                                                   CallContext& context) const;

  const std::string& name() const { return name_; }
  base::Clock& clock() const { return clock_; }

 private:
  absl::Status Explain(const http::Response& response, const RestCall& call) const;

  const std::string name_;
  const std::string base_;
  const http::Headers headers_;
  const RestCredential credential_;
  http::Transport& transport_;
  base::Clock& clock_;
};

// A member chain of an answer as text; numbers too; "" when it is not there.
std::string RestText(const nlohmann::json& value, std::initializer_list<const char*> path);

// The number at `member` of a step's input, which may come as text from an expression.
// INVALID_ARGUMENT: "input of <connector>: /<member> must be <what>".
absl::StatusOr<std::string> RestNumber(const nlohmann::json& input, const char* member,
                                       absl::string_view connector, absl::string_view what);

// FAILED_PRECONDITION once more than the input's `timeoutSeconds` went by since `since` (seconds
// since 1970).
absl::Status CheckRestPatience(const nlohmann::json& input, int64_t since, absl::Time now,
                               absl::string_view waiting_for);

// Which repositories steps may touch: "group/project", or with "*" at the end; matched without
// case.
bool IsAllowedRepository(const std::vector<std::string>& allowed, absl::string_view repository);

// INVALID_ARGUMENT unless it is an absolute URL; plain http only to this machine, since a
// credential travels with each call.
absl::Status CheckRestBase(absl::string_view text, absl::string_view what);

// The mark in a description by which a repeat finds what an earlier call made.
std::string EffectMark(absl::string_view effect_key);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_REST_API_H_
