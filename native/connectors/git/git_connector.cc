#include "connectors/git/git_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/file_comparison.h"
#include "git/object.h"
#include "git/remote.h"

namespace purser::connectors {
namespace {

constexpr char kCommit[] = "commit";
constexpr char kRemove[] = "remove";
constexpr absl::Duration kMaxExchange = absl::Minutes(10);

nlohmann::json Text(const char* description, int max_length) {
  return {{"type", "string"},
          {"description", description},
          {"minLength", 1},
          {"maxLength", max_length}};
}

nlohmann::json AuthorSchema(const char* description) {
  return {{"type", "object"},
          {"description", description},
          {"additionalProperties", false},
          {"required", {"name", "email"}},
          {"properties",
           {{"name", Text("Name in the commit.", 200)},
            {"email", Text("Address in the commit.", 320)}}}};
}

nlohmann::json OutputSchema() {
  return {{"type", "object"},
          {"required", {"repository", "branch", "commit", "paths", "changed"}},
          {"properties",
           {{"repository", {{"type", "string"}, {"description", "URL of the repository."}}},
            {"branch", {{"type", "string"}, {"description", "Branch that was committed to."}}},
            {"commit", {{"type", "string"}, {"description", "Id of the commit, 40 digits."}}},
            {"url",
             {{"type", "string"},
              {"description", "Page of the commit; absent when the hosting is unknown."}}},
            {"paths",
             {{"type", "array"},
              {"items", {{"type", "string"}}},
              {"description", "Files written or removed, from the repository's root."}}},
            {"changed",
             {{"type", "boolean"},
              {"description", "False when the branch already held exactly this."}}}}}};
}

std::vector<Operation> MakeOperations() {
  Operation commit;
  commit.name = kCommit;
  commit.description =
      "Writes files in one commit on top of a branch and pushes it. An empty repository or branch "
      "gets its first commit; files that are there already with the same content make no commit.";
  commit.call_class = CallClass::kProbe;
  commit.compensation = kRemove;
  commit.input_schema = {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"repository", "files", "message"}},
      {"properties",
       {{"repository", Text("URL of the repository; must be in the connector's list.",
                            static_cast<int>(git::kMaxUrlBytes))},
        {"branch", {{"type", "string"}, {"default", "main"}, {"description", "Branch."}}},
        {"path", Text("Folder in the repository below which the files go; recorded as a resource.",
                      static_cast<int>(git::kMaxPathBytes))},
        {"files",
         {{"type", "object"},
          {"description", "Path to text."},
          {"minProperties", 1},
          {"maxProperties", kMaxCommitFiles},
          {"additionalProperties", {{"type", "string"}}}}},
        {"message", Text("Commit message.", static_cast<int>(git::kMaxMessageBytes))},
        {"author", AuthorSchema("Author; the connector's own when absent.")}}}};
  commit.output_schema = OutputSchema();

  Operation remove;
  remove.name = kRemove;
  remove.description =
      "Deletes files in one commit on top of a branch. Undoes `commit` for files that it created; "
      "what it overwrote stays in the branch's history.";
  remove.call_class = CallClass::kProbe;
  // No additionalProperties: as a compensation it gets all outputs of `commit`.
  remove.input_schema = {
      {"type", "object"},
      {"required", {"repository", "paths"}},
      {"properties",
       {{"repository", Text("URL of the repository; must be in the connector's list.",
                            static_cast<int>(git::kMaxUrlBytes))},
        {"branch", {{"type", "string"}, {"default", "main"}, {"description", "Branch."}}},
        {"paths",
         {{"type", "array"},
          {"description", "Files to delete; those that are not there are no error."},
          {"maxItems", kMaxCommitFiles},
          {"items", {{"type", "string"}}}}},
        {"message", Text("Commit message.", static_cast<int>(git::kMaxMessageBytes))},
        {"author", AuthorSchema("Author; the connector's own when absent.")}}}};
  remove.output_schema = OutputSchema();
  return {std::move(commit), std::move(remove)};
}

}  // namespace

struct GitConnector::Plan {
  std::unique_ptr<git::Remote> remote;
  std::string branch;
  std::string path;  // of the resource, or ""
  git::Changes changes;
  git::CommitInfo commit;
  git::Hosting hosting;

  CallResult Result(const git::ObjectId& id, bool changed) const {
    CallResult result;
    nlohmann::json paths = nlohmann::json::array();
    for (const auto& [file, content] : changes) paths.push_back(file);
    result.outputs = {{"repository", remote->url()},
                      {"branch", branch},
                      {"commit", id.ToHex()},
                      {"paths", std::move(paths)},
                      {"changed", changed}};
    const std::string page = git::CommitUrl(hosting, remote->url(), id);
    if (!page.empty()) result.outputs["url"] = page;
    if (!path.empty()) {
      OutsideResource resource;
      resource.id = absl::StrCat(remote->url(), "#", branch, ":", path);
      resource.type = "git-folder";
      resource.name = path;
      resource.attributes = {{"repository", remote->url()}, {"branch", branch}};
      const std::string contents = git::ContentsUrl(hosting, remote->url(), branch);
      if (!contents.empty()) resource.attributes["url"] = contents;
      result.resources.push_back(std::move(resource));
    }
    return result;
  }
};

const nlohmann::json& GitConnector::ConfigSchema() {
  static const nlohmann::json& schema = *new nlohmann::json{
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"remotes"}},
      {"properties",
       {{"remotes",
         {{"type", "array"},
          {"description", "Repositories that steps may touch; the longest matching entry counts."},
          {"minItems", 1},
          {"maxItems", 1000},
          {"items",
           {{"type", "object"},
            {"additionalProperties", false},
            {"required", {"url"}},
            {"properties",
             {{"url",
               Text("https://, http:// or file:// URL of a repository, or of a folder of them "
                    "(everything below is allowed).",
                    static_cast<int>(git::kMaxUrlBytes))},
              {"hosting",
               {{"enum", {"github", "gitlab", "bitbucket", "azure", "gitea"}},
                {"description", "For links to commits where the host does not tell."}}},
              {"credential",
               {{"type", "object"},
                {"additionalProperties", false},
                {"required", {"secret"}},
                {"properties",
                 {{"secret", Text("Reference to the password or token, e.g. env:GIT_TOKEN.", 4096)},
                  {"username", Text("User name of a basic credential; \"git\" when absent.", 256)},
                  {"scheme",
                   {{"enum", {"basic", "bearer"}},
                    {"default", "basic"},
                    {"description", "How the token is sent."}}}}}}}}}}}}},
        {"author", AuthorSchema("Author of commits whose step names none.")}}}};
  return schema;
}

absl::StatusOr<std::unique_ptr<Connector>> GitConnector::FromConfig(
    absl::string_view name, const nlohmann::json& config,
    const ConnectorDependencies& dependencies) {
  const std::string what = absl::StrCat("connector ", name);
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema, json::Schema::Compile(ConfigSchema()));
  std::vector<json::Violation> violations = schema.Validate(config);
  PURSER_RETURN_IF_ERROR(json::ToStatus(violations, what));
  auto connector = std::unique_ptr<GitConnector>(new GitConnector(std::string(name), dependencies));
  connector->remotes_ = ReadRemotes(config.at("remotes"), violations);
  connector->author_ = {"Purser", "purser@localhost"};
  if (config.contains("author")) {
    connector->author_ = {config["author"]["name"].get<std::string>(),
                          config["author"]["email"].get<std::string>()};
    if (const absl::Status checked = git::CheckPerson(connector->author_, "author");
        !checked.ok()) {
      violations.push_back({"/author", std::string(checked.message())});
    }
  }
  PURSER_RETURN_IF_ERROR(json::ToStatus(violations, what));
  return connector;
}

const std::vector<Operation>& GitConnector::operations() const {
  static const std::vector<Operation>& operations = *new std::vector<Operation>(MakeOperations());
  return operations;
}

git::Call GitConnector::NewCall(CallContext& context) const {
  const absl::Duration left = context.deadline() - clock_.Now();
  return {clock_, context.stop(), std::clamp(left, absl::ZeroDuration(), kMaxExchange),
          [&context](absl::string_view line) {
            context.Log(action::LogLevel::kDebug, absl::StrCat("git: ", line));
          }};
}

absl::StatusOr<GitConnector::Plan> GitConnector::MakePlan(absl::string_view operation,
                                                          const nlohmann::json& input,
                                                          CallContext& context) const {
  const bool remove = operation == kRemove;
  if (!remove && operation != kCommit) {
    return absl::NotFoundError(absl::StrCat("connector ", name_, " has no operation \"",
                                            base::EscapeForDisplay(operation), "\""));
  }
  const std::string url = input.at("repository").get<std::string>();
  PURSER_RETURN_IF_ERROR(git::CheckUrl(url));
  const AllowedRemote* allowed = FindRemote(remotes_, url);
  if (allowed == nullptr) {
    return absl::PermissionDeniedError(absl::StrCat(
        "repository ", base::EscapeForDisplay(url), " is not among the remotes of connector ",
        name_, "; an operator can add it to connectors.", name_, ".remotes"));
  }
  git::RemoteOptions options;
  options.allow_local = true;  // the list decides
  if (!allowed->credential.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::string secret, context.ResolveSecret(allowed->credential));
    PURSER_ASSIGN_OR_RETURN(options.authorization, AuthorizationOf(*allowed, secret));
  }

  Plan plan;
  PURSER_ASSIGN_OR_RETURN(plan.remote, git::OpenRemote(url, transport_, std::move(options)));
  plan.branch = input.value("branch", "main");
  plan.hosting = allowed->hosting;
  plan.commit.author = author_;
  if (input.contains("author")) {
    plan.commit.author = {input["author"]["name"].get<std::string>(),
                          input["author"]["email"].get<std::string>()};
  }
  plan.commit.effect_key = context.effect_key();
  if (remove) {
    // A compensation runs under its step's key: its own commit must not be taken for the step's.
    if (!plan.commit.effect_key.empty()) absl::StrAppend(&plan.commit.effect_key, "/", kRemove);
    for (const nlohmann::json& path : input.at("paths")) {
      plan.changes.emplace(path.get<std::string>(), std::nullopt);
    }
    plan.commit.message = input.value("message", "");
    if (plan.commit.message.empty()) {
      plan.commit.message = absl::StrCat("Remove ", plan.changes.size(), " files");
    }
    return plan;
  }
  plan.path = input.value("path", "");
  if (!plan.path.empty()) PURSER_RETURN_IF_ERROR(git::CheckPath(plan.path));
  for (const auto& [path, text] : input.at("files").items()) {
    plan.changes.emplace(plan.path.empty() ? path : absl::StrCat(plan.path, "/", path),
                         text.get<std::string>());
  }
  plan.commit.message = input.at("message").get<std::string>();
  return plan;
}

absl::StatusOr<CallResult> GitConnector::Call(absl::string_view operation,
                                              const nlohmann::json& input, CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Plan plan, MakePlan(operation, input, context));
  PURSER_ASSIGN_OR_RETURN(
      const git::PublishResult done,
      git::CommitFiles(*plan.remote, plan.branch, plan.changes, plan.commit, NewCall(context)));
  context.Log(action::LogLevel::kInfo,
              done.pushed ? absl::StrCat("pushed commit ", done.commit.ToHex(), " to ",
                                         plan.remote->url(), " ", plan.branch)
                          : absl::StrCat("nothing to commit to ", plan.remote->url(), " ",
                                         plan.branch, ": it already holds this"));
  return plan.Result(done.commit, done.pushed);
}

absl::StatusOr<std::optional<CallResult>> GitConnector::Probe(absl::string_view operation,
                                                              const nlohmann::json& input,
                                                              CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Plan plan, MakePlan(operation, input, context));
  PURSER_ASSIGN_OR_RETURN(
      const std::optional<git::ObjectId> commit,
      git::FindEffect(*plan.remote, plan.branch, plan.commit.effect_key, NewCall(context)));
  if (!commit.has_value()) return std::nullopt;
  return plan.Result(*commit, true);
}

absl::StatusOr<Comparison> GitConnector::Compare(absl::string_view operation,
                                                 const nlohmann::json& input,
                                                 const CallResult& applied, CallContext& context) {
  if (operation != kCommit) return Connector::Compare(operation, input, applied, context);
  PURSER_ASSIGN_OR_RETURN(const Plan plan, MakePlan(operation, input, context));
  std::vector<std::string> paths;
  for (const auto& [path, text] : plan.changes) paths.push_back(path);
  PURSER_ASSIGN_OR_RETURN(const auto found,
                          git::FindFiles(*plan.remote, plan.branch, paths, NewCall(context)));
  FileComparison comparison(absl::StrCat("what was committed to branch ", plan.branch));
  for (const auto& [path, id] : found) {
    const std::optional<std::string>& text = plan.changes.at(path);
    comparison.Note(path, !id.has_value() ? FileFound::kMissing
                          : *id == git::HashObject(git::ObjectType::kBlob, *text)
                              ? FileFound::kSame
                              : FileFound::kOther);
  }
  return comparison.Result();
}

}  // namespace purser::connectors
