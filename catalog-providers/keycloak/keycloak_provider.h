// The catalog provider "keycloak": users and groups of a realm.
#ifndef PURSER_CATALOG_PROVIDERS_KEYCLOAK_KEYCLOAK_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_KEYCLOAK_KEYCLOAK_PROVIDER_H_

#include <functional>
#include <memory>

#include "connectors/keycloak/http_keycloak_client.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// A realm that changes while it is read is read again, this many times in a round.
inline constexpr int kMaxKeycloakReads = 3;

// Thread-safe.
class KeycloakProvider final : public provider::Provider {
 public:
  using NewClient = std::function<std::unique_ptr<connectors::KeycloakClient>(
      connectors::KeycloakOptions options, provider::Context& context)>;

  KeycloakProvider();
  explicit KeycloakProvider(NewClient new_client);  // for tests
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override;

 private:
  provider::Description description_;
  NewClient new_client_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_KEYCLOAK_KEYCLOAK_PROVIDER_H_
