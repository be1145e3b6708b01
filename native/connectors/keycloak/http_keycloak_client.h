// Keycloak's Admin REST API over HTTP; versions 16 to 26.
#ifndef PURSER_CONNECTORS_KEYCLOAK_HTTP_KEYCLOAK_CLIENT_H_
#define PURSER_CONNECTORS_KEYCLOAK_HTTP_KEYCLOAK_CLIENT_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "connectors/json_call.h"
#include "connectors/keycloak/keycloak_client.h"

namespace purser::connectors {

inline constexpr int kMaxKeycloakGroupDepth = 50;
inline constexpr int kMaxKeycloakPages = 100'000;  // of one listing

struct KeycloakOptions {
  std::string base_url;  // up to "/realms", without "/" at the end; older versions end in "/auth"
  std::string realm;
  std::string login_realm;  // where the client signs in; "" = `realm`
  std::string client_id;
  std::string client_secret;
  int page_size = 500;
  absl::Duration timeout = absl::Seconds(30);  // of one call
  int64_t max_response_bytes = 32 << 20;       // of one page
};

// Signs in by client credentials, and anew before the token ends or when it is refused. Users are
// counted before and after they are listed, since pages shift when one goes away meanwhile.
class HttpKeycloakClient final : public KeycloakClient {
 public:
  // `transport` repeats what may be repeated; both outlive the client.
  HttpKeycloakClient(KeycloakOptions options, http::Transport& transport, base::Clock& clock);

  absl::Status ListUsers(const OnItem& on_user, std::stop_token stop) override;
  absl::Status ListGroups(const OnGroup& on_group, std::stop_token stop) override;
  absl::Status ListMembers(absl::string_view group_id, const OnItem& on_user,
                           std::stop_token stop) override;

 private:
  // Ids of one listing: a server that gives a page twice is found out by them.
  using Seen = absl::flat_hash_set<std::string>;

  absl::StatusOr<std::string> Token(bool renew, std::stop_token stop);
  absl::StatusOr<nlohmann::json> Get(absl::string_view path, std::stop_token stop);
  absl::StatusOr<int64_t> Count(absl::string_view path, std::stop_token stop);
  absl::StatusOr<int64_t> ListPages(absl::string_view path, absl::string_view query, Seen& seen,
                                    const OnItem& on_item, std::stop_token stop);
  absl::Status OneGroup(const nlohmann::json& group, const std::string& parent_id, int depth,
                        Seen& seen, const OnGroup& on_group, std::stop_token stop);

  const KeycloakOptions options_;
  http::Transport& transport_;
  base::Clock& clock_;
  base::Mutex mutex_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  absl::Time token_ends_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KEYCLOAK_HTTP_KEYCLOAK_CLIENT_H_
