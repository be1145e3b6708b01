#include "connectors/github/app_token.h"

#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/private_key.h"
#include "base/status.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kAppTokenBefore = absl::Minutes(1);
constexpr absl::Duration kAppTokenLife = absl::Minutes(9);  // GitHub takes ten at most

struct Installation {
  std::string app_id;
  std::string installation_id;
  std::string key_reference;
  base::Mutex mutex;
  std::string token ABSL_GUARDED_BY(mutex);
  absl::Time until ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
};

}  // namespace

absl::StatusOr<std::string> AppToken(absl::string_view app_id, absl::string_view private_key_pem,
                                     absl::Time now) {
  PURSER_ASSIGN_OR_RETURN(const base::PrivateKey key, base::PrivateKey::RsaPem(private_key_pem));
  const Json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  const Json claims = {{"iss", std::string(app_id)},
                       {"iat", absl::ToUnixSeconds(now - kAppTokenBefore)},
                       {"exp", absl::ToUnixSeconds(now + kAppTokenLife)}};
  const std::string text = absl::StrCat(absl::WebSafeBase64Escape(json::Dump(header)), ".",
                                        absl::WebSafeBase64Escape(json::Dump(claims)));
  PURSER_ASSIGN_OR_RETURN(const std::string signature, key.Sign(text, "SHA256"));
  return absl::StrCat(text, ".", absl::WebSafeBase64Escape(signature));
}

RestCredential GithubCredential(const Json& credential, std::string api, http::Transport& transport,
                                base::Clock& clock) {
  if (credential.contains("token")) {
    return [reference = credential["token"].get<std::string>()](
               CallContext& context) -> absl::StatusOr<std::pair<std::string, std::string>> {
      PURSER_ASSIGN_OR_RETURN(const std::string token, context.ResolveSecret(reference));
      return std::make_pair(std::string("Authorization"), absl::StrCat("Bearer ", token));
    };
  }
  auto state = std::make_shared<Installation>();
  state->app_id = credential["app"]["id"].get<std::string>();
  state->installation_id = credential["app"]["installation"].get<std::string>();
  state->key_reference = credential["app"]["privateKey"].get<std::string>();
  return [state, api = std::move(api), &transport,
          &clock](CallContext& context) -> absl::StatusOr<std::pair<std::string, std::string>> {
    // Who comes meanwhile waits for the one that asks.
    base::MutexLock lock(state->mutex);
    if (clock.Now() + kInstallationTokenMargin >= state->until) {
      PURSER_ASSIGN_OR_RETURN(const std::string key, context.ResolveSecret(state->key_reference));
      PURSER_ASSIGN_OR_RETURN(const std::string app, AppToken(state->app_id, key, clock.Now()));
      const RestApi session(
          "github", api, {{"Accept", "application/vnd.github+json"}},
          [&app](CallContext&) -> absl::StatusOr<std::pair<std::string, std::string>> {
            return std::make_pair(std::string("Authorization"), absl::StrCat("Bearer ", app));
          },
          transport, clock);
      PURSER_ASSIGN_OR_RETURN(
          const Json answer,
          session.Json({.method = "POST",
                        .path = absl::StrCat("/app/installations/", state->installation_id,
                                             "/access_tokens"),
                        .what = "make an installation token"},
                       context));
      const std::string token = RestText(answer, {"token"});
      absl::Time until;
      if (token.empty() ||
          !absl::ParseTime(absl::RFC3339_full, RestText(answer, {"expires_at"}), &until, nullptr)) {
        return absl::UnauthenticatedError("github: the answer holds no installation token");
      }
      state->token = token;
      state->until = until;
    }
    return std::make_pair(std::string("Authorization"), absl::StrCat("Bearer ", state->token));
  };
}

}  // namespace purser::connectors
