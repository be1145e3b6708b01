#include <memory>
#include <utility>

#include "base/status.h"
#include "catalog-providers/cert-manager/cert_manager_provider.h"
#include "catalog-providers/crossplane/crossplane_provider.h"
#include "catalog-providers/flux/flux_provider.h"
#include "catalog-providers/helm/helm_provider.h"
#include "catalog-providers/istio/istio_provider.h"
#include "catalog-providers/keycloak/keycloak_provider.h"
#include "catalog-providers/kubernetes/kubernetes_provider.h"
#include "catalog-providers/ldap/ldap_provider.h"
#include "catalog-providers/okta/okta_provider.h"
#include "catalog-providers/purser-inventory/inventory_provider.h"
#include "catalog-providers/purser-inventory/products_provider.h"
#include "catalog-providers/registry.h"
#include "catalog-providers/terraform/terraform_provider.h"

namespace purser::catalog_providers {

absl::Status AddSidecarProviders(provider::Registry& registry, SidecarProviderOptions options) {
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<InventoryProvider>()));
  if (options.provisioning != nullptr) {
    PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<ProductsProvider>(*options.provisioning)));
  }
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<CertManagerProvider>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<CrossplaneProvider>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<FluxProvider>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<HelmProvider>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<IstioProvider>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<KubernetesProvider>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<KeycloakProvider>()));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<LdapProvider>(std::move(options.policy))));
  PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<OktaProvider>()));
  PURSER_RETURN_IF_ERROR(
      registry.Add(std::make_unique<TerraformProvider>(std::move(options.folders))));
  return absl::OkStatus();
}

}  // namespace purser::catalog_providers
