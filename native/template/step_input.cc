#include "template/step_input.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace purser::tmpl {
namespace {

std::string Below(const std::string& pointer, absl::string_view name) {
  return absl::StrCat(pointer, "/", absl::StrReplaceAll(name, {{"~", "~0"}, {"/", "~1"}}));
}

// Calls `visit(pointer, string, result)` for every string and puts the results in their places.
template <typename Visit>
absl::Status Map(const nlohmann::json& value, const std::string& pointer, int depth, Visit& visit,
                 nlohmann::json* out) {
  if (depth > kMaxInputDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat(pointer, ": the input is nested deeper than ", kMaxInputDepth, " levels"));
  }
  if (value.is_string()) return visit(pointer, value.get_ref<const std::string&>(), out);
  if (value.is_array()) {
    *out = nlohmann::json::array();
    for (size_t i = 0; i < value.size(); ++i) {
      nlohmann::json item;
      PURSER_RETURN_IF_ERROR(
          Map(value[i], Below(pointer, absl::StrCat(i)), depth + 1, visit, &item));
      out->push_back(item.is_discarded() ? nlohmann::json() : std::move(item));
    }
    return absl::OkStatus();
  }
  if (value.is_object()) {
    *out = nlohmann::json::object();
    for (const auto& [name, member] : value.items()) {
      nlohmann::json made;
      PURSER_RETURN_IF_ERROR(Map(member, Below(pointer, name), depth + 1, visit, &made));
      if (!made.is_discarded()) (*out)[name] = std::move(made);
    }
    return absl::OkStatus();
  }
  *out = value;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<nlohmann::json> EvaluateJson(const nlohmann::json& value, const Context& context,
                                            const Options& options, const Limits& limits,
                                            std::stop_token stop) {
  nlohmann::json out;
  auto visit = [&](const std::string&, const std::string& text,
                   nlohmann::json* result) -> absl::Status {
    if (stop.stop_requested()) return absl::CancelledError("evaluating an input was cancelled");
    *result = text;
    const absl::StatusOr<Template> compiled = Template::Compile(text, options, limits);
    if (!compiled.ok()) return absl::OkStatus();
    absl::StatusOr<nlohmann::json> evaluated = compiled->Evaluate(context, limits, stop);
    if (evaluated.ok()) {
      *result = *std::move(evaluated);
    } else if (absl::IsCancelled(evaluated.status())) {
      return evaluated.status();
    }
    return absl::OkStatus();
  };
  PURSER_RETURN_IF_ERROR(Map(value, "", 0, visit, &out));
  return out;
}

absl::StatusOr<nlohmann::json> EvaluateJsonStrict(const nlohmann::json& value,
                                                  const Context& context, const Options& options,
                                                  const Limits& limits, std::stop_token stop) {
  nlohmann::json out;
  auto visit = [&](const std::string& pointer, const std::string& text,
                   nlohmann::json* result) -> absl::Status {
    const absl::StatusOr<Template> compiled = Template::Compile(text, options, limits);
    if (!compiled.ok()) return base::Annotate(compiled.status(), pointer);
    absl::StatusOr<nlohmann::json> evaluated = compiled->Evaluate(context, limits, stop);
    if (!evaluated.ok()) return base::Annotate(evaluated.status(), pointer);
    *result = *std::move(evaluated);
    return absl::OkStatus();
  };
  PURSER_RETURN_IF_ERROR(Map(value, "", 0, visit, &out));
  return out;
}

absl::Status CheckJson(const nlohmann::json& value, const Options& options) {
  nlohmann::json unused;
  auto visit = [&](const std::string& pointer, const std::string& text,
                   nlohmann::json*) -> absl::Status {
    return base::Annotate(Template::Compile(text, options).status(), pointer);
  };
  return Map(value, "", 0, visit, &unused);
}

}  // namespace purser::tmpl
