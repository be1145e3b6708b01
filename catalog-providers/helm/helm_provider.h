// The catalog provider "helm": what Helm installed in clusters, read from the Secrets in which it
// keeps its releases. Chart, version and status only; values, manifests and notes never leave.
#ifndef PURSER_CATALOG_PROVIDERS_HELM_HELM_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_HELM_HELM_PROVIDER_H_

#include "absl/status/status.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// One Resource for each release, as its newest revision says. Thread-safe.
class HelmProvider final : public provider::Provider {
 public:
  HelmProvider();
  const provider::Description& description() const override { return description_; }
  absl::Status Watch(provider::Context& context) override;

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_HELM_HELM_PROVIDER_H_
