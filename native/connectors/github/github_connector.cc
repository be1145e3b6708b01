#include "connectors/github/github_connector.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/github/app_token.h"
#include "connectors/github/github_schemas.h"
#include "connectors/github/pull_requests.h"
#include "connectors/github/repository_path.h"
#include "connectors/github/workflow_runs.h"
#include "json/json.h"

namespace purser::connectors {

using Json = nlohmann::json;

GithubConnector::GithubConnector(std::string name, RestApi api,
                                 std::vector<std::string> repositories)
    : name_(std::move(name)),
      api_(std::move(api)),
      repositories_(std::move(repositories)),
      inputs_(GithubOperations()) {}

const Json& GithubConnector::ConfigSchema() { return GithubConfigSchema(); }
const std::vector<Operation>& GithubConnector::operations() const { return GithubOperations(); }

absl::StatusOr<std::unique_ptr<Connector>> GithubConnector::FromConfig(
    absl::string_view name, const Json& raw_config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const Json config, CheckConfig(name, ConfigSchema(), raw_config));
  const std::string base = config["api"].get<std::string>();
  PURSER_RETURN_IF_ERROR(CheckRestBase(base, absl::StrCat("connector ", name, ": /api")));
  RestApi api(
      std::string(name), base,
      {{"Accept", "application/vnd.github+json"},
       {"X-GitHub-Api-Version", "2022-11-28"},
       {"User-Agent", "purser"}},
      GithubCredential(config["credential"], base, dependencies.transport, dependencies.clock),
      dependencies.transport, dependencies.clock);
  return std::unique_ptr<Connector>(new GithubConnector(
      std::string(name), std::move(api), config["repositories"].get<std::vector<std::string>>()));
}

absl::StatusOr<CallResult> GithubConnector::Call(absl::string_view operation, const Json& raw_input,
                                                 CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const std::string repository = input["repository"].get<std::string>();
  if (!IsAllowedRepository(repositories_, repository)) {
    return absl::PermissionDeniedError(absl::StrCat("repository ", repository,
                                                    " is not among connectors.", name_,
                                                    ".repositories; an operator can add it"));
  }
  const PullRequests pulls(api_);
  if (operation == "pull-request") return pulls.Propose(input, context);
  if (operation == "merged") return pulls.Merged(input, Json::object(), context);
  if (operation == "merge") return pulls.Merge(input, context);
  if (operation == "close") return pulls.Close(input, context);
  if (operation == "withdraw") return pulls.Withdraw(input, context);
  if (operation == "repository") return MakeRepository(input, context);
  if (operation == "variables") return Variables(input, context);
  return WorkflowRuns(api_).Run(input, context);
}

absl::StatusOr<CallResult> GithubConnector::MakeRepository(const Json& input,
                                                           CallContext& context) const {
  const std::string full = input["repository"].get<std::string>();
  const std::string owner = OwnerOf(full);
  Json body = {{"name", full.substr(owner.size() + 1)},
               {"visibility", input["visibility"]},
               {"private", input["visibility"] != "public"},
               {"auto_init", input["autoInit"]}};
  if (input.contains("description")) body["description"] = input["description"];
  PURSER_ASSIGN_OR_RETURN(RestAnswer answer,
                          api_.Send({.method = "POST",
                                     .path = absl::StrCat("/orgs/", owner, "/repos"),
                                     .body = std::move(body),
                                     .accept = {422},
                                     .what = absl::StrCat("make repository ", full)},
                                    context));
  const bool created = answer.status == 201;
  Json made = std::move(answer.body);
  if (!created) {
    const std::string refusal = json::Dump(made);
    absl::StatusOr<Json> known = api_.Json(
        {.path = RepositoryPath(input), .what = absl::StrCat("read repository ", full)}, context);
    if (absl::IsNotFound(known.status())) {
      return absl::InvalidArgumentError(absl::StrCat("github: make repository ", full, ": ",
                                                     base::EscapeForDisplay(refusal, 500)));
    }
    PURSER_RETURN_IF_ERROR(known.status());
    made = *std::move(known);
  }
  CallResult result;
  result.outputs = {{"repository", full},
                    {"created", created},
                    {"url", RestText(made, {"html_url"})},
                    {"cloneUrl", RestText(made, {"clone_url"})},
                    {"branch", RestText(made, {"default_branch"})}};
  result.resources.push_back(
      {RestText(made, {"html_url"}), "repository", full, {{"id", RestText(made, {"id"})}}});
  return result;
}

absl::StatusOr<CallResult> GithubConnector::Variables(const Json& input,
                                                      CallContext& context) const {
  const std::string path = absl::StrCat(RepositoryPath(input), "/actions/variables");
  for (const auto& [name, value] : input["variables"].items()) {
    const RestCall change = {.method = "PATCH",
                             .path = absl::StrCat(path, "/", name),
                             .body = {{"name", name}, {"value", value}},
                             .accept = {404},
                             .what = absl::StrCat("set variable ", name)};
    PURSER_ASSIGN_OR_RETURN(RestAnswer answer, api_.Send(change, context));
    if (answer.status != 404) continue;
    PURSER_ASSIGN_OR_RETURN(answer, api_.Send({.method = "POST",
                                               .path = path,
                                               .body = change.body,
                                               .accept = {409},
                                               .what = absl::StrCat("make variable ", name)},
                                              context));
    if (answer.status != 409) continue;
    // The look before was behind, or another caller was quicker: it has some value by now.
    PURSER_ASSIGN_OR_RETURN(answer, api_.Send(change, context));
    if (answer.status == 404) {
      return absl::UnavailableError(
          absl::StrCat("github: set variable ", name, ": it is there and is not found"));
    }
  }
  CallResult result;
  result.outputs = {{"repository", input["repository"]}};
  return result;
}

absl::StatusOr<std::optional<CallResult>> GithubConnector::Probe(absl::string_view operation,
                                                                 const Json& raw_input,
                                                                 CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation != "workflow") return Connector::Probe(operation, raw_input, context);
  return WorkflowRuns(api_).Probe(input, context);
}

absl::StatusOr<CallResult> GithubConnector::Observe(absl::string_view operation,
                                                    const Json& raw_input,
                                                    const CallResult& previous,
                                                    CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "workflow") return WorkflowRuns(api_).Observe(input, previous, context);
  Json waited = input;
  // What a withdrawal waits for is the removal, not what the step had proposed.
  if (operation == "withdraw") waited["number"] = previous.outputs["number"];
  return PullRequests(api_).Merged(waited, previous.outputs, context);
}

absl::StatusOr<Comparison> GithubConnector::Compare(absl::string_view operation,
                                                    const Json& raw_input,
                                                    const CallResult& applied,
                                                    CallContext& context) {
  if (operation != "pull-request") {
    return Connector::Compare(operation, raw_input, applied, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  return PullRequests(api_).Compare(input, applied.outputs, context);
}

}  // namespace purser::connectors
