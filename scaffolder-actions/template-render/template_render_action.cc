#include "scaffolder-actions/template-render/template_render_action.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "template/template.h"
#include "template/tree.h"

namespace purser::actions {
namespace {

// Where a dry run renders to; removed before it ends.
constexpr char kScratchFolder[] = ".purser-dry-run";
constexpr char kDefaultExtension[] = ".njk";

nlohmann::json Property(nlohmann::json type, const char* title, const char* description) {
  return {{"type", std::move(type)}, {"title", title}, {"description", description}};
}

nlohmann::json Flag(const char* title, const char* description) {
  nlohmann::json property = Property("boolean", title, description);
  property["default"] = false;
  return property;
}

nlohmann::json InputSchema() {
  nlohmann::json url = Property("string", "Template location",
                                "Folder of templates, relative to the template's own file or a "
                                "URL that the portal can read.");
  url["minLength"] = 1;
  url["maxLength"] = 2048;
  nlohmann::json target =
      Property("string", "Target path", "Folder of the workspace to render into.");
  target["default"] = "./";
  target["maxLength"] = 2048;
  nlohmann::json patterns =
      Property("array", "Copy without templating",
               "Path patterns of files whose contents are copied as they are. Their names are "
               "rendered all the same.");
  patterns["items"] = {{"type", "string"}, {"minLength", 1}, {"maxLength", 4096}};
  patterns["maxItems"] = 1000;
  return {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"url"}},
      {"properties",
       {{"url", std::move(url)},
        {"targetPath", std::move(target)},
        {"values", Property("object", "Values",
                            "What the templates see, as values.name (cookiecutter.name with "
                            "cookiecutterCompat).")},
        {"copyWithoutTemplating", std::move(patterns)},
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
        {"token", Property("string", "Token", "Credential for reading the URL.")}}},
      // Given by the portal, not by templates: not among the properties that its pages show.
      {"patternProperties",
       {{"^sourcePath$", {{"type", "string"}, {"minLength", 1}, {"maxLength", 4096}}},
        {"^scmHosts$", {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}}}}}};
}

nlohmann::json CountProperty(const char* title, int example) {
  return {{"type", "integer"}, {"minimum", 0}, {"title", title}, {"examples", {example}}};
}

nlohmann::json OutputSchema() {
  return {{"type", "object"},
          {"required", {"files", "bytes", "rendered", "copied", "skipped", "paths"}},
          {"properties",
           {{"files", CountProperty("Files written", 2)},
            {"bytes", CountProperty("Bytes written", 512)},
            {"rendered", CountProperty("Files whose contents were rendered", 1)},
            {"copied", CountProperty("Files and links copied as they are", 1)},
            {"skipped", CountProperty("Entries dropped by their name, or there already", 0)},
            {"paths",
             {{"type", "array"},
              {"items", {{"type", "string"}}},
              {"maxItems", kMaxListedPaths},
              {"title", "Files"},
              {"description", "Paths below the target, at most 1,000."},
              {"examples", nlohmann::json::array({nlohmann::json::array(
                               {"catalog-info.yaml", "docs/index.md"})})}}}}}};
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

absl::StatusOr<tmpl::TreeOptions> OptionsOf(const nlohmann::json& input) {
  tmpl::TreeOptions options;
  options.cookiecutter_compat = input.value("cookiecutterCompat", false);
  options.trim_blocks = input.value("trimBlocks", false);
  options.lstrip_blocks = input.value("lstripBlocks", false);
  options.replace = input.value("replace", false);
  options.copy_without_templating =
      input.value("copyWithoutTemplating", std::vector<std::string>());
  options.scm_hosts = input.value("scmHosts", std::map<std::string, std::string>());
  const auto extension = input.find("templateFileExtension");
  if (extension != input.end()) {
    if (extension->is_boolean()) {
      options.template_file_extension = extension->get<bool>() ? kDefaultExtension : "";
    } else {
      options.template_file_extension = extension->get<std::string>();
    }
    std::string& text = options.template_file_extension;
    if (!text.empty() && text[0] != '.') text.insert(0, ".");
    if (text.find('/') != std::string::npos) {
      return absl::InvalidArgumentError("/templateFileExtension: must not have a /");
    }
  }
  if (!options.template_file_extension.empty() &&
      (input.contains("copyWithoutTemplating") || options.cookiecutter_compat)) {
    return absl::InvalidArgumentError(
        "/templateFileExtension: cannot be used with copyWithoutTemplating or "
        "cookiecutterCompat");
  }
  return options;
}

void Report(action::Context& context, const tmpl::TreeCounts& counts, const std::string& where) {
  const size_t listed = std::min(counts.paths.size(), kMaxListedPaths);
  context.Output("files", counts.files);
  context.Output("bytes", counts.bytes);
  context.Output("rendered", counts.rendered);
  context.Output("copied", counts.copied);
  context.Output("skipped", counts.skipped);
  context.Output("paths",
                 std::vector<std::string>(counts.paths.begin(),
                                          counts.paths.begin() + static_cast<ptrdiff_t>(listed)));
  context.Log(action::LogLevel::kInfo,
              absl::StrCat(context.dry_run() ? "dry run: would write " : "wrote ", counts.files,
                           " files (", counts.rendered, " rendered, ", counts.copied, " copied, ",
                           counts.bytes, " bytes) to ", where, "; ", counts.skipped, " skipped"));
}

}  // namespace

TemplateRenderAction::TemplateRenderAction() : description_(Describe()) {}

absl::Status TemplateRenderAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const tmpl::TreeOptions options, OptionsOf(input));
  const std::string source_path = input.value("sourcePath", "");
  if (!absl::StartsWith(source_path, "/")) {
    return absl::FailedPreconditionError(
        "the portal gave no sourcePath: it reads the url and hands the folder over");
  }
  absl::StatusOr<std::string> target = tmpl::NormalizeBelow(input.value("targetPath", "./"));
  if (!target.ok()) return base::Annotate(target.status(), "/targetPath");
  const std::string into =
      target->empty() ? context.workspace() : absl::StrCat(context.workspace(), "/", *target);
  if (absl::StartsWith(absl::StrCat(into, "/"), absl::StrCat(source_path, "/"))) {
    return absl::InvalidArgumentError("/targetPath: must not be within the template's folder");
  }
  PURSER_ASSIGN_OR_RETURN(const base::Directory source, base::Directory::Open(source_path));
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  const nlohmann::json values = {{options.cookiecutter_compat ? "cookiecutter" : "values",
                                  input.value("values", nlohmann::json::object())}};
  PURSER_ASSIGN_OR_RETURN(const tmpl::Context variables, tmpl::Context::FromJson(values));

  const std::string where = target->empty() ? "the workspace" : base::EscapeForDisplay(*target);
  if (!context.dry_run()) {
    PURSER_ASSIGN_OR_RETURN(
        const tmpl::TreeCounts counts,
        tmpl::RenderTree(source, workspace, *target, variables, options, context.stop()));
    Report(context, counts, where);
    return absl::OkStatus();
  }
  // All is done but in a folder of its own, so that errors and counts are the real ones.
  PURSER_RETURN_IF_ERROR(workspace.Remove(kScratchFolder));
  const absl::StatusOr<tmpl::TreeCounts> counts =
      tmpl::RenderTree(source, workspace, kScratchFolder, variables, options, context.stop());
  const absl::Status removed = workspace.Remove(kScratchFolder);
  PURSER_RETURN_IF_ERROR(counts.status());
  PURSER_RETURN_IF_ERROR(removed);
  Report(context, *counts, where);
  return absl::OkStatus();
}

}  // namespace purser::actions
