#include "costs/sources/allocation_filter.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::costs {
namespace {

constexpr absl::string_view kFields[] = {"cluster",    "node",    "namespace", "controllerKind",
                                         "controller", "service", "pod"};

absl::Status Wrong(absl::string_view rest, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      "filter: ", expected, " expected, not \"", base::EscapeForDisplay(rest.substr(0, 40), 80),
      "\"; a filter is like namespace:\"web\",\"shop\"+label[app]!:\"test\""));
}

void SkipBlanks(absl::string_view& rest) {
  while (absl::ConsumePrefix(&rest, " ")) {
  }
}

// "value" with \" and \\ in it.
absl::StatusOr<std::string> ParseValue(absl::string_view& rest) {
  SkipBlanks(rest);
  if (!absl::ConsumePrefix(&rest, "\"")) return Wrong(rest, "a value in quotation marks");
  std::string value;
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\') rest.remove_prefix(1);
    if (rest.empty()) break;
    value.push_back(rest.front());
    rest.remove_prefix(1);
  }
  if (!absl::ConsumePrefix(&rest, "\"")) return Wrong(rest, "the end of a value");
  SkipBlanks(rest);
  return value;
}

}  // namespace

absl::StatusOr<std::string> ParseAllocationField(absl::string_view field) {
  absl::string_view name = field;
  if (absl::ConsumePrefix(&name, "label[") && absl::ConsumeSuffix(&name, "]")) {
    return absl::StrCat("label:", name);
  }
  if ((absl::StartsWith(field, "label:") && field.size() > 6) ||
      std::find(std::begin(kFields), std::end(kFields), field) != std::end(kFields)) {
    return std::string(field);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", base::EscapeForDisplay(field, 80),
                   "\" is nothing that allocations have: there are cluster, node, namespace, "
                   "controllerKind, controller, service, pod and label:NAME"));
}

absl::StatusOr<AllocationFilter::Condition> AllocationFilter::ParseCondition(
    absl::string_view& rest) {
  Condition condition;
  SkipBlanks(rest);
  const size_t end = rest.find_first_of(":!~<");
  if (end == absl::string_view::npos) return Wrong(rest, "a field and an operator");
  PURSER_ASSIGN_OR_RETURN(condition.field,
                          ParseAllocationField(absl::StripSuffix(rest.substr(0, end), " ")));
  rest.remove_prefix(end);
  condition.negated = absl::ConsumePrefix(&rest, "!");
  if (absl::ConsumePrefix(&rest, "<~:")) {
    condition.match = Match::kStartsWith;
  } else if (absl::ConsumePrefix(&rest, "~>:")) {
    condition.match = Match::kEndsWith;
  } else if (absl::ConsumePrefix(&rest, "~:")) {
    condition.match = Match::kContains;
  } else if (!absl::ConsumePrefix(&rest, ":")) {
    return Wrong(rest, "one of : !: ~: <~: ~>:");
  }
  do {
    PURSER_ASSIGN_OR_RETURN(condition.values.emplace_back(), ParseValue(rest));
  } while (absl::ConsumePrefix(&rest, ","));
  return condition;
}

absl::StatusOr<AllocationFilter> AllocationFilter::Parse(absl::string_view text) {
  AllocationFilter filter;
  if (text.empty()) return filter;
  absl::string_view rest = text;
  do {
    PURSER_ASSIGN_OR_RETURN(filter.conditions_.emplace_back(), ParseCondition(rest));
  } while (absl::ConsumePrefix(&rest, "+"));
  if (!rest.empty()) return Wrong(rest, "+ and a further condition");
  return filter;
}

bool AllocationFilter::Passes(const FieldOf& field_of) const {
  return std::all_of(conditions_.begin(), conditions_.end(), [&](const Condition& condition) {
    const std::string is = field_of(condition.field);
    const bool any = std::any_of(condition.values.begin(), condition.values.end(),
                                 [&](const std::string& value) {
                                   switch (condition.match) {
                                     case Match::kEquals:
                                       return is == value;
                                     case Match::kContains:
                                       return absl::StrContains(is, value);
                                     case Match::kStartsWith:
                                       return absl::StartsWith(is, value);
                                     case Match::kEndsWith:
                                       return absl::EndsWith(is, value);
                                   }
                                   return false;
                                 });
    return any != condition.negated;
  });
}

}  // namespace purser::costs
