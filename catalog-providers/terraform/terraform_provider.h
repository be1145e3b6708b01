// The catalog provider "terraform": environments, customers, apps and modules of a repository of
// Terraform, and what its states say was made.
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_TERRAFORM_PROVIDER_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_TERRAFORM_PROVIDER_H_

#include <string>
#include <vector>

#include "provider/provider.h"

namespace purser::catalog_providers {

// Reads one branch of a git repository without cloning it (nothing at all while its tip stays), or
// a folder of this machine. Each folder is a partition: a file that is wrong keeps what the catalog
// has from its folder, and what is right elsewhere is taken; so is each root's state. Thread-safe.
class TerraformProvider final : public provider::Provider {
 public:
  // Folders (and states) are read only below these; none: git repositories only.
  explicit TerraformProvider(std::vector<std::string> allowed_folders = {});
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override;

 private:
  provider::Description description_;
  std::vector<std::string> allowed_folders_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_TERRAFORM_PROVIDER_H_
