#include "scaffolder-actions/git-publish/git_publish_action.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/files.h"
#include "git/publish.h"
#include "git/remote.h"
#include "git/web_url.h"

namespace purser::actions {
namespace {

constexpr char kAuthorizationSecret[] = "git.authorization";

nlohmann::json TextProperty(const char* title, const char* description) {
  return {{"type", "string"},
          {"minLength", 1},
          {"maxLength", 2048},
          {"title", title},
          {"description", description}};
}

nlohmann::json WithDefault(nlohmann::json property, const char* value) {
  property["default"] = value;
  return property;
}

nlohmann::json InputSchema() {
  nlohmann::json message = WithDefault(
      TextProperty("Commit message", "Subject and body of the commit."), "Initial commit");
  message["maxLength"] = static_cast<int>(git::kMaxMessageBytes);
  return {
      {"type", "object"},
      {"additionalProperties", false},
      {"anyOf",
       {{{"required", nlohmann::json::array({"remoteUrl"})}},
        {{"required", nlohmann::json::array({"repoUrl"})}}}},
      {"properties",
       {{"remoteUrl", TextProperty("Remote URL",
                                   "https:// URL of the repository. file:// only where "
                                   "the portal's configuration allows it.")},
        {"repoUrl", TextProperty("Repository location",
                                 "What Backstage's RepoUrlPicker gives, instead of remoteUrl.")},
        {"token", TextProperty("Token", "Credential to use instead of the integration's.")},
        {"sourcePath",
         WithDefault(TextProperty("Source path", "Folder of the workspace to publish."), ".")},
        {"defaultBranch", WithDefault(TextProperty("Branch", "Branch to push to."), "main")},
        {"gitCommitMessage", std::move(message)},
        {"gitAuthorName",
         WithDefault(TextProperty("Author name", "Author of the commit."), "Purser")},
        {"gitAuthorEmail",
         WithDefault(TextProperty("Author email", "Address in the commit."), "purser@localhost")},
        {"whenBranchExists",
         {{"type", "string"},
          {"enum", {"fail", "append"}},
          {"default", "fail"},
          {"title", "When the branch exists"},
          {"description",
           "What to do when the branch has commits with other files: end with an error, or push a "
           "commit on top after which it holds exactly the published files."}}}}},
      // Given by the portal, not by templates: not among the properties that its pages show.
      {"patternProperties",
       {{"^allowLocalRemotes$", {{"type", "boolean"}}},
        {"^hosting$", {{"enum", {"github", "gitlab", "bitbucket", "azure", "gitea"}}}}}}};
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

// The folder to publish. Never the workspace's parent: Directory refuses to leave what is open.
absl::StatusOr<base::Directory> OpenSource(const std::string& workspace, std::string path) {
  if (workspace.empty()) return absl::FailedPreconditionError("this step has no workspace");
  PURSER_ASSIGN_OR_RETURN(base::Directory root, base::Directory::Open(workspace));
  while (path.size() >= 2 && path[0] == '.' && path[1] == '/') path.erase(0, 2);
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (path.empty() || path == ".") return root;
  absl::StatusOr<base::Directory> source = root.OpenAt(path);
  if (source.ok()) return source;
  return base::Annotate(source.status(),
                        absl::StrCat("sourcePath \"", base::EscapeForDisplay(path), "\""));
}

}  // namespace

GitPublishAction::GitPublishAction(base::Clock& clock) : clock_(clock), description_(Describe()) {}

absl::Status GitPublishAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  const std::string url = input.value("remoteUrl", "");
  if (url.empty()) {
    return absl::InvalidArgumentError(
        "remoteUrl is missing: the portal did not resolve repoUrl; give remoteUrl instead");
  }
  const std::string branch = input.value("defaultBranch", "main");
  PURSER_RETURN_IF_ERROR(git::CheckBranch(branch));

  git::RemoteOptions options;
  options.allow_local = input.value("allowLocalRemotes", false);
  if (const auto secret = context.secrets().find(kAuthorizationSecret);
      secret != context.secrets().end()) {
    options.authorization = secret->second;
  }
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<git::Remote> remote,
                          git::OpenRemote(url, context.transport(), std::move(options)));
  PURSER_ASSIGN_OR_RETURN(const base::Directory source,
                          OpenSource(context.workspace(), input.value("sourcePath", ".")));
  const git::DirectorySource files(source, context.stop());

  const git::Hosting hosting =
      git::ParseHosting(input.value("hosting", "")).value_or(git::HostingOf(url));
  const auto output = [&](const git::PublishResult& result) {
    context.Output("remoteUrl", url);
    context.Output("commitHash", result.commit.ToHex());
    const std::string page = git::ContentsUrl(hosting, url, branch);
    if (!page.empty()) context.Output("repoContentsUrl", page);
  };

  git::CommitInfo commit;
  commit.author = {input.value("gitAuthorName", "Purser"),
                   input.value("gitAuthorEmail", "purser@localhost")};
  commit.message = input.value("gitCommitMessage", "Initial commit");
  commit.effect_key = context.idempotency_key();
  if (context.dry_run()) {
    PURSER_RETURN_IF_ERROR(git::CheckPerson(commit.author, "gitAuthorName"));
    PURSER_ASSIGN_OR_RETURN(const git::PublishResult built, git::BuildTree(files, context.stop()));
    context.Log(action::LogLevel::kInfo,
                absl::StrCat("dry run: would push ", Counts(built), " as tree ", built.tree.ToHex(),
                             " to branch ", branch, " of ", url, "; nothing was sent"));
    output(built);
    return absl::OkStatus();
  }

  git::Call call{clock_, context.stop(), absl::Minutes(10), [&context](absl::string_view line) {
                   context.Log(action::LogLevel::kDebug, absl::StrCat("git: ", line));
                 }};
  const bool append = input.value("whenBranchExists", "fail") == "append";
  PURSER_ASSIGN_OR_RETURN(
      const git::PublishResult result,
      git::PublishTree(*remote, branch, files, commit,
                       append ? git::ExistingBranch::kAppend : git::ExistingBranch::kFail, call));
  context.Log(action::LogLevel::kInfo,
              result.pushed
                  ? absl::StrCat("pushed commit ", result.commit.ToHex(), " to branch ", branch,
                                 " of ", url, ": ", Counts(result))
                  : absl::StrCat("branch ", branch, " of ", url,
                                 " already holds these files: commit ", result.commit.ToHex()));
  output(result);
  return absl::OkStatus();
}

}  // namespace purser::actions
