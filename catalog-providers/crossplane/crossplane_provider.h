// The catalog provider "crossplane": what a platform offers and what was made of it. Definitions
// become Templates (forms from their schema) and APIs; claims, composites and what they are
// composed of become trees of Resources. Crossplane 1 and 2.
#ifndef PURSER_CATALOG_PROVIDERS_CROSSPLANE_CROSSPLANE_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_CROSSPLANE_CROSSPLANE_PROVIDER_H_

#include "absl/status/status.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// Thread-safe.
class CrossplaneProvider final : public provider::Provider {
 public:
  CrossplaneProvider();
  const provider::Description& description() const override { return description_; }
  absl::Status Watch(provider::Context& context) override;

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CROSSPLANE_CROSSPLANE_PROVIDER_H_
