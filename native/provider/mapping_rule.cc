#include "provider/mapping_rule.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "provider/entity_draft.h"

namespace purser::provider {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 20;

std::vector<std::string> Patterns(const Json& match, const char* key) {
  const auto found = match.find(key);
  if (found == match.end()) return {};
  if (found->is_string()) return {found->get<std::string>()};
  return found->get<std::vector<std::string>>();
}

std::vector<std::pair<std::string, std::optional<std::string>>> Pairs(const Json& match,
                                                                      const char* key) {
  std::vector<std::pair<std::string, std::optional<std::string>>> pairs;
  const auto found = match.find(key);
  if (found == match.end()) return pairs;
  for (const auto& [name, value] : found->items()) {
    pairs.emplace_back(name, value.is_string()
                                 ? std::optional<std::string>(value.get<std::string>())
                                 : std::nullopt);
  }
  return pairs;
}

bool AnyMatches(const std::vector<std::string>& patterns, absl::string_view text) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(),
                     [text](const std::string& pattern) { return WildcardMatches(pattern, text); });
}

bool PairsMatch(const std::vector<std::pair<std::string, std::optional<std::string>>>& wanted,
                const Json* values) {
  return std::all_of(wanted.begin(), wanted.end(), [values](const auto& pair) {
    const std::string* const value = TextOf(values, pair.first);
    if (!pair.second.has_value()) return value == nullptr;
    return value != nullptr && WildcardMatches(*pair.second, *value);
  });
}

}  // namespace

const tmpl::Limits& ExpressionLimits() {
  static const tmpl::Limits& limits = *new tmpl::Limits{
      .max_source_bytes = kMaxMappingTextBytes,
      .max_output_bytes = kMaxMappingOutputBytes,
      .max_steps = kMaxMappingSteps,
      .max_nesting = 64,
      .max_memory_bytes = kMaxMappingMemoryBytes,
      .max_regex_steps = 200'000,
      .max_wall_ms = kMaxMappingMillis,
  };
  return limits;
}

absl::StatusOr<Json> MappingNode::Evaluate(const tmpl::Context& context) const {
  switch (type) {
    case MappingNode::Type::kLiteral:
      return literal;
    case MappingNode::Type::kTemplate:
      return text->Evaluate(context, ExpressionLimits());
    case MappingNode::Type::kArray: {
      Json list = Json::array();
      for (const MappingNode& item : items) {
        PURSER_ASSIGN_OR_RETURN(Json value, item.Evaluate(context));
        list.push_back(value.is_discarded() ? Json() : std::move(value));
      }
      return list;
    }
    case MappingNode::Type::kObject: {
      Json object = Json::object();
      for (const MappingNode& member : members) {
        PURSER_ASSIGN_OR_RETURN(Json value, member.Evaluate(context));
        if (!value.is_discarded()) object[member.name] = std::move(value);
      }
      return object;
    }
  }
  return Json();
}

bool MappingRule::Matches(const MappingItem& item) const {
  return AnyMatches(api_versions, item.api_version) && AnyMatches(kinds, item.kind) &&
         AnyMatches(namespaces, item.namespace_name) && AnyMatches(names, item.name) &&
         PairsMatch(labels, item.labels) && PairsMatch(annotations, item.annotations);
}

MappingRule RuleCompiler::Compile(const Json& config, const std::string& where) {
  MappingRule rule;
  rule.where = where;
  if (const auto match = config.find("match"); match != config.end()) {
    rule.api_versions = Patterns(*match, "apiVersion");
    rule.kinds = Patterns(*match, "kind");
    rule.namespaces = Patterns(*match, "namespace");
    rule.names = Patterns(*match, "name");
    rule.labels = Pairs(*match, "labels");
    rule.annotations = Pairs(*match, "annotations");
    if (const auto condition = match->find("if"); condition != match->end()) {
      const std::string& text = condition->get_ref<const std::string&>();
      const std::string at = absl::StrCat(where, ".match.if");
      absl::StatusOr<tmpl::Template> compiled = Text(text, at);
      if (!compiled.ok()) {
        Add(compiled.status().message());
      } else if (compiled->IsPlain()) {
        Add(absl::StrCat(at, ": must be an expression, ${{ … }}"));
      } else {
        rule.condition = *std::move(compiled);
      }
    }
  }
  rule.drop = config.value("drop", false);
  rule.go_on = config.value("continue", false);
  const auto entity = config.find("entity");
  if (rule.drop && (rule.go_on || (entity != config.end() && !entity->empty()))) {
    Add(absl::StrCat(where, ": a rule with drop: true has neither entity nor continue"));
  }
  if (entity != config.end()) {
    for (const auto& [key, value] : entity->items()) {
      rule.entity.emplace_back(key, MakeNode(value, absl::StrCat(where, ".entity.", key), 0));
    }
  }
  return rule;
}

absl::Status RuleCompiler::status() const {
  return problems_.empty() ? absl::OkStatus() : absl::InvalidArgumentError(problems_);
}
void RuleCompiler::Add(absl::string_view problem) {
  absl::StrAppend(&problems_, problems_.empty() ? "" : "; ", problem);
}

absl::StatusOr<tmpl::Template> RuleCompiler::Text(const std::string& text,
                                                  const std::string& where) {
  texts_.push_back(text);
  return tmpl::Template::Compile(text, {.name = where}, ExpressionLimits());
}

MappingNode RuleCompiler::MakeNode(const Json& value, const std::string& where, int depth) {
  MappingNode node;
  node.where = where;
  if (depth > kMaxDepth) {
    Add(absl::StrCat(where, ": is nested deeper than ", kMaxDepth, " levels"));
    return node;
  }
  if (value.is_string()) {
    absl::StatusOr<tmpl::Template> compiled = Text(value.get_ref<const std::string&>(), where);
    if (!compiled.ok()) {
      Add(compiled.status().message());
    } else if (!compiled->IsPlain()) {
      node.type = MappingNode::Type::kTemplate;
      node.text = *std::move(compiled);
      return node;
    }
    node.literal = value;
  } else if (value.is_array()) {
    node.type = MappingNode::Type::kArray;
    for (size_t i = 0; i < value.size(); ++i) {
      node.items.push_back(MakeNode(value[i], absl::StrCat(where, "[", i, "]"), depth + 1));
    }
  } else if (value.is_object()) {
    node.type = MappingNode::Type::kObject;
    for (const auto& [key, member] : value.items()) {
      node.members.push_back(MakeNode(member, absl::StrCat(where, ".", key), depth + 1));
      node.members.back().name = key;
    }
  } else {
    node.literal = value;
  }
  return node;
}

}  // namespace purser::provider
