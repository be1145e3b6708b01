#include "scaffolder-actions/git-publish/git_publish_action.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "git/files.h"
#include "git/publish.h"
#include "git/web_url.h"
#include "scaffolder-actions/git_support.h"

namespace purser::actions {
namespace {

nlohmann::json InputSchema() {
  nlohmann::json properties;
  AddGitProperties(properties);
  properties["sourcePath"] =
      GitTextWithDefault("Source path", "Folder of the workspace to publish.", ".");
  properties["defaultBranch"] = GitTextWithDefault("Branch", "Branch to push to.", "main");
  properties["gitCommitMessage"] =
      GitTextWithDefault("Commit message", "Subject and body of the commit.", "Initial commit");
  properties["gitCommitMessage"]["maxLength"] = static_cast<int>(git::kMaxMessageBytes);
  properties["whenBranchExists"] = {
      {"type", "string"},
      {"enum", {"fail", "append"}},
      {"default", "fail"},
      {"title", "When the branch exists"},
      {"description",
       "What to do when the branch has commits with other files: end with an error, or push a "
       "commit on top after which it holds exactly the published files."}};
  return GitInputSchema(std::move(properties));
}

nlohmann::json OutputSchema() {
  return {{"type", "object"},
          {"required", {"remoteUrl", "commitHash"}},
          {"properties",
           {{"remoteUrl",
             {{"type", "string"},
              {"title", "Remote URL"},
              {"examples", {"https://git.example.com/analytics/workspace-a.git"}}}},
            {"commitHash",
             {{"type", "string"},
              {"title", "Commit"},
              {"description", "Id of the commit that holds the files. A dry run gives zeros."},
              {"examples", {"2f1c1a5d7a0e1f6f0f5a4c3b2a190807f6e5d4c3"}}}},
            {"files",
             {{"type", "integer"},
              {"title", "Files"},
              {"description", "Absent when an earlier commit of the step was found."},
              {"examples", {120}}}},
            {"bytes",
             {{"type", "integer"},
              {"title", "Bytes sent"},
              {"description", "Compressed; 0 when nothing was pushed."},
              {"examples", {40960}}}},
            {"repoContentsUrl",
             {{"type", "string"},
              {"title", "Page of the files"},
              {"description", "Absent when the hosting product is not known."},
              {"examples", {"https://github.com/analytics/workspace-a/blob/main"}}}}}}};
}

action::Description Describe() {
  action::Description description;
  description.id = "purser:git:publish";
  description.description =
      "Publishes files of the workspace as a branch of a git repository: one commit, one push, no "
      "clone and no checkout. The repository must exist. Files that the branch already holds are "
      "not "
      "pushed again, and a repeat of the step finds its earlier commit.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = InputSchema();
  description.output_schema = OutputSchema();
  description.examples = {{"Publish the whole workspace to a repository chosen in the form.",
                           R"(steps:
  - id: publish
    name: Publish to git
    action: purser:git:publish
    input:
      repoUrl: ${{ parameters.repoUrl }}
)"},
                          {"Publish one folder to a branch, with message and author.",
                           R"(steps:
  - id: publish
    name: Publish the service
    action: purser:git:publish
    input:
      remoteUrl: https://git.example.com/platform/orders.git
      sourcePath: service
      defaultBranch: main
      gitCommitMessage: |
        Create the service orders

        Made from the template ${{ parameters.template }}.
      gitAuthorName: Platform Team
      gitAuthorEmail: platform@example.com
)"},
                          {"Bring a branch that exists already to exactly these files.",
                           R"(steps:
  - id: publish
    name: Update the generated manifests
    action: purser:git:publish
    input:
      remoteUrl: https://git.example.com/platform/manifests.git
      sourcePath: manifests
      defaultBranch: generated/${{ parameters.name }}
      whenBranchExists: append
      gitCommitMessage: Render the manifests of ${{ parameters.name }}
)"}};
  return description;
}

std::string Counts(const git::PublishResult& result) {
  return absl::StrCat(result.files, " files (", result.objects, " objects, ", result.pack_bytes,
                      " bytes packed)");
}

std::string Signed(const GitRun& run) {
  return run.signer == nullptr ? "" : absl::StrCat(", signed by ", run.signer->description());
}

}  // namespace

GitPublishAction::GitPublishAction(base::Clock& clock) : clock_(clock), description_(Describe()) {}

absl::Status GitPublishAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  const std::string branch = input.value("defaultBranch", "main");
  PURSER_RETURN_IF_ERROR(git::CheckBranch(branch));
  PURSER_ASSIGN_OR_RETURN(const GitRun run, OpenGitRun(context));
  const git::DirectorySource files(*run.source, context.stop());
  const auto output = [&](const git::PublishResult& result) {
    context.Output("remoteUrl", run.url);
    context.Output("commitHash", result.commit.ToHex());
    if (!result.found) context.Output("files", result.files);
    context.Output("bytes", result.pushed ? result.pack_bytes : 0);
    const std::string page = git::ContentsUrl(run.hosting, run.url, branch);
    if (!page.empty()) context.Output("repoContentsUrl", page);
  };

  const git::Call call = GitCall(context, clock_);
  if (context.dry_run()) {
    PURSER_ASSIGN_OR_RETURN(const git::PublishResult built, git::BuildTree(files, call));
    context.Log(
        action::LogLevel::kInfo,
        absl::StrCat("dry run: would push ", Counts(built), " as tree ", built.tree.ToHex(),
                     " to branch ", branch, " of ", run.url, Signed(run), "; nothing was sent"));
    output(built);
    return absl::OkStatus();
  }

  const bool append = input.value("whenBranchExists", "fail") == "append";
  PURSER_ASSIGN_OR_RETURN(
      const git::PublishResult result,
      git::PublishTree(*run.remote, branch, files, run.commit,
                       append ? git::ExistingBranch::kAppend : git::ExistingBranch::kFail, call));
  context.Log(action::LogLevel::kInfo,
              result.pushed
                  ? absl::StrCat("pushed commit ", result.commit.ToHex(), " to branch ", branch,
                                 " of ", run.url, ": ", Counts(result), Signed(run))
                  : absl::StrCat("branch ", branch, " of ", run.url,
                                 " already holds these files: commit ", result.commit.ToHex()));
  output(result);
  return absl::OkStatus();
}

}  // namespace purser::actions
