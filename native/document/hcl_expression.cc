#include "document/hcl_expression.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/hcl_node.h"
#include "document/hcl_parser.h"

namespace purser::document {
namespace {

using Node = HclExpression::Node;
using NodePtr = std::shared_ptr<const Node>;
using Kind = Node::Kind;

// The recursion follows a JSON value, whose depth its parser bounded.
absl::StatusOr<NodePtr> NodeOfJson(const nlohmann::json& value, absl::string_view file,
                                   Position start, int depth) {
  if (depth > kMaxHclExpressionDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat(file, ":", start.line, ":", start.column, ": a value nested deeper than ",
                     kMaxHclExpressionDepth, " (kMaxHclExpressionDepth)"));
  }
  if (value.is_string()) {
    return HclParser(value.get_ref<const std::string&>(), file, start).WholeTemplate();
  }
  Node node;
  const auto add = [&node](NodePtr child) {
    node.depth = std::max(node.depth, child->depth + 1);
    node.children.push_back(std::move(child));
  };
  if (value.is_object()) {
    node.kind = Kind::kObject;
    for (const auto& [key, member] : value.items()) {
      PURSER_ASSIGN_OR_RETURN(NodePtr name, HclParser(key, file, start).WholeTemplate());
      add(std::move(name));
      PURSER_ASSIGN_OR_RETURN(NodePtr child, NodeOfJson(member, file, start, depth + 1));
      add(std::move(child));
    }
  } else if (value.is_array()) {
    node.kind = Kind::kTuple;
    for (const nlohmann::json& element : value) {
      PURSER_ASSIGN_OR_RETURN(NodePtr child, NodeOfJson(element, file, start, depth + 1));
      add(std::move(child));
    }
  } else {
    node.value = value;
  }
  return std::make_shared<const Node>(std::move(node));
}

absl::StatusOr<HclExpression> Wrap(absl::StatusOr<NodePtr> node) {
  if (!node.ok()) return std::move(node).status();
  return HclExpression(*std::move(node));
}

absl::Status CheckText(absl::string_view text, absl::string_view file) {
  if (base::IsValidUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(file, ": the expression must be UTF-8"));
}

}  // namespace

absl::StatusOr<HclExpression> ParseHclExpression(absl::string_view text, absl::string_view file,
                                                 Position start) {
  PURSER_RETURN_IF_ERROR(CheckText(text, file));
  return Wrap(HclParser(text, file, start).Whole());
}

absl::StatusOr<HclExpression> ParseHclTemplate(absl::string_view text, absl::string_view file,
                                               Position start) {
  PURSER_RETURN_IF_ERROR(CheckText(text, file));
  return Wrap(HclParser(text, file, start).WholeTemplate());
}

absl::StatusOr<HclExpression> HclExpressionOfJson(const nlohmann::json& value,
                                                  absl::string_view file, Position start) {
  return Wrap(NodeOfJson(value, file, start, 0));
}

}  // namespace purser::document
