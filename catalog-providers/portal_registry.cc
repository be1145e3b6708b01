#include <memory>

#include "catalog-providers/registry.h"
#include "catalog-providers/source-tree/source_tree.h"

namespace purser::catalog_providers {

absl::Status AddPortalProviders(provider::Registry& registry) {
  return registry.Add(std::make_unique<SourceTreeProvider>());
}

}  // namespace purser::catalog_providers
