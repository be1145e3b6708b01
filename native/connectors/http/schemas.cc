#include "connectors/http/schemas.h"

#include <string>

#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// Schemas are texts of ours; a fault in one is found by the first test.
constexpr char kConfig[] = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["endpoints"],
  "properties": {
    "endpoints": {
      "type": "array", "minItems": 1, "maxItems": 100,
      "description": "The URLs that steps may call: everything below each.",
      "items": {
        "type": "object", "additionalProperties": false, "required": ["url"],
        "properties": {
          "url": {"type": "string", "description": "http or https, without query."},
          "headers": {"type": "object", "default": {}, "additionalProperties": {"type": "string"},
            "description": "Sent with every call below the URL."},
          "secretHeaders": {"type": "object", "default": {},
            "description": "As headers, the value behind a secret reference.",
            "additionalProperties": {"type": "object", "additionalProperties": false,
              "required": ["reference"],
              "properties": {
                "reference": {"type": "string", "minLength": 1},
                "prefix": {"type": "string", "default": "",
                  "description": "Put in front of the secret, e.g. \"Bearer \"."}}}}
        }
      }
    },
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 3600, "default": 30},
    "maxResponseBytes": {"type": "integer", "minimum": 1, "maximum": 67108864, "default": 1048576},
    "idempotencyHeader": {"type": "string", "pattern": "^[A-Za-z0-9-]+$",
      "default": "Idempotency-Key"}
  }
})json";

constexpr char kRule[] = R"json({
  "type": "object",
  "properties": {
    "pointer": {"type": "string", "pattern": "^/",
      "description": "JSON pointer into {status, headers, body} of the answer."},
    "equals": {"description": "The value it must have."},
    "in": {"type": "array", "description": "Or: the values it may have."},
    "expression": {"type": "string", "minLength": 1,
      "description": "Template expression without ${{ }}, over response and outputs."}
  }
})json";

constexpr char kInput[] = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["url"],
  "not": {"required": ["json", "body"]},
  "properties": {
    "url": {"type": "string", "minLength": 1},
    "method": {"type": "string"},
    "headers": {"type": "object", "default": {}, "additionalProperties": {"type": "string"}},
    "secretHeaders": {"type": "object", "default": {}, "additionalProperties": {"type": "string"},
      "description": "Header name to secret reference."},
    "json": {"description": "Body, sent as application/json."},
    "body": {"type": "string", "description": "Body as it is."},
    "expect": {"type": "array", "minItems": 1,
      "items": {"type": "integer", "minimum": 200, "maximum": 499},
      "description": "Statuses that mean success; any 2xx when not given."},
    "outputs": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^(/|$)"},
      "description": "Name to JSON pointer into {status, headers, body}; all of it when not given."},
    "resource": {"type": "object", "additionalProperties": false, "required": ["type"],
      "properties": {
        "type": {"type": "string", "minLength": 1},
        "name": {"type": "string"},
        "id": {"type": "string", "minLength": 1},
        "idFrom": {"type": "string", "pattern": "^/", "description": "Pointer into the answer."}}},
    "ready": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "url": {"type": "string", "minLength": 1},
        "urlFrom": {"type": "string", "pattern": "^/",
          "description": "Pointer into the first answer, e.g. /headers/location."},
        "headers": {"type": "object", "default": {}, "additionalProperties": {"type": "string"}},
        "secretHeaders": {"type": "object", "default": {},
          "additionalProperties": {"type": "string"}},
        "failed": {},
        "outputs": {"type": "object", "default": {},
          "additionalProperties": {"type": "string", "pattern": "^(/|$)"},
          "description": "Added to the outputs once ready."},
        "intervalSeconds": {"type": "number", "minimum": 0.1, "maximum": 3600, "default": 5},
        "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 3600}
      }
    },
    "undo": {
      "type": "object", "additionalProperties": false,
      "description": "The call that undoes this one.",
      "properties": {
        "method": {"enum": ["DELETE", "POST", "PUT", "PATCH"], "default": "DELETE"},
        "url": {"type": "string", "minLength": 1},
        "urlFrom": {"type": "string", "pattern": "^/"},
        "headers": {"type": "object", "default": {}, "additionalProperties": {"type": "string"}},
        "secretHeaders": {"type": "object", "default": {},
          "additionalProperties": {"type": "string"}},
        "json": {}
      }
    }
  }
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "status": {"type": "integer", "examples": [201]},
    "headers": {"type": "object", "description": "Names in lower case."},
    "body": {"description": "Parsed when the answer is JSON, text otherwise."},
    "undo": {"type": "object", "description": "What the compensation will call."},
    "waiting": {"type": "object", "description": "While not ready: what is polled, since when."}
  }
})json";

Json InputSchema(const Json& methods, const char* default_method) {
  Json schema = json::Literal(kInput);
  schema["properties"]["method"] = {{"enum", methods}, {"default", default_method}};
  const Json rule = json::Literal(kRule);
  Json& ready = schema["properties"]["ready"]["properties"];
  ready.update(rule["properties"]);
  ready["failed"] = rule;
  return schema;
}

}  // namespace

const Json& HttpConfigSchema() {
  static const Json& schema = *new Json(json::Literal(kConfig));
  return schema;
}

const std::vector<Operation>& HttpOperations() {
  static const auto& operations = *new std::vector<Operation>{
      {"request",
       "One HTTP call with the effect key as idempotency header; the peer must honour it.",
       CallClass::kKeyed, InputSchema({"POST", "PUT", "PATCH", "DELETE", "GET"}, "POST"),
       json::Literal(kOutput), "undo"},
      {"put", "One HTTP call that gives the same state however often it is sent.", CallClass::kPut,
       InputSchema({"PUT", "DELETE", "GET", "HEAD", "PATCH", "POST"}, "PUT"),
       json::Literal(kOutput), "undo"},
      {"call", "One HTTP call sent at most once; an unknown outcome stops the run for an operator.",
       CallClass::kUnsafe, InputSchema({"POST", "PUT", "PATCH", "DELETE", "GET"}, "POST"),
       json::Literal(kOutput), "undo"},
      {"undo", "The call that a step's `undo` named; its input is that step's outputs.",
       CallClass::kPut, json::Literal(R"({"type": "object"})"), json::Literal(kOutput), ""}};
  return operations;
}

}  // namespace purser::connectors
