#include "provider/mapping.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "catalog/names.h"
#include "provider/entity_draft.h"
#include "provider/mapping_fields.h"
#include "provider/mapping_rule.h"
#include "template/template.h"

namespace purser::provider {
namespace {

using Json = nlohmann::json;

bool IsTrue(const Json& value) {
  if (IsNothing(value)) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  return true;
}

absl::Status SetField(const std::string& key, const MappingNode& node, const tmpl::Context& context,
                      Json* draft) {
  PURSER_ASSIGN_OR_RETURN(const Json value, node.Evaluate(context));
  Json& metadata = Member(*draft, "metadata");
  Json& spec = Member(*draft, "spec");
  if (key == "labels" || key == "annotations") {
    Json& map = Member(metadata, key.c_str());
    for (const auto& [name, member] : value.items()) {
      if (member.is_null()) {
        map.erase(name);
        continue;
      }
      PURSER_ASSIGN_OR_RETURN(std::string text,
                              AsText(member, absl::StrCat(node.where, ".", name)));
      if (!text.empty()) map[name] = std::move(text);
    }
    return absl::OkStatus();
  }
  if (key == "spec") {
    for (const auto& [name, member] : value.items()) {
      if (member.is_null()) {
        spec.erase(name);
      } else {
        spec[name] = member;
      }
    }
    return absl::OkStatus();
  }
  if (IsNothing(value)) return absl::OkStatus();
  if (key == "links") {
    if (!value.is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(node.where, ": must give a list of links"));
    }
    AddLinks(value, draft);
    return absl::OkStatus();
  }
  if (key == "tags" || key == "dependsOn") {
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> texts, AsTexts(value, node.where));
    if (key == "tags") {
      AddTags(texts, draft);
      return absl::OkStatus();
    }
    Json& list = spec["dependsOn"];
    if (!list.is_array()) list = Json::array();
    for (const std::string& text : texts) {
      if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
    }
    return absl::OkStatus();
  }
  PURSER_ASSIGN_OR_RETURN(std::string text, AsText(value, node.where));
  if (text.empty()) return absl::OkStatus();
  if (key == "kind") {
    (*draft)["kind"] = std::move(text);
  } else if (key == "name") {
    metadata["name"] = catalog::SanitizeName(text);
  } else if (key == "namespace") {
    text = absl::AsciiStrToLower(text);
    if (!catalog::IsDnsLabel(text)) {
      return absl::InvalidArgumentError(
          absl::StrCat(node.where, ": gives ", base::EscapeForDisplay(text),
                       ", but a namespace has 1 to 63 lower-case letters, digits and inner '-'"));
    }
    metadata["namespace"] = std::move(text);
  } else if (key == "title" || key == "description") {
    metadata[key] = std::move(text);
  } else {
    spec[key] = std::move(text);
  }
  return absl::OkStatus();
}

}  // namespace

struct Mapping::Compiled {
  std::vector<MappingRule> rules;
  std::vector<std::string> texts;
};

Mapping::Mapping() : compiled_(std::make_shared<const Compiled>()) {}

absl::StatusOr<Mapping> Mapping::Compile(const Json& rules, absl::string_view where) {
  auto compiled = std::make_shared<Compiled>();
  if (rules.is_null()) return Mapping(std::move(compiled));
  if (rules.size() > kMaxMappingRules) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": has more than ", kMaxMappingRules, " rules"));
  }
  RuleCompiler compiler;
  for (size_t i = 0; i < rules.size(); ++i) {
    compiled->rules.push_back(compiler.Compile(rules[i], absl::StrCat(where, "[", i, "]")));
  }
  PURSER_RETURN_IF_ERROR(compiler.status());
  compiled->texts = compiler.texts();
  return Mapping(std::move(compiled));
}

absl::StatusOr<MappingOutcome> Mapping::Apply(const MappingItem& item, Json* draft) const {
  MappingOutcome outcome = MappingOutcome::kUnmatched;
  // Made when the first expression needs it. Expressions see the draft as the provider made it,
  // whatever rules before changed.
  std::optional<tmpl::Context> context;
  const auto prepare = [&]() -> absl::Status {
    if (context.has_value()) return absl::OkStatus();
    Json variables = item.variables != nullptr ? *item.variables : Json::object();
    variables["labels"] =
        item.labels != nullptr && item.labels->is_object() ? *item.labels : Json::object();
    variables["annotations"] = item.annotations != nullptr && item.annotations->is_object()
                                   ? *item.annotations
                                   : Json::object();
    variables["entity"] = *draft;
    PURSER_ASSIGN_OR_RETURN(context, tmpl::Context::FromJson(variables));
    return absl::OkStatus();
  };
  for (const MappingRule& rule : compiled_->rules) {
    if (!rule.Matches(item)) continue;
    if (rule.condition.has_value()) {
      PURSER_RETURN_IF_ERROR(prepare());
      PURSER_ASSIGN_OR_RETURN(const Json holds,
                              rule.condition->Evaluate(*context, ExpressionLimits()));
      if (!IsTrue(holds)) continue;
    }
    if (rule.drop) return MappingOutcome::kDropped;
    if (!rule.entity.empty()) PURSER_RETURN_IF_ERROR(prepare());
    for (const auto& [key, node] : rule.entity) {
      PURSER_RETURN_IF_ERROR(SetField(key, node, *context, draft));
    }
    outcome = MappingOutcome::kMapped;
    if (!rule.go_on) break;
  }
  return outcome;
}

std::vector<FieldPath> Mapping::FieldsOf(absl::string_view name) const {
  std::set<FieldPath> fields;
  for (const std::string& text : compiled_->texts) AddFields(text, name, &fields);
  if (fields.contains(FieldPath())) return {FieldPath()};
  return {fields.begin(), fields.end()};
}

size_t Mapping::size() const { return compiled_->rules.size(); }

bool WildcardMatches(absl::string_view pattern, absl::string_view text) {
  size_t at = 0, star = absl::string_view::npos, mark = 0, next = 0;
  while (at < text.size()) {
    if (next < pattern.size() && pattern[next] == '*') {
      star = next++;
      mark = at;
    } else if (next < pattern.size() && (pattern[next] == '?' || pattern[next] == text[at])) {
      ++next;
      ++at;
    } else if (star != absl::string_view::npos) {
      next = star + 1;
      at = ++mark;
    } else {
      return false;
    }
  }
  while (next < pattern.size() && pattern[next] == '*') ++next;
  return next == pattern.size();
}

}  // namespace purser::provider
