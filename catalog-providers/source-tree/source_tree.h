// The catalog provider "source-tree": the entities that catalog-info files below a folder describe,
// for example in the checkout of a repository.
#ifndef PURSER_CATALOG_PROVIDERS_SOURCE_TREE_SOURCE_TREE_H_
#define PURSER_CATALOG_PROVIDERS_SOURCE_TREE_SOURCE_TREE_H_

#include "absl/status/status.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

inline constexpr int64_t kMaxCatalogFileBytes = 1 << 20;
// With aliases expanded; what they expand to may have 8 times the bytes of a file.
inline constexpr int64_t kMaxCatalogFileValues = 200'000;
// Of one round; the rest is counted only.
inline constexpr int kMaxLoggedProblems = 200;

// Files and entities that are wrong are logged with file:line:column and dropped, so that one
// team's mistake does not stop the others; a root that cannot be read, or more files than
// `maxFiles`, fails the round and leaves the catalog as it is. Symbolic links are not followed. By
// default users, groups, locations and templates are refused: who may write to a repository should
// not thereby give out memberships, make the portal read elsewhere, or offer templates that run
// actions. Thread-safe.
class SourceTreeProvider final : public provider::Provider {
 public:
  SourceTreeProvider();
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override;

 private:
  provider::Description description_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_SOURCE_TREE_SOURCE_TREE_H_
