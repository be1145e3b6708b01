#include "catalog-providers/crossplane/definition.h"

#include "absl/strings/str_cat.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

// Members of spec by which Crossplane does its own work.
constexpr const char* kMachinery[] = {"claimRef",
                                      "compositeDeletePolicy",
                                      "compositionRef",
                                      "compositionRevisionRef",
                                      "compositionRevisionSelector",
                                      "compositionSelector",
                                      "compositionUpdatePolicy",
                                      "crossplane",
                                      "environmentConfigRefs",
                                      "publishConnectionDetailsTo",
                                      "resourceRef",
                                      "resourceRefs",
                                      "writeConnectionSecretToRef"};

absl::Status Missing(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("the definition has no ", what));
}

}  // namespace

absl::StatusOr<CompositeDefinition> CompositeDefinition::Read(const ClusterObject& object) {
  CompositeDefinition definition;
  definition.group = object.TextAt({"spec", "group"});
  definition.composite.kind = object.TextAt({"spec", "names", "kind"});
  definition.composite.plural = object.TextAt({"spec", "names", "plural"});
  if (definition.group.empty()) return Missing("spec.group");
  if (definition.composite.kind.empty()) return Missing("spec.names.kind");
  // Crossplane 1 has no scope: its composites live in no namespace.
  definition.composite.namespaced = object.TextAt({"spec", "scope"}) == "Namespaced";
  const std::string claim = object.TextAt({"spec", "claimNames", "kind"});
  if (!claim.empty()) {
    definition.claim = OfferedKind{claim, object.TextAt({"spec", "claimNames", "plural"}), true};
  }
  const Json* const versions = object.At({"spec", "versions"});
  if (versions == nullptr || !versions->is_array()) return Missing("spec.versions");
  const Json* chosen = nullptr;
  for (const Json& version : *versions) {
    if (!version.is_object() || version.value("served", Json()) != true) continue;
    if (chosen == nullptr || version.value("referenceable", Json()) == true) chosen = &version;
  }
  if (chosen == nullptr) return Missing("version that is served");
  definition.version = json::TextAt(*chosen, {"name"});
  if (definition.version.empty()) return Missing("name of its version");
  const Json* const schema = json::ValueAt(*chosen, {"schema", "openAPIV3Schema"});
  definition.schema = schema != nullptr && schema->is_object() ? *schema : Json::object();
  return definition;
}

Json CompositeDefinition::SpecSchema() const {
  const Json* const spec = json::ValueAt(schema, {"properties", "spec"});
  Json result = spec != nullptr && spec->is_object() ? *spec : Json::object();
  const auto properties = result.find("properties");
  if (properties != result.end() && properties->is_object()) {
    for (const char* name : kMachinery) properties->erase(name);
  }
  return result;
}

}  // namespace purser::catalog_providers
