// One rule of a mapping, compiled.
#ifndef PURSER_PROVIDER_MAPPING_RULE_H_
#define PURSER_PROVIDER_MAPPING_RULE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "provider/mapping.h"
#include "template/template.h"

namespace purser::provider {

const tmpl::Limits& ExpressionLimits();

// A value of the config: plain JSON, with every string compiled.
struct MappingNode {
  std::string where;       // "rules[0].entity.owner"
  nlohmann::json literal;  // what holds no template
  std::optional<tmpl::Template> text;
  std::string name;  // as a member
  std::vector<MappingNode> items;
  std::vector<MappingNode> members;
  enum class Type { kLiteral, kTemplate, kArray, kObject } type = Type::kLiteral;

  // Members that are undefined are left out, items become null.
  absl::StatusOr<nlohmann::json> Evaluate(const tmpl::Context& context) const;
};

struct MappingRule {
  std::string where;
  std::vector<std::string> api_versions, kinds, namespaces, names;
  std::vector<std::pair<std::string, std::optional<std::string>>> labels, annotations;
  std::optional<tmpl::Template> condition;
  bool drop = false;
  bool go_on = false;
  std::vector<std::pair<std::string, MappingNode>> entity;

  // All but the condition.
  bool Matches(const MappingItem& item) const;
};

// Compiles rules one after another and collects what is wrong with all of them.
class RuleCompiler {
 public:
  MappingRule Compile(const nlohmann::json& config, const std::string& where);
  // INVALID_ARGUMENT names every rule and field that is wrong.
  absl::Status status() const;
  // Every text that may hold expressions.
  std::vector<std::string>&& texts() { return std::move(texts_); }

 private:
  void Add(absl::string_view problem);
  absl::StatusOr<tmpl::Template> Text(const std::string& text, const std::string& where);
  MappingNode MakeNode(const nlohmann::json& value, const std::string& where, int depth);

  std::string problems_;
  std::vector<std::string> texts_;
};

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_MAPPING_RULE_H_
