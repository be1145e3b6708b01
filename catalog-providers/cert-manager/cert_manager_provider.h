// The catalog provider "cert-manager": certificates with their names and expiry, and their issuers.
#ifndef PURSER_CATALOG_PROVIDERS_CERT_MANAGER_CERT_MANAGER_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_CERT_MANAGER_CERT_MANAGER_PROVIDER_H_

#include "absl/status/status.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// A Resource for each certificate and issuer. Certificates' keys are never read. Thread-safe.
class CertManagerProvider final : public provider::Provider {
 public:
  CertManagerProvider();
  const provider::Description& description() const override { return description_; }
  absl::Status Watch(provider::Context& context) override;

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CERT_MANAGER_CERT_MANAGER_PROVIDER_H_
