// Expressions in blueprints: values whose strings hold `${{ … }}`.
#ifndef PURSER_PROVISIONING_EXPRESSIONS_H_
#define PURSER_PROVISIONING_EXPRESSIONS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace purser::provisioning {

// True when the text is not plain.
bool IsExpression(absl::string_view text);
// True when any string or key inside the value is one.
bool HasExpression(const nlohmann::json& value);

// Evaluates every string and key of `value`. A string that is one sole
// expression keeps the expression's type; undefined members and elements are
// left out, and so is what becomes empty by it only if it was undefined itself.
// Keys must become different strings. INVALID_ARGUMENT names the JSON pointer
// below `pointer`.
absl::StatusOr<nlohmann::json> Evaluate(const nlohmann::json& value, const nlohmann::json& context,
                                        absl::string_view pointer);

// A text of at most kMaxTextBytes; "" when `expression` is null or gives nothing. `what` names it
// in errors.
inline constexpr size_t kMaxTextBytes = 512;
absl::StatusOr<std::string> EvaluateText(const nlohmann::json& expression,
                                         const nlohmann::json& context, absl::string_view what);

// As JavaScript would judge a condition: false, 0, "", null and undefined are
// false.
absl::StatusOr<bool> EvaluateCondition(absl::string_view text, const nlohmann::json& context);

// "parameters.name", "steps['a-b']" … as an expression begins to name them.
struct Reference {
  std::string root;     // "steps"
  std::string member;   // "a-b"; "" when it is not known before evaluation
  bool dotted = false;  // written as root.member
  std::string after;    // what stands behind the member, at most a few characters
};
std::vector<Reference> FindReferences(absl::string_view text);

// Syntax faults and references of every string and key inside `value`, by JSON
// pointer.
struct Visitor {
  std::function<void(const std::string& pointer, const absl::Status& fault)> on_fault;
  std::function<void(const std::string& pointer, const Reference& reference)> on_reference;
};
void Visit(const nlohmann::json& value, const std::string& pointer, const Visitor& visitor);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_EXPRESSIONS_H_
