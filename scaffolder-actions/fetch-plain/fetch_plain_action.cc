#include "scaffolder-actions/fetch-plain/fetch_plain_action.h"

#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/file_stream.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/progress.h"
#include "scaffolder-actions/render_support.h"
#include "template/tree.h"
#include "template/tree_copy.h"

namespace purser::actions {
namespace {

nlohmann::json TargetProperty(const char* description) {
  nlohmann::json target = Property("string", "Target path", description);
  target["maxLength"] = 2048;
  return target;
}

nlohmann::json FolderSchema() {
  nlohmann::json target = TargetProperty("Folder of the workspace to copy into.");
  target["default"] = "./";
  return {{"type", "object"},
          {"additionalProperties", false},
          {"required", {"url"}},
          {"properties",
           {{"url", UrlProperty("Folder to copy, relative to the template's own file or a URL that "
                                "the portal can read.")},
            {"targetPath", std::move(target)},
            {"token", TokenProperty()}}},
          {"patternProperties", ReservedProperties()}};
}

nlohmann::json FileSchema() {
  nlohmann::json target = TargetProperty("File of the workspace to write.");
  target["minLength"] = 1;
  return {{"type", "object"},
          {"additionalProperties", false},
          {"required", {"url", "targetPath"}},
          {"properties",
           {{"url", UrlProperty("File to copy, relative to the template's own file or a URL that "
                                "the portal can read.")},
            {"targetPath", std::move(target)},
            {"token", TokenProperty()}}},
          {"patternProperties", ReservedProperties()}};
}

action::Description DescribeFolder() {
  action::Description description;
  description.id = "purser:fetch:plain";
  description.description =
      "Copies a folder into the workspace: same inputs and results as fetch:plain, on native "
      "threads. The folder is there whole or, after an error, not at all; files that are there "
      "already are overwritten.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = FolderSchema();
  description.output_schema = OutputSchema();
  description.examples = {{"Copy a folder beside the template's own file.",
                           R"(steps:
  - id: copy
    name: Copy the static files
    action: purser:fetch:plain
    input:
      url: ./static
)"},
                          {"Copy a folder of another repository into a folder.",
                           R"(steps:
  - id: copy
    name: Copy the chart
    action: purser:fetch:plain
    input:
      url: https://github.com/example/charts/tree/main/service
      targetPath: ./chart
)"},
                          {"Copy with the user's own credential.",
                           R"(steps:
  - id: copy
    name: Copy the shared workflows
    action: purser:fetch:plain
    input:
      url: https://github.com/example/private/tree/main/workflows
      targetPath: ./.github/workflows
      token: ${{ secrets.USER_OAUTH_TOKEN }}
)"}};
  return description;
}

action::Description DescribeFile() {
  action::Description description;
  description.id = "purser:fetch:plain:file";
  description.description =
      "Copies one file into the workspace: same inputs and results as fetch:plain:file. A file "
      "that "
      "is there already is overwritten.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = FileSchema();
  description.output_schema = OutputSchema();
  description.examples = {{"Copy a file beside the template's own file.",
                           R"(steps:
  - id: licence
    name: Copy the licence
    action: purser:fetch:plain:file
    input:
      url: ./LICENSE
      targetPath: ./LICENSE
)"},
                          {"Copy a file of another repository.",
                           R"(steps:
  - id: ignore
    name: Copy .gitignore
    action: purser:fetch:plain:file
    input:
      url: https://github.com/example/shared/blob/main/node.gitignore
      targetPath: ./.gitignore
)"},
                          {"Copy with the user's own credential.",
                           R"(steps:
  - id: policy
    name: Copy the policy
    action: purser:fetch:plain:file
    input:
      url: https://github.com/example/private/blob/main/policy.yaml
      targetPath: ./policy.yaml
      token: ${{ secrets.USER_OAUTH_TOKEN }}
)"}};
  return description;
}

// One file over what is at `target`; it gets the mode of the source.
absl::Status CopyFile(action::Context& context, const std::string& source_path,
                      const base::Directory& workspace, const std::string& target) {
  if (target.empty()) {
    return absl::InvalidArgumentError(
        "/targetPath: a file cannot take the place of the workspace, name the file to write");
  }
  const size_t slash = source_path.rfind('/');
  PURSER_ASSIGN_OR_RETURN(const base::Directory folder,
                          base::Directory::Open(slash == 0 ? "/" : source_path.substr(0, slash)));
  PURSER_ASSIGN_OR_RETURN(const base::DirectoryEntry entry,
                          folder.Stat(source_path.substr(slash + 1)));
  PURSER_ASSIGN_OR_RETURN(const base::FileReader source,
                          base::FileReader::Open(folder, source_path.substr(slash + 1)));
  if (const int64_t limit = tmpl::TreeLimits().max_file_bytes; source.bytes() > limit) {
    return absl::ResourceExhaustedError(absl::StrCat(base::EscapeForDisplay(source_path),
                                                     ": larger than the limit of ", limit,
                                                     " bytes (max_file_bytes)"));
  }
  PURSER_ASSIGN_OR_RETURN(const tmpl::Place place, tmpl::FindPlace(workspace, target));
  if (place.entry.has_value() && place.entry->kind == base::FileKind::kDirectory) {
    return absl::FailedPreconditionError(absl::StrCat(
        "/targetPath: ", base::EscapeForDisplay(target), " is a folder, name the file to write"));
  }
  PURSER_ASSIGN_OR_RETURN(base::FileWriter copy, base::FileWriter::Create(workspace, place.path));
  PURSER_RETURN_IF_ERROR(copy.SetMode(entry.mode));
  PURSER_RETURN_IF_ERROR(tmpl::CopyPieces(source, copy, context.stop()));
  PURSER_RETURN_IF_ERROR(copy.Commit());
  tmpl::TreeCounts counts;
  counts.files = counts.copied = 1;
  counts.bytes = copy.bytes();
  counts.paths = {target};
  Report(context, counts, base::EscapeForDisplay(target));
  return absl::OkStatus();
}

absl::StatusOr<std::string> TargetOf(const nlohmann::json& input) {
  absl::StatusOr<std::string> target = tmpl::NormalizeBelow(input.value("targetPath", "./"));
  if (!target.ok()) return base::Annotate(target.status(), "/targetPath");
  return target;
}

}  // namespace

FetchPlainAction::FetchPlainAction() : description_(DescribeFolder()) {}

absl::Status FetchPlainAction::Run(action::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const std::string source_path, SourcePathOf(context.input()));
  PURSER_ASSIGN_OR_RETURN(const std::string target, TargetOf(context.input()));
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  std::error_code unknown;
  if (std::filesystem::is_regular_file(source_path, unknown)) {
    return CopyFile(context, source_path, workspace, target);
  }
  PURSER_ASSIGN_OR_RETURN(const base::Directory source, base::Directory::Open(source_path));
  PURSER_ASSIGN_OR_RETURN(const tmpl::Context nothing, tmpl::Context::FromText("{}"));
  tmpl::TreeOptions options;
  options.verbatim = true;
  Progress progress(context, base::Clock::System());
  PURSER_ASSIGN_OR_RETURN(const tmpl::TreeCounts counts,
                          tmpl::RenderTree(source, workspace, target, nothing, options,
                                           context.stop(), std::ref(progress)));
  Report(context, counts, target.empty() ? "the workspace" : base::EscapeForDisplay(target));
  return absl::OkStatus();
}

FetchPlainFileAction::FetchPlainFileAction() : description_(DescribeFile()) {}

absl::Status FetchPlainFileAction::Run(action::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const std::string source_path, SourcePathOf(context.input()));
  PURSER_ASSIGN_OR_RETURN(const std::string target, TargetOf(context.input()));
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  return CopyFile(context, source_path, workspace, target);
}

}  // namespace purser::actions
