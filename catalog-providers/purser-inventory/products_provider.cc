#include "catalog-providers/purser-inventory/products_provider.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "json/json.h"
#include "json/literal.h"

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
    },
    "apis": {
      "type": "boolean", "default": false,
      "description": "Also an API for each product: how a program asks for it."
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

std::string TitleOf(const provisioning::BlueprintInfo& blueprint) {
  return blueprint.title.empty() ? blueprint.name : blueprint.title;
}

json MetadataOf(const provisioning::BlueprintInfo& blueprint) {
  json metadata = {{"name", catalog::SanitizeName(absl::StrCat("product-", blueprint.name))},
                   {"title", TitleOf(blueprint)},
                   {"tags", {"product"}},
                   {"annotations", {{"purser.dev/blueprint", blueprint.name}}}};
  if (!blueprint.description.empty()) metadata["description"] = blueprint.description;
  return metadata;
}

// Of an operation's answer.
json Answer(absl::string_view description) { return {{"description", std::string(description)}}; }

}  // namespace

json TemplateOf(const provisioning::BlueprintInfo& blueprint, absl::string_view owner) {
  const json& schema = blueprint.parameters_schema;
  json page = {{"title", TitleOf(blueprint)}, {"properties", json::object()}};
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
  return {
      {"apiVersion", "scaffolder.backstage.io/v1beta3"},
      {"kind", "Template"},
      {"metadata", MetadataOf(blueprint)},
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

json ApiOf(const provisioning::BlueprintInfo& blueprint, absl::string_view owner) {
  json parameters = blueprint.parameters_schema.is_object() ? blueprint.parameters_schema
                                                            : json{{"type", "object"}};
  json body = purser::json::Literal(R"json({
    "type": "object", "required": ["blueprint", "parameters"],
    "properties": {
      "owner": {"type": "string", "description": "Entity ref of who pays and is asked."},
      "requester": {"type": "string", "description": "Entity ref; only for services."},
      "idempotencyKey": {"type": "string", "maxLength": 200,
        "description": "A repeat with the same key and input gives the same request."},
      "validateOnly": {"type": "boolean", "description": "Plan only, store nothing."}
    }
  })json");
  body["properties"]["blueprint"] = {{"const", blueprint.name}};
  body["properties"]["parameters"] = std::move(parameters);
  json info = {{"title", TitleOf(blueprint)}, {"version", "1.0.0"}};
  if (!blueprint.description.empty()) info["description"] = blueprint.description;
  const json operation = {
      {"operationId", "createRequest"},
      {"summary", absl::StrCat("Asks for ", TitleOf(blueprint), ".")},
      {"requestBody",
       {{"required", true}, {"content", {{"application/json", {{"schema", std::move(body)}}}}}}},
      {"responses",
       {{"201", Answer("The request; its state is followed by its id.")},
        {"400", Answer("The parameters do not fit; all problems at once.")},
        {"403", Answer("Without the permission purser.request.create.")},
        {"409", Answer("The key was used for another request.")}}}};
  const json definition = {
      {"openapi", "3.1.0"},
      {"info", std::move(info)},
      {"servers", json::array({{{"url", "/api/purser"}}})},
      {"security", json::array({{{"backstage", json::array()}}})},
      {"paths", {{"/v1/requests", {{"post", operation}}}}},
      {"components",
       {{"securitySchemes", {{"backstage", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  return {{"apiVersion", "backstage.io/v1alpha1"},
          {"kind", "API"},
          {"metadata", MetadataOf(blueprint)},
          {"spec",
           {{"type", "openapi"},
            {"lifecycle", "production"},
            {"owner", std::string(owner)},
            {"definition", purser::json::Dump(definition)}}}};
}

absl::Status EmitProducts(absl::Span<const provisioning::BlueprintInfo> blueprints,
                          provider::Context& context) {
  const json& config = context.config();
  const json& exclude = config.at("exclude");
  const auto& owner = config.at("owner").get_ref<const std::string&>();
  for (const provisioning::BlueprintInfo& blueprint : blueprints) {
    std::vector<json> entities;
    if (std::find(exclude.begin(), exclude.end(), blueprint.name) == exclude.end()) {
      entities.push_back(TemplateOf(blueprint, owner));
    }
    if (config.at("apis").get<bool>()) entities.push_back(ApiOf(blueprint, owner));
    for (const json& entity : entities) {
      const absl::Status status = context.EmitIn(blueprint.name, entity);
      if (absl::IsInvalidArgument(status)) {
        context.Log(action::LogLevel::kWarning,
                    absl::StrCat("blueprint ", blueprint.name, ": ", status.message()));
        continue;
      }
      PURSER_RETURN_IF_ERROR(status);
    }
  }
  return absl::OkStatus();
}

ProductsProvider::ProductsProvider(provisioning::Service& provisioning)
    : provisioning_(provisioning) {
  description_.id = "purser-products";
  description_.description =
      "Templates of the products that purserd's blueprints offer, and how programs ask for them.";
  description_.host = action::Host::kSidecar;
  description_.kinds = {"API", "Template"};
  description_.refresh_every = absl::Minutes(1);
  description_.config_schema = json::parse(kConfigSchema);
}

absl::Status ProductsProvider::Snapshot(provider::Context& context) {
  return EmitProducts(provisioning_.ListBlueprints(), context);
}

}  // namespace purser::catalog_providers
