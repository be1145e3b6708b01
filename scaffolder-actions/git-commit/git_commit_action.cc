#include "scaffolder-actions/git-commit/git_commit_action.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "git/commit.h"
#include "git/files.h"
#include "scaffolder-actions/git_support.h"

namespace purser::actions {
namespace {

nlohmann::json InputSchema() {
  nlohmann::json properties;
  AddGitProperties(properties);
  properties["branch"] =
      GitText("Branch", "Branch to commit to; the repository's default branch when absent.");
  properties["baseBranch"] = GitText(
      "Base branch",
      "Where the branch begins when it does not exist; the repository's default branch when "
      "absent.");
  properties["sourcePath"] =
      GitTextWithDefault("Source path", "Folder of the workspace whose files are committed.", ".");
  properties["targetPath"] =
      GitText("Target path", "Folder of the repository they are put into; its root when absent.");
  properties["deletePaths"] = {
      {"type", "array"},
      {"maxItems", static_cast<int>(git::kMaxDeletePaths)},
      {"items", {{"type", "string"}, {"minLength", 1}, {"maxLength", 4096}}},
      {"title", "Delete paths"},
      {"description",
       "Files and folders of the repository to delete, from its root; missing ones do not "
       "matter."}};
  properties["mirror"] = {
      {"type", "boolean"},
      {"default", false},
      {"title", "Mirror"},
      {"description", "Delete what is in the target path and not among the committed files."}};
  properties["gitCommitMessage"] = GitText("Commit message", "Subject and body of the commit.");
  properties["gitCommitMessage"]["maxLength"] = static_cast<int>(git::kMaxMessageBytes);
  properties["whenNothingChanges"] = {
      {"type", "string"},
      {"enum", {"skip", "fail"}},
      {"default", "skip"},
      {"title", "When nothing changes"},
      {"description",
       "What to do when the branch holds all of it already: make no commit and go on, or end with "
       "an error. A repeat of the same step always goes on."}};
  nlohmann::json schema = GitInputSchema(std::move(properties));
  schema["required"] = nlohmann::json::array({"gitCommitMessage"});
  return schema;
}

nlohmann::json Count(const char* title) {
  return {{"type", "integer"}, {"minimum", 0}, {"title", title}, {"examples", {3}}};
}

nlohmann::json OutputSchema() {
  return {{"type", "object"},
          {"required", {"remoteUrl", "commitHash", "committed"}},
          {"properties",
           {{"remoteUrl",
             {{"type", "string"},
              {"title", "Remote URL"},
              {"examples", {"https://git.example.com/platform/gitops.git"}}}},
            {"branch",
             {{"type", "string"},
              {"title", "Branch"},
              {"description", "Absent in a dry run that names none."},
              {"examples", {"main"}}}},
            {"commitHash",
             {{"type", "string"},
              {"title", "Commit"},
              {"description",
               "The commit that was pushed, or that holds the files already. A dry run gives "
               "zeros."},
              {"examples", {"2f1c1a5d7a0e1f6f0f5a4c3b2a190807f6e5d4c3"}}}},
            {"committed",
             {{"type", "boolean"},
              {"title", "Committed"},
              {"description", "Whether this run pushed a commit."},
              {"examples", {true}}}},
            {"files", Count("Files added, changed or deleted")},
            {"bytes", Count("Bytes sent, compressed")},
            {"addedFiles", Count("Files added")},
            {"changedFiles", Count("Files changed")},
            {"deletedFiles", Count("Files deleted")},
            {"commitUrl",
             {{"type", "string"},
              {"title", "Page of the commit"},
              {"description", "Absent when the hosting product is not known."},
              {"examples", {"https://github.com/platform/gitops/commit/2f1c1a5"}}}},
            {"repoContentsUrl",
             {{"type", "string"},
              {"title", "Page of the files"},
              {"description", "Absent when the hosting product is not known."},
              {"examples", {"https://github.com/platform/gitops/blob/main"}}}}}}};
}

action::Description Describe() {
  action::Description description;
  description.id = "purser:git:commit";
  description.description =
      "Commits files of the workspace to a branch of a git repository, beside what is there: adds, "
      "changes and deletes in one commit, without a clone. A branch that does not exist begins at "
      "its base. When others push meanwhile, the change is made again on top of theirs. What the "
      "branch holds already is not committed again, and a repeat of the step finds its earlier "
      "commit.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = InputSchema();
  description.output_schema = OutputSchema();
  description.examples = {{"Add a tenant's manifests to a GitOps repository.",
                           R"(steps:
  - id: commit
    name: Commit the manifests
    action: purser:git:commit
    input:
      remoteUrl: https://git.example.com/platform/gitops.git
      branch: main
      sourcePath: manifests
      targetPath: tenants/${{ parameters.name }}
      gitCommitMessage: Add the tenant ${{ parameters.name }}
)"},
                          {"Prepare a branch for a pull request.",
                           R"(steps:
  - id: commit
    name: Commit to a branch of its own
    action: purser:git:commit
    input:
      repoUrl: github.com?owner=platform&repo=infrastructure
      branch: change/${{ parameters.name }}
      baseBranch: main
      sourcePath: rendered
      targetPath: environments/${{ parameters.environment }}
      gitCommitMessage: |
        Change ${{ parameters.name }}

        Ordered by ${{ user.entity.metadata.name }}.
      signCommit: true
)"},
                          {"Keep a folder exactly as it was rendered, and delete another.",
                           R"(steps:
  - id: commit
    name: Mirror the generated configuration
    action: purser:git:commit
    input:
      remoteUrl: https://git.example.com/platform/gitops.git
      sourcePath: generated
      targetPath: generated/${{ parameters.name }}
      mirror: true
      deletePaths: [legacy/${{ parameters.name }}]
      gitCommitMessage: Render ${{ parameters.name }} anew
      whenNothingChanges: skip
)"}};
  return description;
}

// "apps/shop" of "./apps/shop/"; "" of "." and "".
std::string Folder(std::string path) {
  while (path.size() >= 2 && path[0] == '.' && path[1] == '/') path.erase(0, 2);
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path == "." ? "" : path;
}

std::string Signed(const GitRun& run) {
  return run.signer == nullptr ? "" : absl::StrCat(", signed by ", run.signer->description());
}

}  // namespace

GitCommitAction::GitCommitAction(base::Clock& clock) : clock_(clock), description_(Describe()) {}

absl::Status GitCommitAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const GitRun run, OpenGitRun(context));
  const git::DirectorySource files(*run.source, context.stop());
  git::TreeChange change;
  change.files = &files;
  change.target_path = Folder(input.value("targetPath", ""));
  change.delete_paths = input.value("deletePaths", std::vector<std::string>());
  for (std::string& path : change.delete_paths) path = Folder(std::move(path));
  change.mirror = input.value("mirror", false);
  change.base_branch = input.value("baseBranch", "");
  std::string branch = input.value("branch", "");

  const auto output = [&](const git::CommitResult& result) {
    context.Output("remoteUrl", run.url);
    if (!branch.empty()) context.Output("branch", branch);
    context.Output("commitHash", result.commit.ToHex());
    context.Output("committed", result.pushed);
    context.Output("bytes", result.pushed ? result.pack_bytes : 0);
    if (!result.found) {
      context.Output("files", result.files);
      context.Output("addedFiles", result.added);
      context.Output("changedFiles", result.changed);
      context.Output("deletedFiles", result.deleted);
    }
    const std::string commit = git::CommitUrl(run.hosting, run.url, result.commit);
    if (!commit.empty() && !result.commit.IsZero()) context.Output("commitUrl", commit);
    if (branch.empty()) return;
    const std::string contents = git::ContentsUrl(run.hosting, run.url, branch);
    if (!contents.empty()) context.Output("repoContentsUrl", contents);
  };

  const git::Call call = GitCall(context, clock_);
  if (context.dry_run()) {
    PURSER_ASSIGN_OR_RETURN(const int64_t count, git::CheckChange(branch.empty() ? "main" : branch,
                                                                  change, run.commit, call));
    context.Log(
        action::LogLevel::kInfo,
        absl::StrCat(
            "dry run: would put ", count, " files into \"", change.target_path, "\" and delete ",
            change.delete_paths.size(), " paths",
            change.mirror ? " and all else in that folder" : "", " on ",
            branch.empty() ? std::string("the default branch") : absl::StrCat("branch ", branch),
            " of ", run.url, Signed(run),
            "; the repository was not asked, so how many of them change is not known"));
    git::CommitResult nothing;
    nothing.found = true;  // the counts are not known
    output(nothing);
    return absl::OkStatus();
  }

  if (branch.empty()) {
    PURSER_ASSIGN_OR_RETURN(branch, git::DefaultBranch(*run.remote, call));
  }
  PURSER_ASSIGN_OR_RETURN(const git::CommitResult result,
                          git::CommitTree(*run.remote, branch, change, run.commit, call));
  const std::string where = absl::StrCat("branch ", branch, " of ", run.url);
  if (result.pushed) {
    context.Log(action::LogLevel::kInfo,
                absl::StrCat("pushed commit ", result.commit.ToHex(), " to ",
                             result.new_branch ? "the new " : "", where, ": ", result.added,
                             " files added, ", result.changed, " changed, ", result.deleted,
                             " deleted (", result.objects, " objects, ", result.pack_bytes,
                             " bytes packed)", Signed(run)));
  } else if (!result.found && input.value("whenNothingChanges", "skip") == "fail") {
    return absl::FailedPreconditionError(
        absl::StrCat(where,
                     " holds all of it already: there is nothing to commit "
                     "(whenNothingChanges: fail)"));
  } else {
    context.Log(action::LogLevel::kInfo,
                absl::StrCat(where,
                             result.found ? " holds the commit of this step already: "
                                          : " holds all of it already: commit ",
                             result.commit.ToHex()));
  }
  output(result);
  return absl::OkStatus();
}

}  // namespace purser::actions
