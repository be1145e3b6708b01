#include "connectors/sql/sql_schemas.h"

#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kConfig[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["servers"],
  "properties": {
    "servers": {"type": "object", "minProperties": 1, "maxProperties": 200,
      "propertyNames": {"pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"},
      "additionalProperties": {"type": "object", "additionalProperties": false, "required": ["url"],
        "properties": {
          "url": {"type": "string", "pattern": "^postgres(ql)?://",
            "description": "Of a role that may make databases and roles; without a password."},
          "password": {"type": "string", "minLength": 1, "description": "Secret reference."},
          "names": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": ["*"],
            "description": "Databases and roles that steps may touch, \"cust_*\" for prefixes."}}}},
    "defaultServer": {"type": "string", "description": "For steps that name none."}
  }
})json";

constexpr char kName[] =
    R"json({"type": "string", "pattern": "^[a-z_][a-z0-9_-]*$", "maxLength": 63})json";
constexpr char kNames[] = R"json({"type": "array", "default": [], "maxItems": 100,
  "items": {"type": "string", "pattern": "^[a-z_][a-z0-9_-]*$", "maxLength": 63}})json";

constexpr char kDatabase[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["name"],
  "properties": {
    "encoding": {"type": "string", "pattern": "^[A-Za-z0-9_]+$"},
    "template": {"type": "string", "pattern": "^[a-z_][a-z0-9_]*$"},
    "connectionLimit": {"type": "integer", "minimum": -1, "maximum": 100000},
    "extensions": {"type": "array", "default": [],
      "items": {"type": "string", "pattern": "^[a-z_][a-z0-9_-]*$"}}
  }
})json";

constexpr char kRole[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["name"],
  "properties": {
    "login": {"type": "boolean", "default": true},
    "password": {"type": "string", "minLength": 1,
      "description": "Secret reference; only its SCRAM verifier is sent."},
    "connectionLimit": {"type": "integer", "minimum": -1, "maximum": 100000},
    "validUntil": {"type": "string", "format": "date-time"}
  }
})json";

constexpr char kGrants[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["database", "role"],
  "properties": {
    "privileges": {"type": "array", "default": ["CONNECT"], "description": "On the database.",
      "items": {"enum": ["CONNECT", "CREATE", "TEMPORARY"]}},
    "makeSchema": {"type": "boolean", "default": true, "description": "Unless it is there."},
    "schemaPrivileges": {"type": "array", "default": ["USAGE"], "items": {"enum": ["USAGE", "CREATE"]}},
    "tablePrivileges": {"type": "array", "default": [],
      "description": "On all tables of the schema, those to come among them.",
      "items": {"enum": ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]}},
    "sequencePrivileges": {"type": "array", "default": [],
      "items": {"enum": ["USAGE", "SELECT", "UPDATE"]}}
  }
})json";

// These take the outputs of what they undo as they are.
constexpr char kDrop[] = R"json({
  "type": "object", "required": ["name"],
  "properties": {
    "created": {"type": "boolean", "description": "false: it was there before the step and stays."},
    "force": {"type": "boolean", "default": false, "description": "End the connections to it."},
    "databases": {"type": "array", "default": [], "items": {"type": "string"},
      "description": "Where a role may own objects; they go to the connector's own role."}
  }
})json";

constexpr char kRevoke[] = R"json({
  "type": "object", "required": ["database", "role"],
  "properties": {"schema": {"type": "string"}}
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "server": {"type": "string", "examples": ["main"]},
    "name": {"type": "string", "examples": ["shop"]},
    "database": {"type": "string"}, "role": {"type": "string"}, "schema": {"type": "string"},
    "host": {"type": "string"}, "port": {"type": "string"},
    "created": {"type": "boolean", "description": "Whether the step made it."}
  }
})json";

Json With(const char* text, std::initializer_list<const char*> names,
          std::initializer_list<const char*> lists = {}) {
  Json schema = json::Literal(text);
  Json& properties = schema["properties"];
  properties["server"] = {{"type", "string"}, {"description", "Name in the connector's config."}};
  for (const char* name : names) properties[name] = json::Literal(kName);
  for (const char* name : lists) properties[name] = json::Literal(kNames);
  return schema;
}

}  // namespace

const Json& SqlConfigSchema() {
  static const Json& schema = *new Json(json::Literal(kConfig));
  return schema;
}

const std::vector<Operation>& SqlOperations() {
  const Json output = json::Literal(kOutput);
  static const auto& operations = *new std::vector<Operation>{
      {"database", "A database, made unless it is there.", CallClass::kPut,
       With(kDatabase, {"name", "owner"}), output, "drop-database"},
      {"role", "A role, made unless it is there; password and limits are set each time.",
       CallClass::kPut, With(kRole, {"name"}, {"memberOf"}), output, "drop-role"},
      {"grants", "Rights of a role in a database, and a schema for it.", CallClass::kPut,
       With(kGrants, {"database", "role", "schema"}), output, "revoke"},
      {"drop-database", "Drops a database with all that is in it.", CallClass::kPut,
       With(kDrop, {"name"}), output, ""},
      {"drop-role", "Drops a role.", CallClass::kPut, With(kDrop, {"name"}), output, ""},
      {"revoke", "Takes a role's rights in a database back.", CallClass::kPut,
       With(kRevoke, {"database", "role"}), output, ""}};
  return operations;
}

}  // namespace purser::connectors
