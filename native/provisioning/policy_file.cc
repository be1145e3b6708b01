// Reading policy files.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/yaml.h"
#include "json/json.h"
#include "provisioning/expressions.h"
#include "provisioning/policy.h"
#include "provisioning/yaml_folder.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

constexpr char kSchema[] = R"({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["apiVersion", "kind", "metadata", "spec"],
  "additionalProperties": false,
  "definitions": {
    "names": {"type": "array", "maxItems": 500, "items": {"type": "string", "minLength": 1}}
  },
  "properties": {
    "apiVersion": {"const": "purser.dev/v1"},
    "kind": {"const": "Policy"},
    "metadata": {
      "type": "object", "required": ["name"], "additionalProperties": false,
      "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63},
        "description": {"type": "string", "maxLength": 10000}
      }
    },
    "spec": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "applies": {
          "type": "object", "additionalProperties": false,
          "properties": {
            "blueprints": {"$ref": "#/definitions/names"},
            "kinds": {"type": "array", "items": {"enum": ["create", "change", "transfer", "suspend",
                      "resume", "repair", "delete", "import"]}},
            "environments": {"$ref": "#/definitions/names"},
            "owners": {"$ref": "#/definitions/names"}
          }
        },
        "rules": {
          "type": "array", "maxItems": 200,
          "items": {
            "type": "object", "required": ["id", "effect", "message"],
            "additionalProperties": false,
            "properties": {
              "id": {"type": "string", "minLength": 1, "maxLength": 63},
              "if": {"type": "string", "minLength": 1},
              "quoteAbove": {
                "type": "object", "required": ["amount", "currency"], "additionalProperties": false,
                "properties": {
                  "amount": {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$"},
                  "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}
                }
              },
              "effect": {"enum": ["refuse", "approve", "warn"]},
              "message": {"type": "string", "minLength": 1, "maxLength": 1000},
              "count": {"type": "integer", "minimum": 1, "maximum": 20},
              "fourEyes": {"type": "boolean"},
              "from": {"$ref": "#/definitions/names"}
            }
          }
        },
        "quotas": {
          "type": "array", "maxItems": 200,
          "items": {
            "type": "object", "required": ["id", "limit"], "additionalProperties": false,
            "properties": {
              "id": {"type": "string", "minLength": 1, "maxLength": 63},
              "key": {"type": "string", "minLength": 1},
              "amount": {"type": ["string", "integer"], "minimum": 0},
              "limit": {"type": "integer", "minimum": 0, "maximum": 1000000000000},
              "message": {"type": "string", "maxLength": 1000}
            }
          }
        },
        "budgets": {
          "type": "object", "required": ["effect"], "additionalProperties": false,
          "properties": {
            "effect": {"enum": ["refuse", "approve", "warn"]},
            "count": {"type": "integer", "minimum": 1, "maximum": 20},
            "fourEyes": {"type": "boolean"},
            "from": {"$ref": "#/definitions/names"}
          }
        }
      }
    }
  }
})";

Approval ApprovalOf(const json& text) {
  Approval approval;
  approval.count = text.value("count", 1);
  approval.four_eyes = text.value("fourEyes", true);
  approval.from = text.value("from", std::vector<std::string>());
  approval.message = text.value("message", "");
  return approval;
}

}  // namespace

absl::Status Policies::Add(absl::string_view text, absl::string_view file) {
  document::Limits limits;
  limits.max_bytes = kMaxBlueprintBytes;
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(text, file, limits));
  PURSER_ASSIGN_OR_RETURN(const purser::json::Schema schema,
                          purser::json::Schema::Compile(json::parse(kSchema)));
  std::vector<std::string> faults;
  const auto fault = [&](const std::string& pointer, absl::string_view message) {
    faults.push_back(absl::StrCat(document.Where(file, pointer), ": ",
                                  pointer.empty() ? "" : absl::StrCat(pointer, ": "), message));
  };
  for (const purser::json::Violation& violation : schema.Validate(document.value)) {
    fault(violation.pointer, violation.message);
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  const Visitor visitor{[&](const std::string& pointer, const absl::Status& status) {
                          fault(pointer, absl::StrCat("bad expression: ", status.message()));
                        },
                        [&](const std::string& pointer, const Reference& reference) {
                          if (reference.root == "steps") {
                            fault(pointer, "policy is asked before any step runs");
                          }
                        }};
  Visit(document.value.at("spec"), "/spec", visitor);

  const json& spec = document.value.at("spec");
  Policy policy;
  policy.name = document.value.at("metadata").at("name");
  for (const Policy& known : policies_) {
    if (known.name == policy.name) {
      fault("/metadata/name", absl::StrCat("there is another policy \"", policy.name, "\""));
    }
  }
  const json applies = spec.value("applies", json::object());
  policy.blueprints = applies.value("blueprints", std::vector<std::string>());
  policy.kinds = applies.value("kinds", std::vector<std::string>());
  policy.environments = applies.value("environments", std::vector<std::string>());
  policy.owners = applies.value("owners", std::vector<std::string>());
  const json rules = spec.value("rules", json::array());
  for (size_t i = 0; i < rules.size(); ++i) {
    Rule rule;
    rule.id = rules[i].at("id");
    rule.condition = rules[i].value("if", json());
    if (rule.condition.is_string() && !IsExpression(rule.condition.get_ref<const std::string&>())) {
      fault(absl::StrCat("/spec/rules/", i, "/if"),
            "must be an expression like ${{ parameters.region == 'eu' }}");
    }
    if (rules[i].contains("quoteAbove")) {
      const absl::StatusOr<base::Decimal> amount =
          base::Decimal::Parse(rules[i]["quoteAbove"]["amount"].get<std::string>());
      if (amount.ok()) {
        rule.above = *amount;
      } else {
        fault(absl::StrCat("/spec/rules/", i, "/quoteAbove/amount"), amount.status().message());
      }
      rule.above_currency = rules[i]["quoteAbove"]["currency"];
    }
    rule.effect = rules[i].at("effect");
    rule.message = rules[i].at("message");
    rule.approval = ApprovalOf(rules[i]);
    policy.rules.push_back(std::move(rule));
  }
  const json quotas = spec.value("quotas", json::array());
  for (const json& text_of : quotas) {
    Quota quota;
    quota.id = text_of.at("id");
    quota.key = text_of.value("key", "${{ request.owner }}");
    quota.amount = text_of.value("amount", json(1));
    quota.limit = text_of.at("limit");
    quota.message = text_of.value("message", "");
    policy.quotas.push_back(std::move(quota));
  }
  if (spec.contains("budgets")) {
    Rule rule;
    rule.id = "budgets";
    rule.effect = spec["budgets"].at("effect");
    rule.approval = ApprovalOf(spec["budgets"]);
    policy.budgets = std::move(rule);
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  policies_.push_back(std::move(policy));
  return absl::OkStatus();
}

absl::StatusOr<Policies> Policies::Load(const std::vector<std::string>& folders) {
  Policies policies;
  std::vector<std::string> faults;
  ForEachYaml(folders, "policy", kMaxBlueprintBytes, &faults,
              [&](const std::string& file, const std::string& text) {
                const absl::Status added = policies.Add(text, file);
                if (!added.ok()) faults.emplace_back(added.message());
              });
  if (policies.policies_.size() > kMaxPolicies) {
    faults.push_back(absl::StrCat(policies.policies_.size(), " policies; at most ", kMaxPolicies,
                                  " are allowed"));
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  return policies;
}

}  // namespace purser::provisioning
