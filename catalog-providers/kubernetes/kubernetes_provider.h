// The catalog provider "kubernetes": workloads, namespaces, services, ingresses and custom
// resources of clusters, followed by watches.
#ifndef PURSER_CATALOG_PROVIDERS_KUBERNETES_KUBERNETES_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_KUBERNETES_KUBERNETES_PROVIDER_H_

#include "absl/status/status.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// Workloads become Components, everything else Resources, unless rules say otherwise. Thread-safe.
class KubernetesProvider final : public provider::Provider {
 public:
  KubernetesProvider();
  const provider::Description& description() const override { return description_; }
  absl::Status Watch(provider::Context& context) override;

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_KUBERNETES_KUBERNETES_PROVIDER_H_
