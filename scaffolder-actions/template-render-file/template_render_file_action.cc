#include "scaffolder-actions/template-render-file/template_render_file_action.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/render_support.h"
#include "template/tree.h"

namespace purser::actions {
namespace {

nlohmann::json InputSchema() {
  nlohmann::json target =
      Property("string", "Target path", "File of the workspace to write; taken as it is.");
  target["minLength"] = 1;
  target["maxLength"] = 2048;
  return {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"url", "targetPath"}},
      {"properties",
       {{"url", UrlProperty("File to render, relative to the template's own file or a URL that the "
                            "portal can read.")},
        {"targetPath", std::move(target)},
        {"values", ValuesProperty()},
        {"cookiecutterCompat",
         Flag("Cookiecutter compatibility", "Use {{ }} and Jinja's names and methods.")},
        {"replace", Flag("Replace the file", "Overwrite the file when it is there already.")},
        {"trimBlocks", Flag("Trim blocks", "Drop the line end behind a block tag.")},
        {"lstripBlocks",
         Flag("Strip blocks", "Drop white space between a line's start and a block tag.")},
        {"token", TokenProperty()}}},
      {"patternProperties", ReservedProperties()}};
}

action::Description Describe() {
  action::Description description;
  description.id = "purser:template:render:file";
  description.description =
      "Renders one file into the workspace: same inputs and results as fetch:template:file, on a "
      "native thread. An error says file, line and column, and leaves the workspace as it was.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = InputSchema();
  description.output_schema = OutputSchema();
  description.examples = {{"Render the file beside the template's own file.",
                           R"(steps:
  - id: entity
    name: Write the catalog's file
    action: purser:template:render:file
    input:
      url: ./skeleton/catalog-info.yaml
      targetPath: ./catalog-info.yaml
      values:
        name: ${{ parameters.name }}
        owner: ${{ parameters.owner }}
)"},
                          {"Render a shared file of another repository over the one that is there.",
                           R"(steps:
  - id: codeowners
    name: Write CODEOWNERS
    action: purser:template:render:file
    input:
      url: https://github.com/example/templates/blob/main/shared/CODEOWNERS
      targetPath: ./.github/CODEOWNERS
      replace: true
      values:
        owner: ${{ parameters.owner }}
)"},
                          {"Render a cookiecutter file.",
                           R"(steps:
  - id: setup
    name: Write setup.cfg
    action: purser:template:render:file
    input:
      url: ./cookiecutter/setup.cfg
      targetPath: ./setup.cfg
      cookiecutterCompat: true
      trimBlocks: true
      values:
        project_slug: ${{ parameters.name }}
)"}};
  return description;
}

}  // namespace

TemplateRenderFileAction::TemplateRenderFileAction() : description_(Describe()) {}

absl::Status TemplateRenderFileAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  tmpl::TreeOptions options = CommonOptionsOf(context);
  RenderReport report(context, options);
  PURSER_ASSIGN_OR_RETURN(const std::string source_path, SourcePathOf(input));
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  PURSER_ASSIGN_OR_RETURN(const tmpl::Context variables,
                          VariablesOf(input, options.cookiecutter_compat));
  PURSER_ASSIGN_OR_RETURN(const std::string source, ReadSourceFile(source_path));
  const std::string target = input.value("targetPath", "");
  absl::StatusOr<tmpl::TreeCounts> counts = tmpl::RenderFile(
      input.value("url", ""), source, workspace, target, variables, options, context.stop());
  if (absl::IsPermissionDenied(counts.status())) {
    return base::Annotate(counts.status(), "/targetPath");
  }
  PURSER_RETURN_IF_ERROR(counts.status());
  report.Give(*counts, base::EscapeForDisplay(target));
  return absl::OkStatus();
}

}  // namespace purser::actions
