#include "catalog-providers/purser-inventory/products_provider.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "json/json.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;

constexpr char kConfigSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["owner"],
  "additionalProperties": false,
  "properties": {
    "owner": {
      "type": "string", "minLength": 1,
      "description": "Entity ref of who looks after the templates, e.g. group:default/platform."
    },
    "exclude": {
      "type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 1000,
      "default": [],
      "description": "Names of blueprints that have a template of their own."
    }
  }
})json";

// Where the form lets people choose a group instead of typing its ref.
constexpr char kOwner[] = "owner";

json OwnerField() {
  return {{"type", "string"},
          {"title", "Owner"},
          {"description", "The group that pays and is asked."},
          {"ui:field", "OwnerPicker"},
          {"ui:options", {{"catalogFilter", {{"kind", "Group"}}}}}};
}

}  // namespace

json TemplateOf(const provisioning::BlueprintInfo& blueprint, absl::string_view owner) {
  const json& schema = blueprint.parameters_schema;
  json page = {{"title", blueprint.title.empty() ? blueprint.name : blueprint.title},
               {"properties", json::object()}};
  json parameters = json::object();
  if (schema.is_object() && schema.contains("properties")) {
    for (const auto& [name, property] : schema.at("properties").items()) {
      page["properties"][name] = name == kOwner ? OwnerField() : property;
      parameters[name] = absl::StrCat("${{ parameters['", name, "'] }}");
    }
    if (schema.contains("required")) page["required"] = schema.at("required");
    if (schema.contains("dependencies")) page["dependencies"] = schema.at("dependencies");
  }
  page["properties"].emplace(kOwner, OwnerField());
  json& required = page["required"];
  if (std::find(required.begin(), required.end(), kOwner) == required.end()) {
    required.push_back(kOwner);
  }
  json metadata = {{"name", catalog::SanitizeName(absl::StrCat("product-", blueprint.name))},
                   {"title", page["title"]},
                   {"tags", {"product"}},
                   {"annotations", {{"purser.dev/blueprint", blueprint.name}}}};
  if (!blueprint.description.empty()) metadata["description"] = blueprint.description;
  return {
      {"apiVersion", "scaffolder.backstage.io/v1beta3"},
      {"kind", "Template"},
      {"metadata", std::move(metadata)},
      {"spec",
       {{"type", "product"},
        {"owner", std::string(owner)},
        {"parameters", json::array({std::move(page)})},
        {"steps", json::array({{{"id", "request"},
                                {"name", "Provision"},
                                {"action", "purser:request"},
                                {"input",
                                 {{"blueprint", blueprint.name},
                                  {"owner", "${{ parameters.owner }}"},
                                  {"wait", true},
                                  {"parameters", std::move(parameters)}}}}})},
        {"output",
         {{"links", json::array({{{"title", "In the catalog"},
                                  {"icon", "catalog"},
                                  {"entityRef", "${{ steps.request.output.entityRef }}"}}})}}}}}};
}

ProductsProvider::ProductsProvider(provisioning::Service& provisioning)
    : provisioning_(provisioning) {
  description_.id = "purser-products";
  description_.description = "Templates of the products that purserd's blueprints offer.";
  description_.host = action::Host::kSidecar;
  description_.kinds = {"Template"};
  description_.refresh_every = absl::Minutes(1);
  description_.config_schema = json::parse(kConfigSchema);
}

absl::Status ProductsProvider::Snapshot(provider::Context& context) {
  const json& exclude = context.config().at("exclude");
  for (const provisioning::BlueprintInfo& blueprint : provisioning_.ListBlueprints()) {
    if (std::find(exclude.begin(), exclude.end(), blueprint.name) != exclude.end()) continue;
    const absl::Status status = context.EmitIn(
        blueprint.name,
        TemplateOf(blueprint, context.config().at("owner").get_ref<const std::string&>()));
    if (absl::IsInvalidArgument(status)) {
      context.Log(action::LogLevel::kWarning,
                  absl::StrCat("blueprint ", blueprint.name, ": ", status.message()));
      continue;
    }
    PURSER_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

}  // namespace purser::catalog_providers
