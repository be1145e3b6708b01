// Templates as Backstage's scaffolder runs them: Nunjucks syntax, JavaScript's value semantics.
//
//   PURSER_ASSIGN_OR_RETURN(Template compiled, Template::Compile("Hi ${{ values.name }}", {}));
//   PURSER_ASSIGN_OR_RETURN(std::string text, compiled.Render(context, {}, stop));
//
// A compiled template is immutable and may be rendered from several threads at once. Rendering is
// linear in input and output, never recurses on the user's depth, sees nothing but the given values
// (no file, no prototype, no clock), and stops at the named limits with an error that says
// file:line:column and shows the line.
#ifndef PURSER_TEMPLATE_TEMPLATE_H_
#define PURSER_TEMPLATE_TEMPLATE_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::tmpl {

struct Options {
  std::string name = "template";  // shown in errors as the file
  std::string variable_start = "${{";
  std::string variable_end = "}}";
  bool trim_blocks = false;
  bool lstrip_blocks = false;
  bool cookiecutter_compat = false;  // {{ }} and Jinja's True/False/None, jsonify, dict/list methods
};

// Each limit met is RESOURCE_EXHAUSTED naming the limit; wall time and stop are checked at steps.
struct Limits {
  int64_t max_source_bytes = 64 << 20;
  int64_t max_output_bytes = 256 << 20;
  int64_t max_steps = 50'000'000;     // loop turns, calls, nodes evaluated
  int max_nesting = 512;              // blocks and expressions inside each other
  int64_t max_memory_bytes = 1 << 30;  // values alive during one render
  int64_t max_regex_steps = 5'000'000;
  int64_t max_wall_ms = 60'000;
};

class Template {
 public:
  static absl::StatusOr<Template> Compile(absl::string_view source, const Options& options,
                                          const Limits& limits = {});
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // `context` is a JSON object whose members are the template's variables. CANCELLED on stop.
  absl::StatusOr<std::string> Render(const nlohmann::json& context, const Limits& limits = {},
                                     std::stop_token stop = {}) const;

  // As a step's input is evaluated: a source that is one sole interpolation keeps the value's
  // native type, any other gives a string; undefined gives std::nullopt-like JSON `discarded`.
  absl::StatusOr<nlohmann::json> Evaluate(const nlohmann::json& context, const Limits& limits = {},
                                          std::stop_token stop = {}) const;

  // True when the source holds no tag at all, so that its output is its source.
  bool IsPlain() const;

 private:
  struct Program;
  explicit Template(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TEMPLATE_H_
