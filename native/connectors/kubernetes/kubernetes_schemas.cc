#include "connectors/kubernetes/kubernetes_schemas.h"

#include "connectors/kubernetes/kubeconfig.h"
#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kConfig[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["clusters"],
  "properties": {
    "clusters": {
      "type": "object", "minProperties": 1, "maxProperties": 500,
      "propertyNames": {"pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"},
      "additionalProperties": {
        "type": "object", "additionalProperties": false,
        "properties": {
          "namespaces": {"type": "array", "items": {"type": "string", "minLength": 1},
            "description": "Namespaces that steps may touch, \"team-*\" for prefixes; all if empty.",
            "default": []},
          "forbiddenNamespaces": {"type": "array", "items": {"type": "string", "minLength": 1},
            "description": "Namespaces that nothing may touch, whatever else is allowed.",
            "default": ["kube-system", "kube-public", "kube-node-lease"]},
          "clusterScoped": {"type": "boolean",
            "description": "Whether objects outside namespaces may be touched; true unless namespaces are listed."}
        }
      }
    },
    "defaultCluster": {"type": "string", "description": "For steps that name none."},
    "definitions": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": [],
      "description": "YAML files with CustomResourceDefinitions by which objects are judged; the cluster's own are read for kinds that stand in none."},
    "fieldManager": {"type": "string", "minLength": 1, "maxLength": 128, "default": "purser"}
  }
})json";

// `outputs` and `ready` of apply and wait.
constexpr char kShared[] = R"json({
  "cluster": {"type": "string", "description": "Name in the connector's config."},
  "ready": {
    "description": "When the object counts as ready, instead of the rules of its kind.",
    "oneOf": [
      {"const": "exists"},
      {"type": "object", "additionalProperties": false, "required": ["condition"],
       "properties": {"condition": {"type": "string"},
                      "status": {"type": "string", "default": "True"}}},
      {"type": "object", "additionalProperties": false, "required": ["pointer"],
       "properties": {"pointer": {"type": "string", "pattern": "^/"}, "equals": {},
                      "in": {"type": "array"}}}]},
  "outputs": {"type": "object", "default": {},
    "additionalProperties": {"type": "string", "pattern": "^/"},
    "description": "Name to JSON pointer into the object once it is ready."},
  "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 900,
    "description": "Patience with the object's becoming ready (or going away)."}
})json";

constexpr char kApply[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["object"],
  "properties": {
    "object": {"type": ["object", "string"],
      "description": "The object, or YAML text of one."},
    "namespace": {"type": "string", "description": "For an object that names none."},
    "force": {"type": "boolean", "default": false,
      "description": "Take over fields that another manager owns."},
    "wait": {"type": "boolean", "default": true, "description": "Until the object is ready."}
  }
})json";

constexpr char kApplySet[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["name", "objects"],
  "properties": {
    "cluster": {"type": "string", "description": "Name in the connector's config."},
    "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "maxLength": 253,
      "description": "Of the set: the ConfigMap that stands for it."},
    "namespace": {"type": "string",
      "description": "Of the set, and of objects that name none."},
    "objects": {"type": ["array", "string"], "maxItems": 200, "items": {"type": "object"},
      "description": "The objects, or YAML text of them."},
    "prune": {"type": "boolean", "default": true,
      "description": "Delete what an earlier call of the set applied and this one does not name."},
    "force": {"type": "boolean", "default": false,
      "description": "Take over fields that another manager owns."},
    "wait": {"type": "boolean", "default": true, "description": "Until all objects are ready."},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 900,
      "description": "Patience with the objects' becoming ready."}
  }
})json";

// Takes the outputs of apply-set as they are.
constexpr char kDeleteSet[] = R"json({
  "type": "object", "required": ["name"],
  "properties": {
    "cluster": {"type": "string"},
    "namespace": {"type": "string"},
    "name": {"type": "string", "minLength": 1},
    "members": {"type": "array", "maxItems": 200, "items": {"type": "object",
      "required": ["apiVersion", "kind", "name"]}},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 900}
  }
})json";

constexpr char kPreview[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["objects"],
  "properties": {
    "cluster": {"type": "string", "description": "Name in the connector's config."},
    "namespace": {"type": "string", "description": "For objects that name none."},
    "objects": {"type": ["array", "string"], "maxItems": 200, "items": {"type": "object"},
      "description": "The objects, or YAML text of them."},
    "force": {"type": "boolean", "default": false}
  }
})json";

constexpr char kSetOutput[] = R"json({
  "type": "object",
  "properties": {
    "cluster": {"type": "string", "examples": ["analytics"]},
    "namespace": {"type": "string", "examples": ["team-a"]},
    "name": {"type": "string", "examples": ["shop"]},
    "members": {"type": "array", "description": "apiVersion, kind, namespace, name, uid, created."},
    "pruned": {"type": "array", "description": "What was deleted because the set no longer names it."}
  }
})json";

constexpr char kPreviewOutput[] = R"json({
  "type": "object",
  "properties": {
    "changed": {"type": "boolean", "description": "Whether anything would change."},
    "objects": {"type": "array",
      "description": "For each its place, action (create, update, none) and changes (pointer, from, to; at most 100)."}
  }
})json";

constexpr char kWait[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["apiVersion", "kind", "name"],
  "properties": {
    "apiVersion": {"type": "string", "minLength": 1},
    "kind": {"type": "string", "minLength": 1},
    "namespace": {"type": "string"},
    "name": {"type": "string", "minLength": 1}
  }
})json";

// Takes the outputs of apply as they are, so more members are fine.
constexpr char kDelete[] = R"json({
  "type": "object", "required": ["apiVersion", "kind", "name"],
  "properties": {
    "cluster": {"type": "string"},
    "apiVersion": {"type": "string", "minLength": 1},
    "kind": {"type": "string", "minLength": 1},
    "namespace": {"type": "string"},
    "name": {"type": "string", "minLength": 1},
    "uid": {"type": "string", "description": "Only this very object."},
    "created": {"type": "boolean",
      "description": "false: the object was there before the step and stays."},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 900}
  }
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "cluster": {"type": "string", "examples": ["analytics"]},
    "apiVersion": {"type": "string", "examples": ["apps/v1"]},
    "kind": {"type": "string", "examples": ["Deployment"]},
    "namespace": {"type": "string", "examples": ["team-a"]},
    "name": {"type": "string", "examples": ["notebook"]},
    "uid": {"type": "string"},
    "created": {"type": "boolean", "description": "Whether the step made the object."},
    "sinceSeconds": {"type": "integer", "description": "Start of the wait, Unix time."}
  }
})json";

Json WithShared(const char* text) {
  Json schema = json::Literal(text);
  schema["properties"].update(json::Literal(kShared));
  return schema;
}

}  // namespace

const Json& KubernetesConfigSchema() {
  static const Json& schema = *[] {
    auto* const made = new Json(json::Literal(kConfig));
    AddAccessSchema(&(*made)["properties"]["clusters"]["additionalProperties"]);
    return made;
  }();
  return schema;
}

const std::vector<Operation>& KubernetesOperations() {
  static const auto& operations = *new std::vector<Operation>{
      {"apply", "Server-side apply of one object of any kind, then a wait until it is ready.",
       CallClass::kPut, WithShared(kApply), json::Literal(kOutput), "delete"},
      {"wait", "Waits until an object of any kind is ready.", CallClass::kPut, WithShared(kWait),
       json::Literal(kOutput), ""},
      {"apply-set",
       "Server-side apply of several objects as one set: all are checked first, and what the set "
       "no "
       "longer names is deleted.",
       CallClass::kPut, json::Literal(kApplySet), json::Literal(kSetOutput), "delete-set"},
      {"preview", "What an apply would change, tried by the server without being done.",
       CallClass::kPut, json::Literal(kPreview), json::Literal(kPreviewOutput), ""},
      {"delete-set", "Deletes the objects that a set made, then the set.", CallClass::kPut,
       json::Literal(kDeleteSet), json::Literal(kSetOutput), ""},
      {"delete", "Deletes an object and waits until it is gone.", CallClass::kPut,
       json::Literal(kDelete), json::Literal(kOutput), ""}};
  return operations;
}

}  // namespace purser::connectors
