#include "template/template.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "nlohmann/json.hpp"
#include "template/ast.h"
#include "template/context.h"
#include "template/interpreter.h"
#include "template/parser.h"
#include "template/run.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

// Whether any mark of a tag is in the text. "#}" counts: alone it is an error.
bool HasMark(absl::string_view source, const Options& options) {
  for (const char *at = source.data(), *end = at + source.size(); at < end; ++at) {
    at = static_cast<const char*>(std::memchr(at, '{', static_cast<size_t>(end - at)));
    if (at == nullptr) break;
    if (at + 1 < end && (at[1] == '%' || at[1] == '#' || at[1] == '{')) return true;
  }
  return source.find("#}") != absl::string_view::npos ||
         source.find(options.variable_start) != absl::string_view::npos;
}

absl::StatusOr<Context> NotAnObject() {
  return absl::InvalidArgumentError("template values must be a JSON object");
}

}  // namespace

absl::StatusOr<Context> Context::FromJson(const nlohmann::json& object) {
  if (!object.is_object()) return NotAnObject();
  PURSER_ASSIGN_OR_RETURN(Value root, ValueFromJson(object));
  return Context(std::make_shared<const ContextData>(std::move(root)));
}

absl::StatusOr<Context> Context::FromText(absl::string_view json) {
  PURSER_ASSIGN_OR_RETURN(Value root, ValueFromText(json));
  if (!root.IsRecord()) return NotAnObject();
  return Context(std::make_shared<const ContextData>(std::move(root)));
}

Template::Template(std::unique_ptr<const ProgramData> program) : program_(std::move(program)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

absl::StatusOr<Template> Template::Compile(absl::string_view source, const Options& options,
                                           const Limits& limits) {
  if (static_cast<int64_t>(source.size()) > limits.max_source_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(base::EscapeForDisplay(options.name), ": the limit max_source_bytes of ",
                     limits.max_source_bytes, " was exceeded (", source.size(), " bytes)"));
  }
  auto program = std::make_unique<ProgramData>();
  program->options = options;
  if (options.cookiecutter_compat) {
    program->options.variable_start = "{{";
    program->options.variable_end = "}}";
  }
  program->source = base::IsValidUtf8(source) ? std::string(source) : DecodeUtf8(source);
  if (!HasMark(program->source, program->options)) {
    program->plain = true;
    return Template(std::move(program));
  }
  Run run(limits, {});
  if (!ParseTemplate(run, *program)) return run.ToStatus(options.name, program->source);
  return Template(std::move(program));
}

bool Template::IsPlain() const { return program_->plain && program_->nodes.size() <= 2; }

absl::StatusOr<std::string> Template::Render(const Context& context, const Limits& limits,
                                             std::stop_token stop) const {
  if (program_->nodes.empty()) {
    if (static_cast<int64_t>(program_->source.size()) > limits.max_output_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(program_->options.name,
                                                       ": the limit max_output_bytes of ",
                                                       limits.max_output_bytes, " was exceeded"));
    }
    return program_->source;
  }
  Run run(limits, std::move(stop));
  std::string out;
  bool ok;
  {
    Interpreter interpreter(run, *program_, context.data_->record());
    ok = interpreter.Render(&out);
  }
  if (!ok) return run.ToStatus(program_->options.name, program_->source);
  ReplaceLoneSurrogates(out);
  return out;
}

absl::StatusOr<std::string> Template::Render(const nlohmann::json& context, const Limits& limits,
                                             std::stop_token stop) const {
  if (program_->nodes.empty()) return program_->source;
  PURSER_ASSIGN_OR_RETURN(const Context prepared, Context::FromJson(context));
  return Render(prepared, limits, std::move(stop));
}

absl::StatusOr<nlohmann::json> Template::Evaluate(const Context& context, const Limits& limits,
                                                  std::stop_token stop) const {
  if (program_->nodes.empty() || !Interpreter::IsSole(*program_)) {
    PURSER_ASSIGN_OR_RETURN(std::string text, Render(context, limits, std::move(stop)));
    return nlohmann::json(std::move(text));
  }
  Run run(limits, std::move(stop));
  nlohmann::json out;
  bool ok;
  {
    Interpreter interpreter(run, *program_, context.data_->record());
    Value value;
    ok = interpreter.EvaluateSole(&value) && ValueToJson(run, value, &out);
  }
  if (!ok) return run.ToStatus(program_->options.name, program_->source);
  return out;
}

absl::StatusOr<nlohmann::json> Template::Evaluate(const nlohmann::json& context,
                                                  const Limits& limits,
                                                  std::stop_token stop) const {
  if (program_->nodes.empty()) return nlohmann::json(program_->source);
  PURSER_ASSIGN_OR_RETURN(const Context prepared, Context::FromJson(context));
  return Evaluate(prepared, limits, std::move(stop));
}

}  // namespace purser::tmpl
