// The catalog provider "istio": the hosts that VirtualServices route as APIs, gateways as
// Resources.
#ifndef PURSER_CATALOG_PROVIDERS_ISTIO_ISTIO_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_ISTIO_ISTIO_PROVIDER_H_

#include "absl/status/status.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// An API for each host; several VirtualServices of one host give one API. Thread-safe.
class IstioProvider final : public provider::Provider {
 public:
  IstioProvider();
  const provider::Description& description() const override { return description_; }
  absl::Status Watch(provider::Context& context) override;

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_ISTIO_ISTIO_PROVIDER_H_
