// What a cluster would say to an object: the schema of a CustomResourceDefinition (or of
// Crossplane's CompositeResourceDefinition), applied as the API server does, and stricter: fields
// that the server would drop without a word are errors here.
#ifndef PURSER_JSON_CRD_SCHEMA_H_
#define PURSER_JSON_CRD_SCHEMA_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "json/json.h"
#include "nlohmann/json.hpp"

namespace purser::json {

inline constexpr int kMaxCrdDepth = 100;  // of a schema

// The definition of one kind in one version. Immutable.
class CrdSchema {
 public:
  // Looks through `definitions` (CRDs and XRDs; other objects are passed over). FAILED_PRECONDITION
  // when none defines the kind, or not in this version, with those that are there.
  static absl::StatusOr<CrdSchema> Find(const std::vector<nlohmann::json>& definitions,
                                        absl::string_view api_version, absl::string_view kind);

  // All that is wrong, at JSON pointers; a field nobody knows names the nearest one.
  std::vector<Violation> Validate(const nlohmann::json& object) const;
  // Only the fields nobody knows: for an object that others complete, whose parts may be missing.
  std::vector<Violation> UnknownFields(const nlohmann::json& object) const;

  bool namespaced() const { return namespaced_; }
  // Rules in CEL, which only the server can judge, and patterns in a syntax that is not known here.
  int unchecked_rules() const { return unchecked_rules_; }

 private:
  CrdSchema(nlohmann::json source, Schema schema)
      : source_(std::move(source)), schema_(std::move(schema)) {}

  nlohmann::json source_;  // openAPIV3Schema
  Schema schema_;          // the same as draft-07
  bool namespaced_ = true;
  int unchecked_rules_ = 0;
};

// Name, labels and annotations as the API server demands them of every object.
std::vector<Violation> CheckMetadata(const nlohmann::json& metadata);

// The name of `names` that is nearest to `name`; "" when none is near.
std::string NearestName(absl::string_view name, const std::vector<std::string>& names);

// A definition without what validation needs not: descriptions, examples, status, printer columns.
nlohmann::json TrimDefinition(const nlohmann::json& definition);

}  // namespace purser::json

#endif  // PURSER_JSON_CRD_SCHEMA_H_
