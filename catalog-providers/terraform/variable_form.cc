#include "catalog-providers/terraform/variable_form.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "json/pattern.h"

namespace purser::catalog_providers::terraform {
namespace {

using document::HclExpression;
using nlohmann::json;

constexpr int kMaxTypeDepth = 20;

// "db_size" → "Db size".
std::string TitleOf(absl::string_view name) {
  std::string title(name);
  std::replace(title.begin(), title.end(), '_', ' ');
  std::replace(title.begin(), title.end(), '-', ' ');
  if (!title.empty()) title[0] = absl::ascii_toupper(static_cast<unsigned char>(title[0]));
  return title;
}

json SchemaOfType(const HclExpression& type, int depth);

// object({a = string, b = optional(number, 3)})
json SchemaOfObject(const HclExpression& members, int depth) {
  json schema = {{"type", "object"}, {"properties", json::object()}};
  json required = json::array();
  for (const auto& [name, member] : members.Members()) {
    if (name.empty()) continue;
    const auto operation = member.AsOperation();
    const bool optional =
        operation.has_value() && operation->name == "optional" && !operation->operands.empty();
    json property = SchemaOfType(optional ? operation->operands[0] : member, depth + 1);
    property["title"] = TitleOf(name);
    if (optional && operation->operands.size() > 1) {
      if (auto value = operation->operands[1].Literal(); value.has_value() && !value->is_null()) {
        property["default"] = *std::move(value);
      }
    }
    schema["properties"][name] = std::move(property);
    if (!optional) required.push_back(name);
  }
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

json SchemaOfType(const HclExpression& type, int depth) {
  if (depth > kMaxTypeDepth) return json::object();
  if (const auto path = type.AsPath(); path.has_value() && path->size() == 1) {
    const std::string& name = path->front();
    if (name == "string") return {{"type", "string"}};
    if (name == "number") return {{"type", "number"}};
    if (name == "bool") return {{"type", "boolean"}};
    if (name == "list" || name == "set") return {{"type", "array"}, {"items", json::object()}};
    if (name == "map") return {{"type", "object"}, {"additionalProperties", true}};
    return json::object();
  }
  const auto operation = type.AsOperation();
  if (!operation.has_value() || operation->operands.empty()) return json::object();
  const HclExpression& inner = operation->operands[0];
  if (operation->name == "list" || operation->name == "set") {
    json schema = {{"type", "array"}, {"items", SchemaOfType(inner, depth + 1)}};
    if (operation->name == "set") schema["uniqueItems"] = true;
    return schema;
  }
  if (operation->name == "map") {
    json values = SchemaOfType(inner, depth + 1);
    return {{"type", "object"}, {"additionalProperties", values.empty() ? json(true) : values}};
  }
  if (operation->name == "object") return SchemaOfObject(inner, depth);
  if (operation->name == "tuple") {
    json items = json::array();
    for (const HclExpression& element : inner.Elements()) {
      items.push_back(SchemaOfType(element, depth + 1));
    }
    return {{"type", "array"},
            {"minItems", items.size()},
            {"maxItems", items.size()},
            {"items", std::move(items)}};
  }
  return json::object();
}

// Of a default when no type is given.
json SchemaOfValue(const json& value) {
  if (value.is_string()) return {{"type", "string"}};
  if (value.is_number()) return {{"type", "number"}};
  if (value.is_boolean()) return {{"type", "boolean"}};
  if (value.is_array()) return {{"type", "array"}, {"items", json::object()}};
  if (value.is_object()) return {{"type", "object"}, {"additionalProperties", true}};
  return json::object();
}

// Whether a regular expression of Go's means the same in a JSON Schema.
bool IsPortablePattern(const std::string& pattern) {
  for (const absl::string_view foreign : {"(?", "\\A", "\\z", "\\p", "\\P", "[[:", "\\Q", "\\C"}) {
    if (absl::StrContains(pattern, foreign)) return false;
  }
  return purser::json::Pattern::Compile(pattern).ok();
}

// Puts what a condition says into the schema; false when something of it cannot be said there.
class Conditions {
 public:
  Conditions(std::string name, json& schema) : name_(std::move(name)), schema_(schema) {}

  // As deep as expressions are.
  bool Add(const HclExpression& condition) {
    const auto operation = condition.AsOperation();
    if (!operation.has_value()) return false;
    const auto& operands = operation->operands;
    if (operation->name == "&&") {
      const bool left = Add(operands[0]);
      return Add(operands[1]) && left;
    }
    if (operation->name == "contains" && operands.size() == 2 && IsVariable(operands[1])) {
      return AddEnum(operands[0]);
    }
    if (operation->name == "can" && operands.size() == 1) return AddPattern(operands[0]);
    if (operands.size() != 2) return false;
    if (const auto bound = operands[1].Literal(); bound.has_value()) {
      return AddBound(operands[0], operation->name, *bound);
    }
    if (const auto bound = operands[0].Literal(); bound.has_value()) {
      return AddBound(operands[1], Turned(operation->name), *bound);
    }
    return false;
  }

 private:
  bool IsVariable(const HclExpression& expression) const {
    const auto path = expression.AsPath();
    return path.has_value() && path->size() == 2 && path->at(0) == "var" && path->at(1) == name_;
  }
  std::string Type() const { return schema_.value("type", ""); }

  bool AddEnum(const HclExpression& list) {
    const auto values = list.Literal();
    if (!values.has_value() || !values->is_array() || values->empty()) return false;
    schema_["enum"] = *values;
    return true;
  }

  bool AddPattern(const HclExpression& call) {
    const auto operation = call.AsOperation();
    if (!operation.has_value() || operation->name != "regex" || operation->operands.size() != 2 ||
        !IsVariable(operation->operands[1]) || Type() != "string" || schema_.contains("pattern")) {
      return false;
    }
    const auto pattern = operation->operands[0].Literal();
    if (!pattern.has_value() || !pattern->is_string() || !IsPortablePattern(*pattern)) return false;
    schema_["pattern"] = *pattern;
    return true;
  }

  static std::string Turned(const std::string& comparison) {
    if (comparison == "<") return ">";
    if (comparison == "<=") return ">=";
    if (comparison == ">") return "<";
    if (comparison == ">=") return "<=";
    return comparison;
  }

  bool AddBound(const HclExpression& subject, const std::string& comparison, const json& bound) {
    if (!bound.is_number()) return false;
    if (IsVariable(subject)) {
      if (Type() != "number") return false;
      if (comparison == ">=") schema_["minimum"] = bound;
      if (comparison == "<=") schema_["maximum"] = bound;
      if (comparison == ">") schema_["exclusiveMinimum"] = bound;
      if (comparison == "<") schema_["exclusiveMaximum"] = bound;
      return comparison != "==" && comparison != "!=";
    }
    const auto operation = subject.AsOperation();
    if (!operation.has_value() || operation->operands.size() != 1 ||
        !IsVariable(operation->operands[0])) {
      // var.x == floor(var.x) has no literal side; it is not looked for.
      return false;
    }
    if (operation->name != "length" || !bound.is_number_integer()) return false;
    const char* const low = Type() == "string"  ? "minLength"
                            : Type() == "array" ? "minItems"
                                                : "minProperties";
    const char* const high = Type() == "string"  ? "maxLength"
                             : Type() == "array" ? "maxItems"
                                                 : "maxProperties";
    if (Type() != "string" && Type() != "array" && Type() != "object") return false;
    const int64_t limit = bound.get<int64_t>();
    if (limit < 0) return false;
    if (comparison == ">=") schema_[low] = limit;
    if (comparison == ">") schema_[low] = limit + 1;
    if (comparison == "<=") schema_[high] = limit;
    if (comparison == "<") schema_[high] = std::max<int64_t>(0, limit - 1);
    if (comparison == "==") schema_[low] = schema_[high] = limit;
    return comparison != "!=";
  }

  const std::string name_;
  json& schema_;
};

}  // namespace

json VariableSchema(const Variable& variable) {
  json schema = json::object();
  if (variable.type.has_value()) {
    schema = SchemaOfType(*variable.type, 0);
  } else if (variable.default_value.has_value()) {
    schema = SchemaOfValue(*variable.default_value);
  }
  schema["title"] = TitleOf(variable.name);
  std::string description = variable.description;
  for (const Validation& validation : variable.validations) {
    const bool said = Conditions(variable.name, schema).Add(validation.condition);
    if (!said && !validation.message.empty()) {
      absl::StrAppend(&description, description.empty() ? "" : "\n", validation.message);
    }
  }
  if (!description.empty()) schema["description"] = description;
  if (variable.default_value.has_value() && !variable.default_value->is_null()) {
    schema["default"] = *variable.default_value;
  }
  // A field of any type is edited as text.
  if (!schema.contains("type") && !schema.contains("enum")) schema["type"] = "string";
  return schema;
}

VariableForm FormOf(const Module& module) {
  VariableForm form;
  for (const Variable& variable : module.variables) {
    if (variable.sensitive) {
      form.left_out.push_back(variable.name);
      continue;
    }
    form.properties[variable.name] = VariableSchema(variable);
    form.order.push_back(variable.name);
    if (!variable.default_value.has_value()) form.required.push_back(variable.name);
  }
  return form;
}

}  // namespace purser::catalog_providers::terraform
