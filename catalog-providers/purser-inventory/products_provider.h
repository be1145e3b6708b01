// The catalog provider "purser-products": what may be asked for. Each blueprint becomes a Template
// whose form is made from the blueprint's parameters and whose one step is purser:request, and,
// where it is configured, an API that says how a program asks for the same.
#ifndef PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_PRODUCTS_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_PRODUCTS_PROVIDER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "provider/provider.h"
#include "provisioning/service.h"

namespace purser::catalog_providers {

// Thread-safe. For blueprints without a template of their own: list those that have one in
// `exclude`; their APIs are shown all the same.
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

// The portal's REST route for requests as an OpenAPI document, with the parameters of this
// blueprint.
nlohmann::json ApiOf(const provisioning::BlueprintInfo& blueprint, absl::string_view owner);

// What `context`'s config asks for of each blueprint. One that would not be valid is logged and
// left out.
absl::Status EmitProducts(absl::Span<const provisioning::BlueprintInfo> blueprints,
                          provider::Context& context);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_PURSER_INVENTORY_PRODUCTS_PROVIDER_H_
