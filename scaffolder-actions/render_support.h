// What the actions that render or copy into the workspace share: parts of their schemas, the values
// of templates, the portal's own engine, progress and results.
//
// The portal's wrapper reads `url` through Backstage's URL reader and gives reserved inputs that a
// template may not set: `sourcePath` (absolute path of what was read), `valuesText` (the values as
// JSON text, because the order of members counts), `scmHosts`, `portalNames`.
#ifndef PURSER_SCAFFOLDER_ACTIONS_RENDER_SUPPORT_H_
#define PURSER_SCAFFOLDER_ACTIONS_RENDER_SUPPORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "action/action.h"
#include "nlohmann/json.hpp"
#include "template/template.h"
#include "template/tree.h"

namespace purser::actions {

// Paths that the output `paths` lists at most.
inline constexpr size_t kMaxListedPaths = 1'000;
// Where the wrapper renders a text with the portal's engine: a name that no network knows.
inline constexpr char kPortalRenderUrl[] = "http://portal.invalid/render-template";

nlohmann::json Property(nlohmann::json type, const char* title, const char* description);
nlohmann::json Flag(const char* title, const char* description);
nlohmann::json UrlProperty(const char* what);
nlohmann::json TokenProperty();
nlohmann::json ValuesProperty();
// The inputs that only the portal sets, as `patternProperties`, which no page shows.
nlohmann::json ReservedProperties();
// Of all these actions: files, bytes, rendered, copied, skipped, paths.
nlohmann::json OutputSchema();

// `sourcePath`; FAILED_PRECONDITION when the portal gave none.
absl::StatusOr<std::string> SourcePathOf(const nlohmann::json& input);
// What templates see: `values`, or `cookiecutter`; nothing when no values were given.
absl::StatusOr<tmpl::Context> VariablesOf(const nlohmann::json& input, bool cookiecutter_compat);
// The file at `path` (absolute), which is no link.
absl::StatusOr<std::string> ReadSourceFile(const std::string& path);
// The options that rendering a folder and rendering a file have in common. `context` must outlive
// them: the portal's engine is reached through it.
tmpl::TreeOptions CommonOptionsOf(action::Context& context);

// The outputs, and one line for the log.
void Report(action::Context& context, const tmpl::TreeCounts& counts, const std::string& where);

// The same where a repeat would find less to do: what the run will say is kept before it writes
// (kept_outputs.h), and said at its end.
class RenderReport {
 public:
  // `options` get the hook; both must outlive the rendering.
  RenderReport(action::Context& context, tmpl::TreeOptions& options);
  void Give(const tmpl::TreeCounts& counts, const std::string& where);

 private:
  action::Context& context_;
  nlohmann::json outputs_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_RENDER_SUPPORT_H_
