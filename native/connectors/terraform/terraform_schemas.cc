#include "connectors/terraform/terraform_schemas.h"

#include <utility>

#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kConfig[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["folder", "plans"],
  "properties": {
    "program": {"type": "string", "minLength": 1, "default": "terraform",
      "description": "terraform or tofu, or a path to one."},
    "folder": {"type": "string", "pattern": "^/", "description": "The checkout that holds the roots."},
    "plans": {"type": "string", "pattern": "^/",
      "description": "A folder of our own for plans and providers; plans may hold secrets."},
    "roots": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": ["*"],
      "description": "Folders that steps may touch, \"environments/*\" for all below."},
    "environment": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
    "secretEnvironment": {"type": "object", "additionalProperties": {"type": "string"},
      "default": {}, "description": "Variables whose values are secret references (ARM_CLIENT_SECRET)."},
    "cliConfig": {"type": "string", "pattern": "^/", "description": "Terraform's own configuration file."},
    "lockTimeout": {"type": "string", "pattern": "^[0-9]+[smh]$", "default": "5m"},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 86400, "default": 3600},
    "graceSeconds": {"type": "number", "minimum": 0, "maximum": 3600, "default": 120,
      "description": "From SIGINT to the end by force."}
  }
})json";

constexpr char kRootFields[] = R"json({
  "root": {"type": "string", "minLength": 1, "maxLength": 1000,
    "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$",
    "description": "Folder in the checkout."},
  "variables": {"type": "object", "default": {}, "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_-]*$"}},
  "secretVariables": {"type": "object", "default": {}, "additionalProperties": {"type": "string"},
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_-]*$"},
    "description": "Values are secret references."},
  "backend": {"type": "object", "default": {}, "additionalProperties": {"type": "string"},
    "description": "Settings of the backend that the root leaves open (key, bucket); no secrets."}
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "root": {"type": "string", "examples": ["environments/prod/infra"]},
    "planHash": {"type": "string", "description": "SHA-256 of the stored plan."},
    "changed": {"type": "boolean", "description": "Whether the plan changes anything."},
    "summary": {"type": "object", "description": "How many are added, changed, removed, imported."},
    "changes": {"type": "array", "description": "address and action, at most 500."},
    "outputs": {"type": "object", "description": "Of the root; sensitive ones as references."},
    "variables": {"type": "object"},
    "secretVariables": {"type": "object"},
    "backend": {"type": "object"}
  }
})json";

Json RootSchema(bool closed) {
  Json schema = {
      {"type", "object"}, {"required", {"root"}}, {"properties", json::Literal(kRootFields)}};
  if (closed) schema["additionalProperties"] = false;
  return schema;
}

}  // namespace

const Json& TerraformConfigSchema() {
  static const Json& schema = *new Json(json::Literal(kConfig));
  return schema;
}

const std::vector<Operation>& TerraformOperations() {
  static const auto& operations = *[] {
    Json plan = RootSchema(true);
    plan["properties"]["destroy"] = {{"type", "boolean"},
                                     {"default", false},
                                     {"description", "A plan that removes everything."}};
    Json apply = RootSchema(true);
    apply["properties"]["planHash"] = {{"type", "string"}, {"pattern", "^[0-9a-f]{64}$"}};
    apply["required"].push_back("planHash");
    return new std::vector<Operation>{
        {"plan", "Initialises a root, makes a plan, stores and hashes it.", CallClass::kPut,
         std::move(plan), json::Literal(kOutput), ""},
        {"apply", "Applies the stored plan that has this hash, and no other.", CallClass::kProbe,
         std::move(apply), json::Literal(kOutput), "destroy"},
        {"destroy", "Removes everything that a root made.", CallClass::kPut, RootSchema(false),
         json::Literal(kOutput), ""}};
  }();
  return operations;
}

}  // namespace purser::connectors
