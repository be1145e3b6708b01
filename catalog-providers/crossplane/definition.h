// A CompositeResourceDefinition of Crossplane 1 or 2: what may be asked for, and how.
#ifndef PURSER_CATALOG_PROVIDERS_CROSSPLANE_DEFINITION_H_
#define PURSER_CATALOG_PROVIDERS_CROSSPLANE_DEFINITION_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "catalog-providers/cluster_source.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers {

struct OfferedKind {
  std::string kind;
  std::string plural;
  bool namespaced = false;
};

struct CompositeDefinition {
  std::string group;
  std::string version;  // the one objects are to be written in
  OfferedKind composite;
  std::optional<OfferedKind> claim;  // Crossplane 1, and LegacyCluster of 2
  nlohmann::json schema;             // openAPIV3Schema of that version, an object, perhaps empty

  std::string api_version() const { return group + "/" + version; }
  // What people ask for: the claim where there is one.
  const OfferedKind& offered() const { return claim.has_value() ? *claim : composite; }
  // The schema of `spec`, without what Crossplane itself adds.
  nlohmann::json SpecSchema() const;

  // INVALID_ARGUMENT says what is missing.
  static absl::StatusOr<CompositeDefinition> Read(const ClusterObject& object);
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CROSSPLANE_DEFINITION_H_
