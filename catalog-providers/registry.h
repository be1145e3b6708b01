// Which providers each host holds: one line each. Two functions in two libraries, so that the addon
// (portal providers) never links the store behind the sidecar's.
#ifndef PURSER_CATALOG_PROVIDERS_REGISTRY_H_
#define PURSER_CATALOG_PROVIDERS_REGISTRY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "http/address.h"
#include "provider/provider.h"

namespace purser::provisioning {
class Service;
}  // namespace purser::provisioning

namespace purser::catalog_providers {

// Library purser_portal_providers.
absl::Status AddPortalProviders(provider::Registry& registry);
// What the operator of the sidecar lets its providers reach, whatever an instance is told to read.
struct SidecarProviderOptions {
  std::vector<std::string> folders;  // below which folders of this machine are read; none: none
  http::AddressPolicy policy;        // for what is no HTTP
  provisioning::Service* provisioning = nullptr;  // whose blueprints are products; none: no such
                                                  // provider
};

// Library purser_sidecar_providers.
absl::Status AddSidecarProviders(provider::Registry& registry, SidecarProviderOptions options = {});

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_REGISTRY_H_
