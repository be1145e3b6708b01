#include "scaffolder-actions/git_support.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::actions {
namespace {

constexpr char kAuthorizationSecret[] = "git.authorization";
constexpr char kSigningKeySecret[] = "git.signingKey";

// The folder of the workspace. Never the workspace's parent: Directory refuses to leave what is
// open.
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

std::string SecretOf(action::Context& context, const char* name) {
  const auto found = context.secrets().find(name);
  return found == context.secrets().end() ? "" : found->second;
}

}  // namespace

nlohmann::json GitText(const char* title, const char* description) {
  return {{"type", "string"},
          {"minLength", 1},
          {"maxLength", 2048},
          {"title", title},
          {"description", description}};
}

nlohmann::json GitTextWithDefault(const char* title, const char* description, const char* value) {
  nlohmann::json property = GitText(title, description);
  property["default"] = value;
  return property;
}

void AddGitProperties(nlohmann::json& properties) {
  properties["remoteUrl"] = GitText("Remote URL",
                                    "https:// URL of the repository. file:// only where the "
                                    "portal's configuration allows it.");
  properties["repoUrl"] =
      GitText("Repository location", "What Backstage's RepoUrlPicker gives, instead of remoteUrl.");
  properties["token"] = GitText("Token", "Credential to use instead of the integration's.");
  properties["gitAuthorName"] =
      GitTextWithDefault("Author name", "Author of the commit.", "Purser");
  properties["gitAuthorEmail"] =
      GitTextWithDefault("Author email", "Address in the commit.", "purser@localhost");
  properties["signCommit"] = {
      {"type", "boolean"},
      {"title", "Sign the commit"},
      {"description",
       "Sign with the integration's commitSigningKey or else the portal's purser.git.signingKey; "
       "an "
       "error when there is neither. When absent, the portal's key is used where there is one."}};
  nlohmann::json key = GitText("Signing key",
                               "Another key to sign with, from the task's secrets: an OpenSSH "
                               "private key or an armoured OpenPGP one, without a passphrase.");
  key["maxLength"] = static_cast<int>(git::kMaxSigningKeyBytes);
  properties["signingKey"] = std::move(key);
}

nlohmann::json GitInputSchema(nlohmann::json properties) {
  return {{"type", "object"},
          {"additionalProperties", false},
          {"anyOf",
           {{{"required", nlohmann::json::array({"remoteUrl"})}},
            {{"required", nlohmann::json::array({"repoUrl"})}}}},
          {"properties", std::move(properties)},
          // Given by the portal, not by templates: not among the properties that its pages show.
          {"patternProperties",
           {{"^allowLocalRemotes$", {{"type", "boolean"}}},
            {"^hosting$", {{"enum", {"github", "gitlab", "bitbucket", "azure", "gitea"}}}}}}};
}

absl::StatusOr<GitRun> OpenGitRun(action::Context& context) {
  const nlohmann::json& input = context.input();
  GitRun run;
  run.url = input.value("remoteUrl", "");
  if (run.url.empty()) {
    return absl::InvalidArgumentError(
        "remoteUrl is missing: the portal did not resolve repoUrl; give remoteUrl instead");
  }
  git::RemoteOptions options;
  options.allow_local = input.value("allowLocalRemotes", false);
  options.authorization = SecretOf(context, kAuthorizationSecret);
  PURSER_ASSIGN_OR_RETURN(run.remote,
                          git::OpenRemote(run.url, context.transport(), std::move(options)));
  PURSER_ASSIGN_OR_RETURN(base::Directory source,
                          OpenSource(context.workspace(), input.value("sourcePath", ".")));
  run.source = std::make_unique<base::Directory>(std::move(source));
  run.hosting = git::ParseHosting(input.value("hosting", "")).value_or(git::HostingOf(run.url));

  run.commit.author = {input.value("gitAuthorName", "Purser"),
                       input.value("gitAuthorEmail", "purser@localhost")};
  PURSER_RETURN_IF_ERROR(git::CheckPerson(run.commit.author, "gitAuthorName"));
  run.commit.message = input.value("gitCommitMessage", "");
  run.commit.effect_key = context.idempotency_key();
  if (const std::string key = SecretOf(context, kSigningKeySecret); !key.empty()) {
    PURSER_ASSIGN_OR_RETURN(run.signer, git::ParseSigningKey(key));
    run.commit.signer = run.signer.get();
  } else if (input.value("signCommit", false)) {
    return absl::FailedPreconditionError(
        "signCommit: there is no signing key; configure commitSigningKey of the integration or "
        "purser.git.signingKey, or give signingKey");
  }
  return run;
}

git::Call GitCall(action::Context& context, base::Clock& clock) {
  return {clock, context.stop(), absl::Minutes(10),
          [&context](absl::string_view line) {
            context.Log(action::LogLevel::kDebug, absl::StrCat("git: ", line));
          },
          [&context](absl::string_view line) { context.Log(action::LogLevel::kInfo, line); }};
}

}  // namespace purser::actions
