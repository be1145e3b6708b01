#include "catalog-providers/registry.h"

namespace purser::catalog_providers {

absl::Status AddPortalProviders(provider::Registry&) { return absl::OkStatus(); }

}  // namespace purser::catalog_providers
