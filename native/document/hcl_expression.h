// Expressions of HCL 2: what they refer to, and their value where it is known without running
// Terraform.
//
//   PURSER_ASSIGN_OR_RETURN(HclExpression value, ParseHclExpression("\"${var.env}-logs\"", "x"));
//   value.references();                                  // {{"var", "env"}}
//   value.Evaluate([](const HclPath& path) -> std::optional<nlohmann::json> { … });
#ifndef PURSER_DOCUMENT_HCL_EXPRESSION_H_
#define PURSER_DOCUMENT_HCL_EXPRESSION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "document/yaml.h"
#include "nlohmann/json.hpp"

namespace purser::document {

inline constexpr int kMaxHclExpressionDepth = 200;  // operators, calls and brackets in each other
inline constexpr int kMaxHclExpressionNodes = 200'000;        // of one expression
inline constexpr size_t kMaxHclValueBytes = size_t{1} << 20;  // that one evaluation may make

// A name and the constant members behind it: {"module", "network", "subnet_id"}.
using HclPath = std::vector<std::string>;

// The value a path stands for, or nullopt when only a run of Terraform would tell.
using HclScope = std::function<std::optional<nlohmann::json>(const HclPath& path)>;

// Immutable, cheap to copy, thread-safe.
class HclExpression {
 public:
  struct Node;

  HclExpression();  // null
  explicit HclExpression(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

  // What the expression reads, sorted, each once. Names bound by a `for` are not among them; a path
  // ends before the first member that is computed.
  std::vector<HclPath> references() const;

  // The value as JSON. nullopt: not known from the text alone (a resource's attribute, a function
  // that is not plain, `for`, `%{ if }`), wrong for Terraform as well, or beyond kMaxHclValueBytes.
  // Known are literals, templates, members, operators, conditions and the functions abs, ceil,
  // coalesce, concat, contains, floor, format, join, jsonencode, keys, length, lookup, lower, max,
  // merge, min, replace (of plain text), split, to*, trimspace, try, upper and values.
  std::optional<nlohmann::json> Evaluate(const HclScope& scope) const;
  // Without names.
  std::optional<nlohmann::json> Literal() const;

  // As `depends_on`, `type` and `providers` write names: {"module", "network"} for module.network;
  // nullopt when it is anything else.
  std::optional<HclPath> AsPath() const;
  // The members of [a, b] or {x = a}, in order; empty when it is neither. Keys that are computed
  // are "".
  std::vector<HclExpression> Elements() const;
  std::vector<std::pair<std::string, HclExpression>> Members() const;
  // Of f(a, b): {"f", {a, b}}; of a && b: {"&&", {a, b}}; of !a: {"!", {a}}; nullopt for the rest.
  struct Operation {
    std::string name;
    std::vector<HclExpression> operands;
  };
  std::optional<Operation> AsOperation() const;
  // The first arguments of all calls of one of these functions, wherever they stand inside.
  std::vector<HclExpression> FirstArguments(const std::vector<absl::string_view>& functions) const;

 private:
  std::shared_ptr<const Node> node_;
};

// One expression. INVALID_ARGUMENT "file:line:column: …", counted from `start`, where it stands in
// its file; RESOURCE_EXHAUSTED names the limit.
absl::StatusOr<HclExpression> ParseHclExpression(absl::string_view text, absl::string_view file,
                                                 Position start = {1, 1});
// The content of a quoted string, already unescaped (as JSON syntax has it): text with ${ } and
// %{ }.
absl::StatusOr<HclExpression> ParseHclTemplate(absl::string_view text, absl::string_view file,
                                               Position start = {1, 1});
// A JSON value of Terraform's JSON syntax: its strings are templates.
absl::StatusOr<HclExpression> HclExpressionOfJson(const nlohmann::json& value,
                                                  absl::string_view file, Position start = {1, 1});

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_HCL_EXPRESSION_H_
