// Okta's Management API over HTTP.
#ifndef PURSER_CONNECTORS_OKTA_HTTP_OKTA_CLIENT_H_
#define PURSER_CONNECTORS_OKTA_HTTP_OKTA_CLIENT_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/private_key.h"
#include "base/rng.h"
#include "connectors/json_call.h"
#include "connectors/okta/okta_client.h"

namespace purser::connectors {

inline constexpr int kMaxOktaPages = 100'000;                              // of one listing
inline constexpr int kMaxOktaRateLimitWaits = 20;                          // of one page
inline constexpr absl::Duration kMaxOktaRateLimitWait = absl::Minutes(2);  // limits are per minute

struct OktaOptions {
  std::string org_url;  // "https://example.okta.com", without "/" at the end
  // Either a token of an administrator (SSWS) …
  std::string api_token;
  // … or an API service: client id and the private key (RSA, PEM) of its public key.
  std::string client_id;
  std::string private_key_pem;
  std::string key_id;
  std::string scopes = "okta.users.read okta.groups.read";
  int page_size = 200;
  absl::Duration timeout = absl::Seconds(30);  // of one call
  int64_t max_response_bytes = 32 << 20;       // of one page
};

// Pages are followed by Link headers of rel="next", of the organisation's own origin only. At 429
// it waits until X-Rate-Limit-Reset; before the last calls of a window it waits as well, so that
// others of the organisation still get theirs.
class HttpOktaClient final : public OktaClient {
 public:
  // INVALID_ARGUMENT when the key is none. `transport` repeats what may be repeated; all outlive
  // the client.
  static absl::StatusOr<std::unique_ptr<HttpOktaClient>> Create(OktaOptions options,
                                                                http::Transport& transport,
                                                                base::Clock& clock, base::Rng& rng);

  absl::Status ListUsers(absl::string_view search, const OnItem& on_user,
                         std::stop_token stop) override;
  absl::Status ListGroups(absl::string_view search, const OnItem& on_group,
                          std::stop_token stop) override;
  absl::Status ListMembers(absl::string_view group_id, const OnItem& on_user,
                           std::stop_token stop) override;

 private:
  HttpOktaClient(OktaOptions options, std::optional<base::PrivateKey> key,
                 http::Transport& transport, base::Clock& clock, base::Rng& rng);

  absl::StatusOr<std::string> Authorization(bool renew, std::stop_token stop);
  absl::StatusOr<std::string> ClientAssertion(const std::string& audience);
  absl::StatusOr<JsonAnswer> Get(const std::string& url, absl::string_view what,
                                 std::stop_token stop);
  absl::Status WaitForLimit(const http::Headers& headers, bool refused, std::stop_token stop);
  absl::Status ListPages(std::string url, absl::string_view what, const OnItem& on_item,
                         std::stop_token stop);

  const OktaOptions options_;
  const std::optional<base::PrivateKey> key_;
  http::Transport& transport_;
  base::Clock& clock_;
  base::Rng& rng_;
  base::Mutex mutex_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  absl::Time token_ends_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// The target of the first link with rel="next", or "".
std::string NextLink(const http::Headers& headers);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_OKTA_HTTP_OKTA_CLIENT_H_
