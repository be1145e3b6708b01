#include "provisioning/blueprint_schema.h"

namespace purser::provisioning {
namespace {

constexpr char kSchema[] = R"({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "Purser blueprint",
  "type": "object",
  "required": ["apiVersion", "kind", "metadata", "spec"],
  "additionalProperties": false,
  "properties": {
    "apiVersion": {"const": "purser.dev/v1"},
    "kind": {"const": "Blueprint"},
    "metadata": {
      "type": "object",
      "required": ["name"],
      "additionalProperties": false,
      "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63},
        "title": {"type": "string", "maxLength": 200},
        "description": {"type": "string", "maxLength": 10000}
      }
    },
    "spec": {
      "type": "object",
      "required": ["steps"],
      "additionalProperties": false,
      "properties": {
        "parameters": {"type": "object"},
        "owner": {"type": "string", "minLength": 1},
        "environment": {"type": "string", "minLength": 1, "maxLength": 1000},
        "classification": {"type": "string", "minLength": 1, "maxLength": 1000},
        "product": {"type": "string", "minLength": 1, "maxLength": 128},
        "parallel": {"type": "integer", "minimum": 1, "maximum": 200},
        "approval": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "required": {"type": "boolean"},
            "message": {"type": "string", "maxLength": 1000},
            "count": {"type": "integer", "minimum": 1, "maximum": 20},
            "fourEyes": {"type": "boolean"},
            "from": {"type": "array", "maxItems": 50,
                     "items": {"type": "string", "minLength": 1, "maxLength": 512}}
          }
        },
        "life": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "expiresAfter": {"type": "string", "minLength": 1},
            "reminders": {"type": "array", "maxItems": 20, "items": {"type": "string"}},
            "grace": {"type": "string"},
            "then": {"enum": ["delete", "suspend"]},
            "renewBy": {"type": "string"},
            "protected": {"type": ["boolean", "string"]},
            "suspendable": {"type": "boolean"},
            "drift": {
              "type": "object",
              "required": ["every"],
              "additionalProperties": false,
              "properties": {
                "every": {"type": "string"},
                "repair": {"type": "boolean"}
              }
            }
          }
        },
        "steps": {
          "type": "array",
          "minItems": 1,
          "maxItems": 200,
          "items": {
            "type": "object",
            "required": ["id", "uses"],
            "additionalProperties": false,
            "properties": {
              "id": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]*$", "maxLength": 63},
              "uses": {"type": "string"},
              "needs": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
              "if": {"type": ["string", "boolean"]},
              "each": {"type": ["string", "array"], "maxItems": 100},
              "keep": {"type": "boolean"},
              "with": {"type": "object"},
              "timeout": {"type": "string"},
              "retries": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                  "attempts": {"type": "integer", "minimum": 1, "maximum": 100},
                  "initialDelay": {"type": "string"},
                  "maxDelay": {"type": "string"}
                }
              },
              "resources": {
                "type": "array",
                "maxItems": 100,
                "items": {
                  "type": "object",
                  "required": ["id", "type"],
                  "additionalProperties": false,
                  "properties": {
                    "id": {"type": "string", "minLength": 1},
                    "type": {"type": "string", "minLength": 1},
                    "name": {"type": "string"},
                    "attributes": {"type": "object"}
                  }
                }
              }
            }
          }
        },
        "outputs": {"type": "object"},
        "entity": {
          "type": "object",
          "required": ["metadata", "spec"],
          "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "required": ["name"]},
            "spec": {"type": "object", "required": ["type"]}
          }
        }
      }
    }
  }
})";

}  // namespace

const nlohmann::json& BlueprintSchema() {
  static const auto& schema = *new nlohmann::json(nlohmann::json::parse(kSchema));
  return schema;
}

}  // namespace purser::provisioning
