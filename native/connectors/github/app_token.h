// Who we are for GitHub: a token as it is, or installation tokens made by an App's key.
#ifndef PURSER_CONNECTORS_GITHUB_APP_TOKEN_H_
#define PURSER_CONNECTORS_GITHUB_APP_TOKEN_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "connectors/rest_api.h"
#include "http/transport.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

// An installation token is used until this long before its end.
inline constexpr absl::Duration kInstallationTokenMargin = absl::Minutes(2);

// The App's own token, signed with its key (RS256): begins a minute ago, since clocks differ, and
// lives nine minutes. Errors hold nothing of the key.
absl::StatusOr<std::string> AppToken(absl::string_view app_id, absl::string_view private_key_pem,
                                     absl::Time now);

// From a config's `credential`: {token: reference} or {app: {id, installation, privateKey}}.
// Thread-safe; installation tokens are kept until they end. References outlive it.
RestCredential GithubCredential(const nlohmann::json& credential, std::string api,
                                http::Transport& transport, base::Clock& clock);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_APP_TOKEN_H_
