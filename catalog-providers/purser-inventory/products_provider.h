// The catalog provider "purser-products": what may be asked for. Each blueprint becomes a Template
// whose form is made from the blueprint's parameters and whose one step is purser:request.
#ifndef PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_PRODUCTS_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_PRODUCTS_PROVIDER_H_

#include "absl/status/status.h"
#include "provider/provider.h"
#include "provisioning/service.h"

namespace purser::catalog_providers {

// Thread-safe. For blueprints without a template of their own: list those that have one in
// `exclude`.
class ProductsProvider final : public provider::Provider {
 public:
  // `provisioning` must outlive it.
  explicit ProductsProvider(provisioning::Service& provisioning);
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override;

 private:
  provisioning::Service& provisioning_;
  provider::Description description_;
};

// The template of one blueprint. `owner` is the template's own.
nlohmann::json TemplateOf(const provisioning::BlueprintInfo& blueprint, absl::string_view owner);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_PRODUCTS_PROVIDER_H_
