#include "scaffolder-actions/template-render/template_render_action.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/progress.h"
#include "scaffolder-actions/render_support.h"
#include "template/template.h"
#include "template/tree.h"

namespace purser::actions {
namespace {

constexpr char kDefaultExtension[] = ".njk";

nlohmann::json PatternsProperty(const char* title, const char* description) {
  nlohmann::json patterns = Property("array", title, description);
  patterns["items"] = {{"type", "string"}, {"maxLength", 4096}};
  patterns["maxItems"] = 1000;
  return patterns;
}

nlohmann::json InputSchema() {
  nlohmann::json target =
      Property("string", "Target path", "Folder of the workspace to render into.");
  target["default"] = "./";
  target["maxLength"] = 2048;
  return {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"url"}},
      {"properties",
       {{"url", UrlProperty("Folder of templates, relative to the template's own file or a URL "
                            "that the portal can read.")},
        {"targetPath", std::move(target)},
        {"values", ValuesProperty()},
        {"copyWithoutTemplating",
         PatternsProperty("Copy without templating",
                          "Path patterns of files whose contents are copied as they are. Their "
                          "names are rendered all the same.")},
        {"copyWithoutRender",
         PatternsProperty("Copy without render",
                          "Accepted and without effect, as in fetch:template; use "
                          "copyWithoutTemplating.")},
        {"cookiecutterCompat",
         Flag("Cookiecutter compatibility", "Use {{ }} and Jinja's names and methods.")},
        {"templateFileExtension",
         Property({"boolean", "string"}, "Template file extension",
                  "Only files with this extension are rendered, and lose it; true means .njk.")},
        {"replace", Flag("Replace files", "Overwrite files that are there already.")},
        {"trimBlocks", Flag("Trim blocks", "Drop the line end behind a block tag.")},
        {"lstripBlocks", Flag("Strip blocks",
                              "Drop white space between a line's start and a block "
                              "tag.")},
        {"token", TokenProperty()}}},
      {"patternProperties", ReservedProperties()}};
}

action::Description Describe() {
  action::Description description;
  description.id = "purser:template:render";
  description.description =
      "Renders a folder of templates into the workspace: same inputs and results as "
      "fetch:template, on native threads. The tree is written whole or, after an error, not at "
      "all; the error says file, line and column.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = InputSchema();
  description.output_schema = OutputSchema();
  description.examples = {{"Render the skeleton beside the template's own file.",
                           R"(steps:
  - id: render
    name: Render the skeleton
    action: purser:template:render
    input:
      url: ./skeleton
      values:
        name: ${{ parameters.name }}
        owner: ${{ parameters.owner }}
)"},
                          {"Render into a folder, and copy static files as they are.",
                           R"(steps:
  - id: render
    name: Render the service
    action: purser:template:render
    input:
      url: https://github.com/example/templates/tree/main/service
      targetPath: ./service
      values:
        name: ${{ parameters.name }}
      copyWithoutTemplating:
        - .github/workflows/**
        - "**/*.hbs"
)"},
                          {"Render only files that end in .njk, over what is there.",
                           R"(steps:
  - id: render
    name: Update the manifests
    action: purser:template:render
    input:
      url: ./manifests
      targetPath: ./deploy
      templateFileExtension: true
      replace: true
      trimBlocks: true
      lstripBlocks: true
      values:
        replicas: ${{ parameters.replicas }}
)"}};
  return description;
}

absl::StatusOr<tmpl::TreeOptions> OptionsOf(action::Context& context) {
  const nlohmann::json& input = context.input();
  tmpl::TreeOptions options = CommonOptionsOf(context);
  options.copy_without_templating =
      input.value("copyWithoutTemplating", std::vector<std::string>());
  const auto extension = input.find("templateFileExtension");
  if (extension != input.end()) {
    if (extension->is_boolean()) {
      options.template_file_extension = extension->get<bool>() ? kDefaultExtension : "";
    } else {
      options.template_file_extension = extension->get<std::string>();
    }
    std::string& text = options.template_file_extension;
    if (!text.empty() && text[0] != '.') text.insert(0, ".");
  }
  if (!options.template_file_extension.empty() &&
      (input.contains("copyWithoutTemplating") || options.cookiecutter_compat)) {
    return absl::InvalidArgumentError(
        "/templateFileExtension: cannot be used with copyWithoutTemplating or "
        "cookiecutterCompat");
  }
  return options;
}

}  // namespace

TemplateRenderAction::TemplateRenderAction() : description_(Describe()) {}

absl::Status TemplateRenderAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(tmpl::TreeOptions options, OptionsOf(context));
  PURSER_ASSIGN_OR_RETURN(const std::string source_path, SourcePathOf(input));
  absl::StatusOr<std::string> target = tmpl::NormalizeBelow(input.value("targetPath", "./"));
  if (!target.ok()) return base::Annotate(target.status(), "/targetPath");
  const std::string into =
      target->empty() ? context.workspace() : absl::StrCat(context.workspace(), "/", *target);
  if (absl::StartsWith(absl::StrCat(into, "/"), absl::StrCat(source_path, "/"))) {
    return absl::InvalidArgumentError("/targetPath: must not be within the template's folder");
  }
  if (input.contains("copyWithoutRender")) {
    context.Log(action::LogLevel::kWarning,
                "copyWithoutRender has no effect, as in fetch:template: use copyWithoutTemplating");
  }
  PURSER_ASSIGN_OR_RETURN(const base::Directory source, base::Directory::Open(source_path));
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  PURSER_ASSIGN_OR_RETURN(const tmpl::Context variables,
                          VariablesOf(input, options.cookiecutter_compat));
  // In a dry run as well: its workspace is made for it, and what is in it is what it shows.
  Progress progress(context, base::Clock::System());
  RenderReport report(context, options);
  PURSER_ASSIGN_OR_RETURN(const tmpl::TreeCounts counts,
                          tmpl::RenderTree(source, workspace, *target, variables, options,
                                           context.stop(), std::ref(progress)));
  report.Give(counts, target->empty() ? "the workspace" : base::EscapeForDisplay(*target));
  return absl::OkStatus();
}

}  // namespace purser::actions
