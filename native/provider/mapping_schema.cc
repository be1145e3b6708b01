#include <string>

#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "provider/mapping.h"

namespace purser::provider {
namespace {

using Json = nlohmann::json;

constexpr char kSchema[] = R"json({
  "type": "array", "maxItems": 200, "default": [],
  "description": "Rules that say how items become entities; the first that matches counts.",
  "items": {
    "type": "object", "additionalProperties": false,
    "properties": {
      "match": {
        "type": "object", "additionalProperties": false,
        "description": "All that is given must hold; without it the rule takes every item.",
        "properties": {
          "apiVersion": {"$ref": "#/definitions/patterns"},
          "kind": {"$ref": "#/definitions/patterns"},
          "namespace": {"$ref": "#/definitions/patterns"},
          "name": {"$ref": "#/definitions/patterns"},
          "labels": {"$ref": "#/definitions/pairs"},
          "annotations": {"$ref": "#/definitions/pairs"},
          "if": {"type": "string", "minLength": 1, "maxLength": 8192,
                 "description": "An expression ${{ … }} that must be true."}
        }
      },
      "drop": {"type": "boolean", "description": "The item becomes no entity."},
      "continue": {"type": "boolean", "description": "The rules behind this one are asked too."},
      "entity": {
        "type": "object", "additionalProperties": false,
        "description": "Fields of the entity; texts may hold expressions ${{ … }}.",
        "properties": {
          "kind": {"$ref": "#/definitions/text"},
          "name": {"$ref": "#/definitions/text"},
          "namespace": {"$ref": "#/definitions/text"},
          "title": {"$ref": "#/definitions/text"},
          "description": {"$ref": "#/definitions/text"},
          "owner": {"$ref": "#/definitions/text"},
          "system": {"$ref": "#/definitions/text"},
          "domain": {"$ref": "#/definitions/text"},
          "type": {"$ref": "#/definitions/text"},
          "lifecycle": {"$ref": "#/definitions/text"},
          "tags": {"oneOf": [{"$ref": "#/definitions/text"},
                             {"type": "array", "maxItems": 30, "items": {"$ref": "#/definitions/text"}}]},
          "links": {"oneOf": [{"$ref": "#/definitions/text"},
                              {"type": "array", "maxItems": 30, "items": {
                                "type": "object", "additionalProperties": false, "required": ["url"],
                                "properties": {
                                  "url": {"$ref": "#/definitions/text"},
                                  "title": {"$ref": "#/definitions/text"},
                                  "icon": {"$ref": "#/definitions/text"},
                                  "type": {"$ref": "#/definitions/text"}}}}]},
          "labels": {"$ref": "#/definitions/texts"},
          "annotations": {"$ref": "#/definitions/texts"},
          "dependsOn": {"oneOf": [{"$ref": "#/definitions/text"},
                                  {"type": "array", "maxItems": 100, "items": {"$ref": "#/definitions/text"}}]},
          "spec": {"type": "object", "maxProperties": 50,
                   "description": "Other members of the entity's spec."}
        }
      }
    }
  },
  "definitions": {}
})json";

// Stand below the schema's own "definitions", wherever a provider puts it; $ref is resolved against
// the whole document, so the references are written out here instead.
const Json& Definition(const std::string& name) {
  static const Json& definitions = *new Json(Json::parse(R"json({
    "text": {"type": "string", "maxLength": 8192},
    "patterns": {"description": "A name, or a list of them; * stands for any characters, ? for one.",
      "oneOf": [{"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1},
                 "minItems": 1, "maxItems": 100}]},
    "pairs": {"type": "object", "maxProperties": 50,
      "description": "Name to pattern of the value; null: there must be none of that name.",
      "additionalProperties": {"type": ["string", "null"]}},
    "texts": {"type": "object", "maxProperties": 100,
      "description": "Name to text; null takes the name away.",
      "additionalProperties": {"type": ["string", "null"], "maxLength": 8192}}
  })json"));
  return definitions[name];
}

void Inline(Json& schema) {
  if (schema.is_object()) {
    const auto found = schema.find("$ref");
    if (found != schema.end()) {
      const std::string name(absl::StripPrefix(found->get<std::string>(), "#/definitions/"));
      schema = Definition(name);
      return;
    }
  }
  if (schema.is_structured()) {
    for (Json& member : schema) Inline(member);
  }
}

}  // namespace

const Json& Mapping::Schema() {
  static const Json& schema = *[] {
    auto* const parsed = new Json(Json::parse(kSchema));
    parsed->erase("definitions");
    Inline(*parsed);
    return parsed;
  }();
  return schema;
}

}  // namespace purser::provider
