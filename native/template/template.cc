#include "template/template.h"

#include <algorithm>
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
#include "template/scan.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

// What offsets and sizes of pieces can say.
constexpr int64_t kLargestSource = (1 << 30) - 1;

absl::Status CheckSize(absl::string_view source, const Options& options, const Limits& limits) {
  const int64_t limit = std::min(limits.max_source_bytes, kLargestSource);
  if (static_cast<int64_t>(source.size()) <= limit) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(base::EscapeForDisplay(options.name),
                                                   ": the limit max_source_bytes of ", limit,
                                                   " was exceeded (", source.size(), " bytes)"));
}

absl::Status OutputTooLarge(const Options& options, const Limits& limits) {
  return absl::ResourceExhaustedError(absl::StrCat(base::EscapeForDisplay(options.name),
                                                   ": the limit max_output_bytes of ",
                                                   limits.max_output_bytes, " was exceeded"));
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
  PURSER_RETURN_IF_ERROR(CheckSize(source, options, limits));
  return CompileOwned(
      IsAscii(source) || base::IsValidUtf8(source) ? std::string(source) : DecodeUtf8(source),
      options, limits);
}

absl::StatusOr<Template> Template::CompileOwned(std::string source, const Options& options,
                                                const Limits& limits) {
  auto program = std::make_unique<ProgramData>();
  program->options = options;
  if (options.cookiecutter_compat) {
    program->options.variable_start = "{{";
    program->options.variable_end = "}}";
  }
  program->source = std::move(source);
  if (HoldsNoTag(program->source, program->options.variable_start)) {
    program->plain = true;
    return Template(std::move(program));
  }
  Run run(limits, {});
  if (!ParseTemplate(run, *program)) return run.ToStatus(options.name, program->source);
  return Template(std::move(program));
}

absl::StatusOr<std::string> Template::RenderOnce(std::string source, const Options& options,
                                                 const Context& context, const Limits& limits,
                                                 std::stop_token stop) {
  PURSER_RETURN_IF_ERROR(CheckSize(source, options, limits));
  const absl::string_view mark =
      options.cookiecutter_compat ? absl::string_view("{{") : options.variable_start;
  if (!IsAscii(source) && !base::IsValidUtf8(source)) source = DecodeUtf8(source);
  if (HoldsNoTag(source, mark)) {
    if (static_cast<int64_t>(source.size()) > limits.max_output_bytes) {
      return OutputTooLarge(options, limits);
    }
    return source;
  }
  PURSER_ASSIGN_OR_RETURN(const Template compiled,
                          CompileOwned(std::move(source), options, limits));
  return compiled.Render(context, limits, std::move(stop));
}

bool Template::IsPlain() const { return program_->plain && program_->nodes.size() <= 2; }

absl::StatusOr<std::string> Template::Render(const Context& context, const Limits& limits,
                                             std::stop_token stop) const {
  if (program_->nodes.empty()) {
    if (static_cast<int64_t>(program_->source.size()) > limits.max_output_bytes) {
      return OutputTooLarge(program_->options, limits);
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
