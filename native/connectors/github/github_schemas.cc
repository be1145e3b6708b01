#include "connectors/github/github_schemas.h"

#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kConfig[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["credential", "repositories"],
  "properties": {
    "api": {"type": "string", "pattern": "^https?://[^?#]+[^/?#]$",
      "default": "https://api.github.com",
      "description": "The REST interface; https://<host>/api/v3 of an Enterprise Server."},
    "credential": {"type": "object", "minProperties": 1, "maxProperties": 1,
      "additionalProperties": false,
      "properties": {
        "token": {"type": "string", "minLength": 1, "description": "Reference to a token."},
        "app": {"type": "object", "additionalProperties": false,
          "required": ["id", "installation", "privateKey"],
          "properties": {
            "id": {"type": "string", "minLength": 1, "description": "App id or client id."},
            "installation": {"type": "string", "pattern": "^[0-9]+$"},
            "privateKey": {"type": "string", "minLength": 1,
              "description": "Reference to the App's key in PEM."}}}}},
    "repositories": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1},
      "description": "What steps may touch: org/name, or org/* for all of them."}
  }
})json";

constexpr char kRepository[] =
    R"json({"type": "string", "pattern": "^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$",
  "description": "owner/name"})json";

constexpr char kPullRequest[] = R"json({
  "type": "object", "additionalProperties": false,
  "required": ["repository", "branch", "title"],
  "properties": {
    "base": {"type": "string", "description": "Where it goes; the default branch when absent."},
    "branch": {"type": "string", "minLength": 1, "maxLength": 200,
      "pattern": "^[A-Za-z0-9][A-Za-z0-9_./-]*$", "description": "The request's own branch."},
    "files": {"type": "object", "maxProperties": 1000, "default": {},
      "additionalProperties": {"type": "string"}, "description": "Path to text."},
    "delete": {"type": "array", "maxItems": 1000, "items": {"type": "string", "minLength": 1},
      "default": [], "description": "Paths to delete; those that are not there are passed over."},
    "message": {"type": "string", "description": "Of the commit; the title when absent."},
    "title": {"type": "string", "minLength": 1, "maxLength": 256},
    "body": {"type": "string", "maxLength": 60000, "default": ""},
    "labels": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": []},
    "reviewers": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": []},
    "teamReviewers": {"type": "array", "items": {"type": "string", "minLength": 1}, "default": []},
    "draft": {"type": "boolean", "default": false}
  }
})json";

constexpr char kNumbered[] = R"json({
  "type": "object", "required": ["repository", "number"],
  "properties": {
    "number": {"type": ["integer", "string"]},
    "branch": {"type": "string"},
    "paths": {"type": "array", "maxItems": 1000, "items": {"type": "string"},
      "description": "What a withdrawal deletes: the files that were proposed."},
    "method": {"enum": ["merge", "squash", "rebase"], "default": "merge"},
    "sha": {"type": "string", "description": "Only this head is merged."},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 7776000, "default": 2592000,
      "description": "Patience with the people who decide."}
  }
})json";

constexpr char kMakeRepository[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["repository"],
  "properties": {
    "description": {"type": "string", "maxLength": 350},
    "visibility": {"enum": ["private", "internal", "public"], "default": "private"},
    "autoInit": {"type": "boolean", "default": true, "description": "With a first commit."}
  }
})json";

constexpr char kVariables[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["repository", "variables"],
  "properties": {
    "variables": {"type": "object", "minProperties": 1, "maxProperties": 100,
      "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
      "additionalProperties": {"type": "string"},
      "description": "Variables of Actions; no secrets, everybody who reads the repository sees them."}
  }
})json";

constexpr char kWorkflow[] = R"json({
  "type": "object", "additionalProperties": false,
  "required": ["repository", "workflow", "ref"],
  "properties": {
    "workflow": {"type": "string", "minLength": 1, "description": "File name, deploy.yaml."},
    "ref": {"type": "string", "minLength": 1, "description": "Branch or tag."},
    "inputs": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
    "keyInput": {"type": "string",
      "description": "An input of the workflow that gets the effect key and stands in its run-name: by it a repeat finds the run."},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 7200}
  }
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "repository": {"type": "string", "examples": ["org/infra"]},
    "number": {"type": "integer", "description": "Of the pull request."},
    "url": {"type": "string", "description": "For people."},
    "branch": {"type": "string"},
    "commit": {"type": "string", "description": "The branch's head, or the merge commit."},
    "state": {"type": "string"},
    "paths": {"type": "array", "items": {"type": "string"}, "description": "Of the files proposed."},
    "runId": {"type": "integer"},
    "conclusion": {"type": "string"},
    "cloneUrl": {"type": "string"},
    "created": {"type": "boolean"}
  }
})json";

Json With(const char* text) {
  Json schema = json::Literal(text);
  schema["properties"]["repository"] = json::Literal(kRepository);
  return schema;
}

}  // namespace

const Json& GithubConfigSchema() {
  static const Json& schema = *new Json(json::Literal(kConfig));
  return schema;
}

const std::vector<Operation>& GithubOperations() {
  const Json output = json::Literal(kOutput);
  static const auto& operations = *new std::vector<Operation>{
      {"pull-request",
       "Writes and deletes files on a branch and opens a pull request for it, or brings the one "
       "that "
       "is there up to date.",
       CallClass::kPut, With(kPullRequest), output, "withdraw"},
      {"merged", "Waits until a pull request is merged; one that is closed fails the step.",
       CallClass::kPut, With(kNumbered), output, ""},
      {"merge", "Merges a pull request.", CallClass::kPut, With(kNumbered), output, ""},
      {"close", "Closes a pull request that is open and deletes its branch.", CallClass::kPut,
       With(kNumbered), output, ""},
      {"withdraw",
       "Takes a proposal back: closes it while it is open; what was merged is deleted by another "
       "pull request, whose merge is waited for.",
       CallClass::kPut, With(kNumbered), output, ""},
      {"repository", "A repository, made unless it is there.", CallClass::kPut,
       With(kMakeRepository), output, ""},
      {"variables", "Variables of a repository's workflows.", CallClass::kPut, With(kVariables),
       output, ""},
      {"workflow", "Runs a workflow and waits for its end.", CallClass::kProbe, With(kWorkflow),
       output, ""}};
  return operations;
}

}  // namespace purser::connectors
