// What an expression reads, and its value where the text alone tells it.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "document/hcl_expression.h"
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

// As a template shows a value; nullopt for what has no text.
std::optional<std::string> TextOf(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_integer()) return absl::StrCat(value.get<int64_t>());
  if (value.is_number()) {
    const double number = value.get<double>();
    if (number == std::floor(number) && std::fabs(number) < 1e15) {
      return absl::StrCat(static_cast<int64_t>(number));
    }
    return value.dump();
  }
  return std::nullopt;
}

std::optional<double> NumberOf(const json& value) {
  if (value.is_number()) return value.get<double>();
  double number = 0;
  if (value.is_string() && absl::SimpleAtod(value.get<std::string>(), &number)) return number;
  return std::nullopt;
}
json JsonOf(double number) {
  if (number == std::floor(number) && std::fabs(number) < 9e15) return static_cast<int64_t>(number);
  return number;
}
std::optional<bool> BoolOf(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
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

// %s, %d, %v, %q, %% and %0Nd, %N…: what names and addresses are made with.
Maybe Format(const std::vector<json>& arguments) {
  if (arguments.empty() || !arguments[0].is_string()) return std::nullopt;
  const std::string pattern = arguments[0].get<std::string>();
  std::string out;
  size_t next = 1;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out.push_back(pattern[i]);
      continue;
    }
    if (++i >= pattern.size()) return std::nullopt;
    if (pattern[i] == '%') {
      out.push_back('%');
      continue;
    }
    const bool zeros = pattern[i] == '0';
    size_t width = 0;
    for (; i < pattern.size() && absl::ascii_isdigit(static_cast<unsigned char>(pattern[i])); ++i) {
      width = std::min<size_t>(1000, width * 10 + static_cast<size_t>(pattern[i] - '0'));
    }
    if (i >= pattern.size() || next >= arguments.size()) return std::nullopt;
    const json& argument = arguments[next++];
    std::optional<std::string> text;
    switch (pattern[i]) {
      case 's':
        text = TextOf(argument);
        break;
      case 'v':
        text = argument.is_structured() || argument.is_null() ? argument.dump() : TextOf(argument);
        break;
      case 'q':
        if (argument.is_string()) text = argument.dump();
        break;
      case 'd':
        if (const auto number = NumberOf(argument); number && *number == std::floor(*number)) {
          text = TextOf(JsonOf(*number));
        }
        break;
      default:
        break;
    }
    if (!text.has_value()) return std::nullopt;
    if (text->size() < width) text->insert(0, width - text->size(), zeros ? '0' : ' ');
    out += *text;
  }
  if (next != arguments.size()) return std::nullopt;
  return out;
}

Maybe Join(const std::vector<json>& arguments) {
  if (arguments.size() < 2 || !arguments[0].is_string()) return std::nullopt;
  std::vector<std::string> parts;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (!arguments[i].is_array()) return std::nullopt;
    for (const json& element : arguments[i]) {
      std::optional<std::string> text = TextOf(element);
      if (!text.has_value()) return std::nullopt;
      parts.push_back(*std::move(text));
    }
  }
  return absl::StrJoin(parts, arguments[0].get<std::string>());
}

Maybe ReplaceText(const std::string& text, const std::string& from, const std::string& to) {
  // /…/ is a regular expression.
  if (from.empty() || (from.size() > 1 && from.front() == '/' && from.back() == '/')) {
    return std::nullopt;
  }
  if (to.size() > from.size() &&
      text.size() / from.size() > kMaxHclValueBytes / std::max<size_t>(1, to.size())) {
    return std::nullopt;
  }
  return absl::StrReplaceAll(text, {{from, to}});
}

Maybe MinOrMax(const std::vector<json>& arguments, bool max) {
  std::optional<double> best;
  for (const json& argument : arguments) {
    const std::optional<double> number = NumberOf(argument);
    if (!number.has_value()) return std::nullopt;
    best = !best ? *number : max ? std::max(*best, *number) : std::min(*best, *number);
  }
  return best ? Maybe(JsonOf(*best)) : std::nullopt;
}

Maybe OneText(const std::string& name, const std::string& text) {
  if (name == "upper") return absl::AsciiStrToUpper(text);
  if (name == "lower") return absl::AsciiStrToLower(text);
  return std::string(absl::StripAsciiWhitespace(text));
}

Maybe OneNumber(const std::string& name, double number) {
  if (name == "abs") return JsonOf(std::fabs(number));
  return JsonOf(name == "ceil" ? std::ceil(number) : std::floor(number));
}

Maybe OfCollection(const std::string& name, const std::vector<json>& arguments) {
  const json& first = arguments[0];
  if (name == "length") {
    if (first.is_structured()) return static_cast<int64_t>(first.size());
    return std::nullopt;
  }
  if (name == "keys" || name == "values") {
    if (!first.is_object()) return std::nullopt;
    json list = json::array();
    for (const auto& [key, member] : first.items())
      list.push_back(name == "keys" ? json(key) : member);
    return list;
  }
  if (name == "contains") {
    if (arguments.size() != 2 || !first.is_array()) return std::nullopt;
    return std::find(first.begin(), first.end(), arguments[1]) != first.end();
  }
  if (name == "lookup") {
    if (arguments.size() < 2 || !first.is_object() || !arguments[1].is_string())
      return std::nullopt;
    const auto found = first.find(arguments[1].get<std::string>());
    if (found != first.end()) return *found;
    return arguments.size() == 3 ? Maybe(arguments[2]) : std::nullopt;
  }
  json result = name == "merge" ? json::object() : json::array();
  for (const json& argument : arguments) {
    if (name == "merge") {
      if (!argument.is_object()) return std::nullopt;
      result.update(argument);
    } else {
      if (!argument.is_array()) return std::nullopt;
      result.insert(result.end(), argument.begin(), argument.end());
    }
  }
  return result;
}

Maybe Convert(const std::string& name, const json& value) {
  if (name == "tonumber") {
    const auto number = NumberOf(value);
    return number ? Maybe(JsonOf(*number)) : std::nullopt;
  }
  if (name == "tobool") {
    const auto flag = BoolOf(value);
    return flag ? Maybe(*flag) : std::nullopt;
  }
  if (name == "tostring") {
    const auto text = TextOf(value);
    return text ? Maybe(*text) : std::nullopt;
  }
  if (name == "tomap") return value.is_object() ? Maybe(value) : std::nullopt;
  if (!value.is_array()) return std::nullopt;
  if (name == "tolist") return value;
  const std::set<json> unique(value.begin(), value.end());
  return json(std::vector<json>(unique.begin(), unique.end()));
}

bool Is(const std::string& name, std::initializer_list<absl::string_view> names) {
  return std::find(names.begin(), names.end(), absl::string_view(name)) != names.end();
}

Maybe Apply(const std::string& name, const std::vector<json>& arguments) {
  if (name == "format") return Format(arguments);
  if (name == "join") return Join(arguments);
  if (name == "min" || name == "max") return MinOrMax(arguments, name == "max");
  if (arguments.empty()) return std::nullopt;
  if (name == "coalesce") {
    for (const json& argument : arguments) {
      if (!argument.is_null() && argument != "") return argument;
    }
    return std::nullopt;
  }
  if (Is(name, {"length", "keys", "values", "contains", "lookup", "merge", "concat"})) {
    return OfCollection(name, arguments);
  }
  if (name == "replace" || name == "split") {
    if (!std::all_of(arguments.begin(), arguments.end(),
                     [](const json& argument) { return argument.is_string(); })) {
      return std::nullopt;
    }
    if (name == "replace") {
      if (arguments.size() != 3) return std::nullopt;
      return ReplaceText(arguments[0], arguments[1], arguments[2]);
    }
    if (arguments.size() != 2 || arguments[0] == "") return std::nullopt;
    return json(std::vector<std::string>(
        absl::StrSplit(arguments[1].get<std::string>(), arguments[0].get<std::string>())));
  }
  if (arguments.size() != 1) return std::nullopt;
  if (name == "jsonencode") {
    // As Go writes it, so that a page may hold it.
    return absl::StrReplaceAll(arguments[0].dump(), {{"<", "\\u003c"},
                                                     {">", "\\u003e"},
                                                     {"&", "\\u0026"},
                                                     {"\u2028", "\\u2028"},
                                                     {"\u2029", "\\u2029"}});
  }
  if (Is(name, {"upper", "lower", "trimspace"})) {
    const auto text = TextOf(arguments[0]);
    return text ? OneText(name, *text) : std::nullopt;
  }
  if (Is(name, {"abs", "ceil", "floor"})) {
    const auto number = NumberOf(arguments[0]);
    return number ? OneNumber(name, *number) : std::nullopt;
  }
  if (Is(name, {"tostring", "tonumber", "tobool", "tolist", "toset", "tomap"})) {
    return Convert(name, arguments[0]);
  }
  return std::nullopt;
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
        const auto flag = condition ? BoolOf(*condition) : std::nullopt;
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
          const auto name = key ? TextOf(*key) : std::nullopt;
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
      const auto name = TextOf(*index);
      const auto found = name ? whole->find(*name) : whole->end();
      return found != whole->end() ? Maybe(*found) : std::nullopt;
    }
    const auto number = NumberOf(*index);
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
      const auto piece = part ? TextOf(*part) : std::nullopt;
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
    return Apply(node.text, arguments);
  }

  Maybe Unary(const Node& node) {
    const Maybe operand = Of(*node.children[0]);
    if (!operand.has_value()) return std::nullopt;
    if (node.text == "!") {
      const auto flag = BoolOf(*operand);
      return flag ? Maybe(!*flag) : std::nullopt;
    }
    const auto number = NumberOf(*operand);
    return number ? Maybe(JsonOf(-*number)) : std::nullopt;
  }

  Maybe Binary(const Node& node) {
    const Maybe left = Of(*node.children[0]);
    const Maybe right = Of(*node.children[1]);
    if (!left.has_value() || !right.has_value()) return std::nullopt;
    const std::string& name = node.text;
    if (name == "==") return *left == *right;
    if (name == "!=") return *left != *right;
    if (name == "&&" || name == "||") {
      const auto a = BoolOf(*left);
      const auto b = BoolOf(*right);
      if (!a || !b) return std::nullopt;
      return name == "&&" ? *a && *b : *a || *b;
    }
    const auto a = NumberOf(*left);
    const auto b = NumberOf(*right);
    if (!a || !b) return std::nullopt;
    if (name == "<") return *a < *b;
    if (name == "<=") return *a <= *b;
    if (name == ">") return *a > *b;
    if (name == ">=") return *a >= *b;
    if (name == "+") return JsonOf(*a + *b);
    if (name == "-") return JsonOf(*a - *b);
    if (name == "*") return JsonOf(*a * *b);
    if (*b == 0) return std::nullopt;
    return JsonOf(name == "/" ? *a / *b : std::fmod(*a, *b));
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
    members.emplace_back(key.kind == Kind::kLiteral ? TextOf(key.value).value_or("") : "",
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
