// The catalog provider "okta": users and groups of an organisation.
#ifndef PURSER_CATALOG_PROVIDERS_OKTA_OKTA_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_OKTA_OKTA_PROVIDER_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "connectors/okta/http_okta_client.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// Members of a group are asked for only when Okta says that they changed, or when they did not fit
// what is remembered between rounds. Thread-safe.
class OktaProvider final : public provider::Provider {
 public:
  using NewClient = std::function<absl::StatusOr<std::unique_ptr<connectors::OktaClient>>(
      connectors::OktaOptions options, provider::Context& context)>;

  OktaProvider();
  explicit OktaProvider(NewClient new_client);  // for tests
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override;

 private:
  provider::Description description_;
  NewClient new_client_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_OKTA_OKTA_PROVIDER_H_
