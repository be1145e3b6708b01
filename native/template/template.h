// Templates as Backstage's scaffolder runs them: Nunjucks syntax, JavaScript's value semantics.
//
//   PURSER_ASSIGN_OR_RETURN(Template compiled, Template::Compile("Hi ${{ values.name }}", {}));
//   PURSER_ASSIGN_OR_RETURN(std::string text, compiled.Render(context, {}, stop));
//
// A compiled template and a context are immutable and may be used from several threads at once.
// Rendering sees nothing but the given values (no file, no prototype, no clock), goes no deeper
// than max_nesting and the thread's stack allow, and stops at the named limits with an error that
// says file:line:column and shows the line.
#ifndef PURSER_TEMPLATE_TEMPLATE_H_
#define PURSER_TEMPLATE_TEMPLATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

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
  // {{ }} in place of the marks above, and Jinja's True/False/None, jsonify, dict and list methods.
  bool cookiecutter_compat = false;
  // Code hosts that parseRepoUrl knows beyond the public ones, and their kind as Backstage's
  // integrations name it ("github", "gitlab", "bitbucketServer", "gitea", …).
  std::map<std::string, std::string> scm_hosts = {};
};

// Each limit met is RESOURCE_EXHAUSTED naming the limit; wall time and stop are checked at steps.
struct Limits {
  int64_t max_source_bytes = 128 << 20;
  int64_t max_output_bytes = 256 << 20;
  int64_t max_steps = 50'000'000;      // loop turns, calls, nodes evaluated
  int max_nesting = 512;               // blocks and expressions inside each other
  int64_t max_memory_bytes = 1 << 30;  // values alive during one render
  int64_t max_regex_steps = 5'000'000;
  int64_t max_wall_ms = 60'000;
};

class ContextData;
struct ProgramData;

// The variables of templates, prepared once for many renderings. Cheap to copy.
class Context {
 public:
  // A JSON object; its members are the variables. INVALID_ARGUMENT when it is no object or has a
  // reserved name ("constructor", "prototype", "__proto__"). nlohmann's default object sorts its
  // members; where their order matters to a template, give the text instead.
  static absl::StatusOr<Context> FromJson(const nlohmann::json& object);
  static absl::StatusOr<Context> FromText(absl::string_view json);

 private:
  friend class Template;
  explicit Context(std::shared_ptr<const ContextData> data) : data_(std::move(data)) {}
  std::shared_ptr<const ContextData> data_;
};

class Template {
 public:
  // INVALID_ARGUMENT says where the syntax is wrong.
  static absl::StatusOr<Template> Compile(absl::string_view source, const Options& options,
                                          const Limits& limits = {});
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // CANCELLED on stop. The JSON form prepares a Context for this one rendering.
  absl::StatusOr<std::string> Render(const Context& context, const Limits& limits = {},
                                     std::stop_token stop = {}) const;
  absl::StatusOr<std::string> Render(const nlohmann::json& context, const Limits& limits = {},
                                     std::stop_token stop = {}) const;

  // As a step's input is evaluated: a source that is one sole interpolation keeps the value's
  // native type, any other gives a string; undefined gives a JSON value of type `discarded`.
  absl::StatusOr<nlohmann::json> Evaluate(const Context& context, const Limits& limits = {},
                                          std::stop_token stop = {}) const;
  absl::StatusOr<nlohmann::json> Evaluate(const nlohmann::json& context, const Limits& limits = {},
                                          std::stop_token stop = {}) const;

  // Compiles and renders a text that is needed once. One without tags is given back as it came,
  // without a copy.
  static absl::StatusOr<std::string> RenderOnce(std::string source, const Options& options,
                                                const Context& context, const Limits& limits = {},
                                                std::stop_token stop = {});

  // True when the source holds no tag at all, so that its output is its source.
  bool IsPlain() const;

 private:
  explicit Template(std::unique_ptr<const ProgramData> program);
  // Takes a source that is valid UTF-8.
  static absl::StatusOr<Template> CompileOwned(std::string source, const Options& options,
                                               const Limits& limits);
  std::unique_ptr<const ProgramData> program_;
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TEMPLATE_H_
