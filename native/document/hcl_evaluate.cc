// What an expression reads, and its value where the text alone tells it.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "document/hcl_expression.h"
#include "document/hcl_functions.h"
#include "document/hcl_node.h"

namespace purser::document {
namespace {

using nlohmann::json;
using Node = HclExpression::Node;
using NodePtr = std::shared_ptr<const Node>;
using Kind = Node::Kind;
using Maybe = std::optional<json>;

const NodePtr& NullNode() {
  static const NodePtr& node = *new NodePtr(std::make_shared<const Node>());
  return node;
}

// The path a chain of names and constant indices spells; false when it is anything else.
bool PathOf(const Node& node, HclPath* path) {
  if (node.kind == Kind::kName) {
    path->push_back(node.text);
    return true;
  }
  if (node.kind == Kind::kMember) {
    if (!PathOf(*node.children[0], path)) return false;
    path->push_back(node.text);
    return true;
  }
  if (node.kind == Kind::kIndex && node.children[1]->kind == Kind::kLiteral) {
    const json& index = node.children[1]->value;
    if (!index.is_string() && !index.is_number_integer()) return false;
    if (!PathOf(*node.children[0], path)) return false;
    path->push_back(index.is_string() ? index.get<std::string>()
                                      : absl::StrCat(index.get<int64_t>()));
    return true;
  }
  return false;
}

void Collect(const Node& node, std::vector<std::string>* bound, std::set<HclPath>* paths) {
  HclPath path;
  if (PathOf(node, &path)) {
    if (std::find(bound->begin(), bound->end(), path[0]) == bound->end()) {
      paths->insert(std::move(path));
    }
    return;
  }
  const size_t before = bound->size();
  for (size_t i = 0; i < node.children.size(); ++i) {
    // What is walked is read outside of the loop's names.
    if (node.kind == Kind::kFor && i == 1) {
      bound->insert(bound->end(), node.names.begin(), node.names.end());
    }
    Collect(*node.children[i], bound, paths);
    // The names of %{ for } last until the template's end: %{ endfor } is not told apart.
    if (node.kind == Kind::kTemplate && node.children[i]->kind == Kind::kDirective) {
      const auto& names = node.children[i]->names;
      bound->insert(bound->end(), names.begin(), names.end());
    }
  }
  bound->resize(before);
}

size_t BytesOf(const json& value) {
  size_t bytes = sizeof(json);
  if (value.is_string()) bytes += value.get_ref<const std::string&>().size();
  if (value.is_array()) {
    for (const json& element : value) bytes += BytesOf(element);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.items()) bytes += key.size() + 64 + BytesOf(member);
  }
  return bytes;
}

class Evaluator {
 public:
  explicit Evaluator(const HclScope& scope) : scope_(scope) {}

  // The tree is at most kMaxHclExpressionDepth deep.
  Maybe Of(const Node& node) {
    Maybe value = Compute(node);
    if (!value.has_value()) return std::nullopt;
    made_ += BytesOf(*value);
    if (made_ > kMaxHclValueBytes) return std::nullopt;
    return value;
  }

 private:
  Maybe Compute(const Node& node) {
    switch (node.kind) {
      case Kind::kLiteral:
        return node.value;
      case Kind::kName:
      case Kind::kMember:
      case Kind::kIndex:
        return Member(node);
      case Kind::kTemplate:
        return Template(node);
      case Kind::kCall:
        return Call(node);
      case Kind::kUnary:
        return Unary(node);
      case Kind::kBinary:
        return Binary(node);
      case Kind::kConditional: {
        const Maybe condition = Of(*node.children[0]);
        const auto flag = condition ? HclBoolOf(*condition) : std::nullopt;
        return flag ? Of(*node.children[*flag ? 1 : 2]) : std::nullopt;
      }
      case Kind::kTuple: {
        json list = json::array();
        for (const NodePtr& child : node.children) {
          Maybe element = Of(*child);
          if (!element.has_value()) return std::nullopt;
          list.push_back(*std::move(element));
        }
        return list;
      }
      case Kind::kObject: {
        json object = json::object();
        for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
          const Maybe key = Of(*node.children[i]);
          const auto name = key ? HclTextOf(*key) : std::nullopt;
          Maybe member = Of(*node.children[i + 1]);
          if (!name.has_value() || !member.has_value()) return std::nullopt;
          object[*name] = *std::move(member);
        }
        return object;
      }
      case Kind::kDirective:
      case Kind::kSplat:
      case Kind::kFor:
        return std::nullopt;
    }
    return std::nullopt;
  }

  Maybe Member(const Node& node) {
    HclPath path;
    if (PathOf(node, &path)) {
      if (Maybe value = scope_(path)) return value;
    }
    if (node.kind == Kind::kName) return std::nullopt;
    const Maybe whole = Of(*node.children[0]);
    if (!whole.has_value()) return std::nullopt;
    Maybe index = node.kind == Kind::kMember ? Maybe(json(node.text)) : Of(*node.children[1]);
    if (!index.has_value()) return std::nullopt;
    if (whole->is_object()) {
      const auto name = HclTextOf(*index);
      const auto found = name ? whole->find(*name) : whole->end();
      return found != whole->end() ? Maybe(*found) : std::nullopt;
    }
    const auto number = HclNumberOf(*index);
    if (!whole->is_array() || !number || *number < 0 || *number != std::floor(*number) ||
        *number >= static_cast<double>(whole->size())) {
      return std::nullopt;
    }
    return (*whole)[static_cast<size_t>(*number)];
  }

  Maybe Template(const Node& node) {
    if (node.children.size() == 1) return Of(*node.children[0]);
    std::string text;
    for (const NodePtr& child : node.children) {
      const Maybe part = Of(*child);
      const auto piece = part ? HclTextOf(*part) : std::nullopt;
      if (!piece.has_value()) return std::nullopt;
      text += *piece;
    }
    return text;
  }

  Maybe Call(const Node& node) {
    // What is unknown here may be known to Terraform: only a first value that is known counts.
    if (node.text == "try") {
      return node.children.empty() ? std::nullopt : Of(*node.children[0]);
    }
    std::vector<json> arguments;
    for (const NodePtr& child : node.children) {
      Maybe argument = Of(*child);
      if (!argument.has_value()) return std::nullopt;
      arguments.push_back(*std::move(argument));
    }
    if (node.expands && !arguments.empty()) {
      const json last = std::move(arguments.back());
      if (!last.is_array()) return std::nullopt;
      arguments.pop_back();
      arguments.insert(arguments.end(), last.begin(), last.end());
    }
    return CallHclFunction(node.text, arguments);
  }

  Maybe Unary(const Node& node) {
    const Maybe operand = Of(*node.children[0]);
    if (!operand.has_value()) return std::nullopt;
    if (node.text == "!") {
      const auto flag = HclBoolOf(*operand);
      return flag ? Maybe(!*flag) : std::nullopt;
    }
    const auto number = HclNumberOf(*operand);
    return number ? Maybe(HclJsonOf(-*number)) : std::nullopt;
  }

  Maybe Binary(const Node& node) {
    const Maybe left = Of(*node.children[0]);
    const Maybe right = Of(*node.children[1]);
    if (!left.has_value() || !right.has_value()) return std::nullopt;
    const std::string& name = node.text;
    if (name == "==") return *left == *right;
    if (name == "!=") return *left != *right;
    if (name == "&&" || name == "||") {
      const auto a = HclBoolOf(*left);
      const auto b = HclBoolOf(*right);
      if (!a || !b) return std::nullopt;
      return name == "&&" ? *a && *b : *a || *b;
    }
    const auto a = HclNumberOf(*left);
    const auto b = HclNumberOf(*right);
    if (!a || !b) return std::nullopt;
    if (name == "<") return *a < *b;
    if (name == "<=") return *a <= *b;
    if (name == ">") return *a > *b;
    if (name == ">=") return *a >= *b;
    if (name == "+") return HclJsonOf(*a + *b);
    if (name == "-") return HclJsonOf(*a - *b);
    if (name == "*") return HclJsonOf(*a * *b);
    if (*b == 0) return std::nullopt;
    return HclJsonOf(name == "/" ? *a / *b : std::fmod(*a, *b));
  }

  const HclScope& scope_;
  size_t made_ = 0;
};

void CollectArguments(const NodePtr& node, const std::vector<absl::string_view>& functions,
                      std::vector<HclExpression>* found) {
  if (node->kind == Kind::kCall && !node->children.empty() &&
      std::find(functions.begin(), functions.end(), node->text) != functions.end()) {
    found->emplace_back(node->children[0]);
  }
  for (const NodePtr& child : node->children) CollectArguments(child, functions, found);
}

}  // namespace

HclExpression::HclExpression() : node_(NullNode()) {}

std::vector<HclPath> HclExpression::references() const {
  std::set<HclPath> paths;
  std::vector<std::string> bound;
  Collect(*node_, &bound, &paths);
  return {paths.begin(), paths.end()};
}

std::optional<json> HclExpression::Evaluate(const HclScope& scope) const {
  return Evaluator(scope).Of(*node_);
}

std::optional<json> HclExpression::Literal() const {
  return Evaluate([](const HclPath&) { return std::nullopt; });
}

std::optional<HclPath> HclExpression::AsPath() const {
  HclPath path;
  if (!PathOf(*node_, &path)) return std::nullopt;
  return path;
}

std::vector<HclExpression> HclExpression::Elements() const {
  std::vector<HclExpression> elements;
  if (node_->kind != Kind::kTuple) return elements;
  for (const NodePtr& child : node_->children) elements.emplace_back(child);
  return elements;
}

std::vector<std::pair<std::string, HclExpression>> HclExpression::Members() const {
  std::vector<std::pair<std::string, HclExpression>> members;
  if (node_->kind != Kind::kObject) return members;
  for (size_t i = 0; i + 1 < node_->children.size(); i += 2) {
    const Node& key = *node_->children[i];
    members.emplace_back(key.kind == Kind::kLiteral ? HclTextOf(key.value).value_or("") : "",
                         HclExpression(node_->children[i + 1]));
  }
  return members;
}

std::optional<HclExpression::Operation> HclExpression::AsOperation() const {
  const Node* node = node_.get();
  // "${…}" is what JSON syntax writes for an expression.
  while (node->kind == Kind::kTemplate && node->children.size() == 1)
    node = node->children[0].get();
  if (node->kind != Kind::kCall && node->kind != Kind::kUnary && node->kind != Kind::kBinary) {
    return std::nullopt;
  }
  Operation operation;
  operation.name = node->text;
  for (const NodePtr& child : node->children) operation.operands.emplace_back(child);
  return operation;
}

std::vector<HclExpression> HclExpression::FirstArguments(
    const std::vector<absl::string_view>& functions) const {
  std::vector<HclExpression> found;
  CollectArguments(node_, functions, &found);
  return found;
}

}  // namespace purser::document
