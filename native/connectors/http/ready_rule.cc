#include "connectors/http/ready_rule.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "template/template.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxExpressionSteps = 100'000;
constexpr int64_t kMaxExpressionMillis = 1'000;

// As JavaScript decides: false, null, 0, NaN, "" and undefined are not.
bool IsTruthy(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
    case Json::value_t::discarded:
      return false;
    case Json::value_t::boolean:
      return value.get<bool>();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return value != 0;
    case Json::value_t::number_float:
      return value.get<double>() != 0 && value.get<double>() == value.get<double>();
    case Json::value_t::string:
      return !value.get_ref<const std::string&>().empty();
    default:
      return true;
  }
}

absl::StatusOr<bool> Holds(const Json& rule, const Json& answer, const Json& outputs) {
  if (const auto expression = rule.find("expression"); expression != rule.end()) {
    tmpl::Options options;
    options.name = "expression";
    tmpl::Limits limits;
    limits.max_steps = kMaxExpressionSteps;
    limits.max_wall_ms = kMaxExpressionMillis;
    PURSER_ASSIGN_OR_RETURN(
        const tmpl::Template compiled,
        tmpl::Template::Compile(
            absl::StrCat("${{ ", expression->get_ref<const std::string&>(), " }}"), options,
            limits));
    const Json context = {{"response", answer}, {"outputs", outputs}};
    PURSER_ASSIGN_OR_RETURN(const Json value, compiled.Evaluate(context, limits));
    return IsTruthy(value);
  }
  if (const auto pointer = rule.find("pointer"); pointer != rule.end()) {
    const Json* value = AtPointer(answer, pointer->get_ref<const std::string&>());
    if (value == nullptr) return false;
    if (rule.contains("equals")) return *value == rule["equals"];
    if (rule.contains("in")) {
      return std::find(rule["in"].begin(), rule["in"].end(), *value) != rule["in"].end();
    }
    return IsTruthy(*value);
  }
  const int status = answer["status"].get<int>();
  return status >= 200 && status < 300;
}

}  // namespace

const Json* AtPointer(const Json& value, const std::string& pointer) {
  try {
    const Json::json_pointer parsed(pointer);
    return value.contains(parsed) ? &value.at(parsed) : nullptr;
  } catch (const Json::exception&) {
    return nullptr;  // no pointer at all, or one through a scalar
  }
}

absl::StatusOr<Readiness> Judge(const Json& ready, const Json& answer, const Json& outputs) {
  if (const auto failed = ready.find("failed"); failed != ready.end()) {
    PURSER_ASSIGN_OR_RETURN(const bool is_failed, Holds(*failed, answer, outputs));
    if (is_failed) return Readiness::kFailed;
  }
  PURSER_ASSIGN_OR_RETURN(const bool is_ready, Holds(ready, answer, outputs));
  return is_ready ? Readiness::kReady : Readiness::kNotYet;
}

}  // namespace purser::connectors
