#include "template/line_protocol.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "template/step_input.h"
#include "template/template.h"

namespace purser::tmpl {
namespace {

// Marks what compiling refused.
constexpr char kSyntaxPayload[] = "purser/syntax";

bool Flag(const nlohmann::ordered_json& options, const char* name) {
  const auto found = options.find(name);
  return found != options.end() && found->is_boolean() && found->get<bool>();
}

// Where and in which phase a template failed, for comparisons: the first place that its message
// names.
void AddPlace(const absl::Status& status, nlohmann::json* out) {
  (*out)["code"] = status.code() == absl::StatusCode::kResourceExhausted ? "limit"
                   : status.GetPayload(kSyntaxPayload).has_value()       ? "syntax_error"
                                                                         : "evaluation_error";
  const std::vector<absl::string_view> parts =
      absl::StrSplit(status.message(), absl::MaxSplits(':', 3));
  int line, column;
  if (parts.size() > 3 && absl::SimpleAtoi(parts[1], &line) &&
      absl::SimpleAtoi(parts[2], &column)) {
    (*out)["line"] = line;
    (*out)["column"] = column;
  }
}

absl::StatusOr<nlohmann::json> Answer(const nlohmann::ordered_json& line) {
  const std::string variant = line.value("variant", "backstage");
  Options options;
  options.cookiecutter_compat = variant == "cookiecutter";
  const nlohmann::ordered_json given = line.value("options", nlohmann::ordered_json::object());
  if (!given.is_object()) return absl::InvalidArgumentError("the options must be an object");
  options.trim_blocks = Flag(given, "trimBlocks");
  options.lstrip_blocks = Flag(given, "lstripBlocks");
  PURSER_ASSIGN_OR_RETURN(
      const Context context,
      Context::FromText(line.value("context", nlohmann::ordered_json::object()).dump()));
  const nlohmann::ordered_json source = line.value("template", nlohmann::ordered_json(""));
  if (variant == "step-input") {
    PURSER_ASSIGN_OR_RETURN(nlohmann::json value,
                            EvaluateJson(nlohmann::json::parse(source.dump()), context, options));
    if (value.is_discarded()) return nlohmann::json{{"$undefined", true}};
    return value;
  }
  if (variant != "backstage" && variant != "cookiecutter") {
    return absl::InvalidArgumentError("unknown variant " + variant);
  }
  if (!source.is_string()) return absl::InvalidArgumentError("the template must be a string");
  absl::StatusOr<Template> compiled = Template::Compile(source.get<std::string>(), options);
  if (!compiled.ok()) {
    absl::Status status = compiled.status();
    status.SetPayload(kSyntaxPayload, {});
    return status;
  }
  PURSER_ASSIGN_OR_RETURN(std::string text, compiled->Render(context));
  return nlohmann::json(std::move(text));
}

}  // namespace

std::string AnswerLine(absl::string_view json_line) {
  nlohmann::json out = {{"id", nullptr}};
  // nlohmann throws for members of a wrong type; the line is then no case.
  try {
    const auto line = nlohmann::ordered_json::parse(json_line.begin(), json_line.end());
    if (line.contains("id")) out["id"] = nlohmann::json::parse(line["id"].dump());
    absl::StatusOr<nlohmann::json> answer = Answer(line);
    out["ok"] = answer.ok();
    if (answer.ok()) {
      out["output"] = *std::move(answer);
    } else {
      out["error"] = std::string(answer.status().message());
      AddPlace(answer.status(), &out);
    }
  } catch (const nlohmann::json::exception& error) {
    out["ok"] = false;
    out["error"] = std::string("the line is no case: ") + error.what();
  }
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace purser::tmpl
