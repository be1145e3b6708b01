// The catalog provider "flux": sources, kustomizations and Helm releases of Flux with their
// revision and health.
#ifndef PURSER_CATALOG_PROVIDERS_FLUX_FLUX_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_FLUX_FLUX_PROVIDER_H_

#include "absl/status/status.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// A Resource for each object; what is applied depends on its source. Thread-safe.
class FluxProvider final : public provider::Provider {
 public:
  FluxProvider();
  const provider::Description& description() const override { return description_; }
  absl::Status Watch(provider::Context& context) override;

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_FLUX_FLUX_PROVIDER_H_
