#include "connectors/gitlab/gitlab_schemas.h"

#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kConfig[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["token", "projects"],
  "properties": {
    "api": {"type": "string", "pattern": "^https?://[^?#]+[^/?#]$",
      "default": "https://gitlab.com/api/v4"},
    "token": {"type": "string", "minLength": 1,
      "description": "Reference to a personal, group or project access token."},
    "projects": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1},
      "description": "What steps may touch: group/project, or group/* for all below."}
  }
})json";

constexpr char kProject[] = R"json({"type": "string",
  "pattern": "^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$", "description": "group/project"})json";

constexpr char kMergeRequest[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["project", "branch", "title"],
  "properties": {
    "target": {"type": "string", "description": "Where it goes; the default branch when absent."},
    "branch": {"type": "string", "minLength": 1, "maxLength": 200,
      "pattern": "^[A-Za-z0-9][A-Za-z0-9_./-]*$", "description": "The request's own branch."},
    "files": {"type": "object", "maxProperties": 1000, "default": {},
      "additionalProperties": {"type": "string"}, "description": "Path to text."},
    "delete": {"type": "array", "maxItems": 1000, "default": [],
      "items": {"type": "string", "minLength": 1}},
    "message": {"type": "string", "description": "Of the commit; the title when absent."},
    "title": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": {"type": "string", "maxLength": 100000, "default": ""},
    "labels": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": []},
    "reviewers": {"type": "array", "maxItems": 20, "default": [],
      "items": {"type": "string", "minLength": 1}, "description": "User names."},
    "reviewerIds": {"type": "array", "items": {"type": "integer"}, "default": []},
    "removeSourceBranch": {"type": "boolean", "default": true}
  }
})json";

constexpr char kNumbered[] = R"json({
  "type": "object", "required": ["project", "iid"],
  "properties": {
    "iid": {"type": ["integer", "string"], "description": "The merge request's number."},
    "paths": {"type": "array", "maxItems": 1000, "items": {"type": "string"},
      "description": "For withdraw: the files that it brought."},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 7776000, "default": 2592000,
      "description": "Patience with the people who decide."}
  }
})json";

constexpr char kMakeProject[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["project"],
  "properties": {
    "description": {"type": "string", "maxLength": 2000},
    "visibility": {"enum": ["private", "internal", "public"], "default": "private"},
    "initializeWithReadme": {"type": "boolean", "default": true}
  }
})json";

constexpr char kVariables[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["project"],
  "properties": {
    "variables": {"type": "object", "default": {}, "maxProperties": 100,
      "propertyNames": {"pattern": "^[A-Za-z0-9_]+$"}, "additionalProperties": {"type": "string"}},
    "secretVariables": {"type": "object", "default": {}, "maxProperties": 100,
      "propertyNames": {"pattern": "^[A-Za-z0-9_]+$"}, "additionalProperties": {"type": "string"},
      "description": "Values are secret references; kept masked."},
    "protected": {"type": "boolean", "default": false, "description": "For protected branches only."}
  }
})json";

constexpr char kPipeline[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["project", "ref"],
  "properties": {
    "ref": {"type": "string", "minLength": 1, "description": "Branch or tag."},
    "variables": {"type": "object", "default": {}, "additionalProperties": {"type": "string"}},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 7200}
  }
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "project": {"type": "string", "examples": ["platform/infra"]},
    "iid": {"type": "integer", "description": "Of the merge request."},
    "url": {"type": "string", "description": "For people."},
    "branch": {"type": "string"}, "commit": {"type": "string"}, "state": {"type": "string"},
    "paths": {"type": "array", "items": {"type": "string"}, "description": "What it brings."},
    "pipelineId": {"type": "integer"}, "projectId": {"type": "integer"},
    "cloneUrl": {"type": "string"}, "created": {"type": "boolean"}
  }
})json";

Json With(const char* text) {
  Json schema = json::Literal(text);
  schema["properties"]["project"] = json::Literal(kProject);
  return schema;
}

}  // namespace

const Json& GitlabConfigSchema() {
  static const Json& schema = *new Json(json::Literal(kConfig));
  return schema;
}

const std::vector<Operation>& GitlabOperations() {
  const Json output = json::Literal(kOutput);
  static const auto& operations = *new std::vector<Operation>{
      {"merge-request",
       "Writes and deletes files on a branch and opens a merge request for it, or brings the one "
       "that is there up to date.",
       CallClass::kPut, With(kMergeRequest), output, "withdraw"},
      {"merged", "Waits until a merge request is merged; one that is closed fails the step.",
       CallClass::kPut, With(kNumbered), output, ""},
      {"close", "Closes a merge request that is open and deletes its branch.", CallClass::kPut,
       With(kNumbered), output, ""},
      {"withdraw",
       "Takes a proposal back: closes it while it is open; of what was merged another merge "
       "request "
       "deletes the files, and its merge is waited for.",
       CallClass::kPut, With(kNumbered), output, ""},
      {"project", "A project, made unless it is there.", CallClass::kPut, With(kMakeProject),
       output, ""},
      {"variables", "CI variables of a project.", CallClass::kPut, With(kVariables), output, ""},
      {"pipeline", "Runs a pipeline and waits for its end.", CallClass::kProbe, With(kPipeline),
       output, ""}};
  return operations;
}

}  // namespace purser::connectors
