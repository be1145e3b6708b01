// The catalog provider "ldap": users and groups of a directory (OpenLDAP, Active Directory and
// others).
#ifndef PURSER_CATALOG_PROVIDERS_LDAP_LDAP_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_LDAP_LDAP_PROVIDER_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "connectors/ldap/tcp_ldap_client.h"
#include "http/address.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// Where the directory says when it last changed (contextCSN, highestCommittedUSN), an unchanged one
// is not read. Thread-safe.
class LdapProvider final : public provider::Provider {
 public:
  using NewClient = std::function<absl::StatusOr<std::unique_ptr<connectors::LdapClient>>(
      connectors::LdapOptions options)>;

  // The guard of the addresses that may be connected to.
  explicit LdapProvider(http::AddressPolicy policy);
  explicit LdapProvider(NewClient new_client);  // for tests
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override;

 private:
  provider::Description description_;
  NewClient new_client_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_LDAP_LDAP_PROVIDER_H_
