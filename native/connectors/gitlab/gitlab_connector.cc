#include "connectors/gitlab/gitlab_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/gitlab/gitlab_schemas.h"
#include "connectors/gitlab/merge_requests.h"
#include "connectors/gitlab/project_path.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kPollPipeline = absl::Seconds(10);
constexpr char kEffectVariable[] = "PURSER_EFFECT_KEY";
// Pipelines of a ref that are looked through for one of ours.
constexpr int kMaxPipelinesSearched = 50;

}  // namespace

GitlabConnector::GitlabConnector(std::string name, RestApi api, std::vector<std::string> projects)
    : name_(std::move(name)),
      api_(std::move(api)),
      projects_(std::move(projects)),
      inputs_(GitlabOperations()) {}

const Json& GitlabConnector::ConfigSchema() { return GitlabConfigSchema(); }
const std::vector<Operation>& GitlabConnector::operations() const { return GitlabOperations(); }

absl::StatusOr<std::unique_ptr<Connector>> GitlabConnector::FromConfig(
    absl::string_view name, const Json& raw_config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const Json config, CheckConfig(name, ConfigSchema(), raw_config));
  const std::string base = config["api"].get<std::string>();
  PURSER_RETURN_IF_ERROR(CheckRestBase(base, absl::StrCat("connector ", name, ": /api")));
  RestApi api(
      std::string(name), base, {{"Accept", "application/json"}, {"User-Agent", "purser"}},
      [reference = config["token"].get<std::string>()](
          CallContext& context) -> absl::StatusOr<std::pair<std::string, std::string>> {
        PURSER_ASSIGN_OR_RETURN(std::string token, context.ResolveSecret(reference));
        return std::make_pair(std::string("PRIVATE-TOKEN"), std::move(token));
      },
      dependencies.transport, dependencies.clock);
  return std::unique_ptr<Connector>(new GitlabConnector(
      std::string(name), std::move(api), config["projects"].get<std::vector<std::string>>()));
}

absl::StatusOr<CallResult> GitlabConnector::Call(absl::string_view operation, const Json& raw_input,
                                                 CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const std::string project = input["project"].get<std::string>();
  if (!IsAllowedRepository(projects_, project)) {
    return absl::PermissionDeniedError(absl::StrCat("project ", project,
                                                    " is not among connectors.", name_,
                                                    ".projects; an operator can add it"));
  }
  const MergeRequests requests(api_);
  if (operation == "merge-request") return requests.Propose(input, context);
  if (operation == "merged") return requests.Merged(input, Json::object(), context);
  if (operation == "close") return requests.Close(input, context);
  if (operation == "withdraw") return requests.Withdraw(input, context);
  if (operation == "project") return MakeProject(input, context);
  if (operation == "variables") return Variables(input, context);
  return RunPipeline(input, context);
}

absl::StatusOr<CallResult> GitlabConnector::MakeProject(const Json& input,
                                                        CallContext& context) const {
  const std::string full = input["project"].get<std::string>();
  const size_t slash = full.rfind('/');
  PURSER_ASSIGN_OR_RETURN(
      const Json group,
      api_.Json({.path = absl::StrCat("/namespaces/", http::EncodeComponent(full.substr(0, slash))),
                 .what = absl::StrCat("read group ", full.substr(0, slash))},
                context));
  Json body = {{"name", full.substr(slash + 1)},
               {"path", full.substr(slash + 1)},
               {"namespace_id", group.value("id", int64_t{0})},
               {"visibility", input["visibility"]},
               {"initialize_with_readme", input["initializeWithReadme"]}};
  if (input.contains("description")) body["description"] = input["description"];
  PURSER_ASSIGN_OR_RETURN(RestAnswer answer,
                          api_.Send({.method = "POST",
                                     .path = "/projects",
                                     .body = std::move(body),
                                     .accept = {400},
                                     .what = absl::StrCat("make project ", full)},
                                    context));
  const bool created = answer.status == 201;
  Json made = std::move(answer.body);
  if (!created) {
    const std::string refusal = json::Dump(made);
    absl::StatusOr<Json> known = api_.Json(
        {.path = ProjectPath(input), .what = absl::StrCat("read project ", full)}, context);
    if (absl::IsNotFound(known.status())) {
      return absl::InvalidArgumentError(
          absl::StrCat("gitlab: make project ", full, ": ", base::EscapeForDisplay(refusal, 500)));
    }
    if (!known.ok()) return known.status();
    made = *std::move(known);
  }
  CallResult result;
  result.outputs = {{"project", full},
                    {"created", created},
                    {"projectId", made.value("id", int64_t{0})},
                    {"url", RestText(made, {"web_url"})},
                    {"cloneUrl", RestText(made, {"http_url_to_repo"})},
                    {"branch", RestText(made, {"default_branch"})}};
  result.resources.push_back(
      {RestText(made, {"web_url"}), "repository", full, {{"id", RestText(made, {"id"})}}});
  return result;
}

absl::StatusOr<CallResult> GitlabConnector::Variables(const Json& input,
                                                      CallContext& context) const {
  const std::string path = absl::StrCat(ProjectPath(input), "/variables");
  const auto set = [&](const std::string& key, const std::string& value,
                       bool masked) -> absl::Status {
    const Json body = {
        {"key", key}, {"value", value}, {"masked", masked}, {"protected", input["protected"]}};
    PURSER_ASSIGN_OR_RETURN(const RestAnswer changed,
                            api_.Send({.method = "PUT",
                                       .path = absl::StrCat(path, "/", key),
                                       .body = body,
                                       .accept = {404},
                                       .what = absl::StrCat("set variable ", key)},
                                      context));
    if (changed.status != 404) return absl::OkStatus();
    return api_
        .Send({.method = "POST",
               .path = path,
               .body = body,
               .what = absl::StrCat("make variable ", key)},
              context)
        .status();
  };
  for (const auto& [key, value] : input["variables"].items()) {
    PURSER_RETURN_IF_ERROR(set(key, value.get<std::string>(), false));
  }
  for (const auto& [key, reference] : input["secretVariables"].items()) {
    PURSER_ASSIGN_OR_RETURN(const std::string value,
                            context.ResolveSecret(reference.get_ref<const std::string&>()));
    PURSER_RETURN_IF_ERROR(set(key, value, true));
  }
  CallResult result;
  result.outputs = {{"project", input["project"]}};
  return result;
}

absl::StatusOr<CallResult> GitlabConnector::RunPipeline(const Json& input,
                                                        CallContext& context) const {
  Json variables = Json::array({{{"key", kEffectVariable}, {"value", context.effect_key()}}});
  for (const auto& [key, value] : input["variables"].items()) {
    variables.push_back({{"key", key}, {"value", value}});
  }
  PURSER_ASSIGN_OR_RETURN(
      const Json pipeline,
      api_.Json({.method = "POST",
                 .path = absl::StrCat(ProjectPath(input), "/pipeline"),
                 .body = {{"ref", input["ref"]}, {"variables", std::move(variables)}},
                 .what = absl::StrCat("run a pipeline of ", input["ref"].get<std::string>())},
                context));
  return JudgePipeline(input, pipeline, absl::ToUnixSeconds(api_.clock().Now()), context);
}

absl::StatusOr<std::optional<CallResult>> GitlabConnector::Probe(absl::string_view operation,
                                                                 const Json& raw_input,
                                                                 CallContext& context) {
  if (operation != "pipeline") return Connector::Probe(operation, raw_input, context);
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const std::string path = ProjectPath(input);
  PURSER_ASSIGN_OR_RETURN(
      const Json pipelines,
      api_.Json({.path = absl::StrCat(path, "/pipelines?source=api&ref=",
                                      http::EncodeComponent(input["ref"].get<std::string>()),
                                      "&order_by=id&sort=desc&per_page=", kMaxPipelinesSearched),
                 .what = "find the pipeline"},
                context));
  for (const Json& one : pipelines) {
    const std::string id = RestText(one, {"id"});
    PURSER_ASSIGN_OR_RETURN(const Json variables,
                            api_.Json({.path = absl::StrCat(path, "/pipelines/", id, "/variables"),
                                       .what = absl::StrCat("read pipeline ", id)},
                                      context));
    for (const Json& variable : variables) {
      if (RestText(variable, {"key"}) != kEffectVariable ||
          RestText(variable, {"value"}) != context.effect_key()) {
        continue;
      }
      PURSER_ASSIGN_OR_RETURN(
          CallResult found,
          JudgePipeline(input, one, absl::ToUnixSeconds(api_.clock().Now()), context));
      return std::optional<CallResult>(std::move(found));
    }
  }
  return std::optional<CallResult>();
}

absl::StatusOr<CallResult> GitlabConnector::JudgePipeline(const Json& input, const Json& pipeline,
                                                          int64_t since,
                                                          CallContext& context) const {
  const std::string state = RestText(pipeline, {"status"});
  const std::string url = RestText(pipeline, {"web_url"});
  CallResult result;
  result.outputs = {{"project", input["project"]},
                    {"pipelineId", pipeline.value("id", int64_t{0})},
                    {"url", url},
                    {"state", state}};
  if (state == "success") return result;
  if (state == "failed" || state == "canceled" || state == "skipped") {
    return absl::FailedPreconditionError(absl::StrCat("pipeline ", url, " ended as ", state));
  }
  result.outputs["sinceSeconds"] = since;
  result.ready = false;
  result.poll_after = kPollPipeline;
  result.progress = absl::StrCat("pipeline ", url, " is ", state);
  if (state == "manual") absl::StrAppend(&result.progress, ": a job waits to be started by hand");
  context.Log(action::LogLevel::kDebug, result.progress);
  PURSER_RETURN_IF_ERROR(CheckRestPatience(input, since, api_.clock().Now(), result.progress));
  return result;
}

absl::StatusOr<CallResult> GitlabConnector::Observe(absl::string_view operation,
                                                    const Json& raw_input,
                                                    const CallResult& previous,
                                                    CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation != "pipeline") {
    Json waited = input;
    // What a withdrawal waits for is the removal, not what the step had proposed.
    if (operation == "withdraw") waited["iid"] = previous.outputs["iid"];
    return MergeRequests(api_).Merged(waited, previous.outputs, context);
  }
  PURSER_ASSIGN_OR_RETURN(
      const Json pipeline,
      api_.Json({.path = absl::StrCat(ProjectPath(input), "/pipelines/",
                                      previous.outputs.value("pipelineId", int64_t{0})),
                 .what = "read the pipeline"},
                context));
  return JudgePipeline(input, pipeline, previous.outputs.value("sinceSeconds", int64_t{0}),
                       context);
}

absl::StatusOr<Comparison> GitlabConnector::Compare(absl::string_view operation,
                                                    const Json& raw_input,
                                                    const CallResult& applied,
                                                    CallContext& context) {
  if (operation != "merge-request") {
    return Connector::Compare(operation, raw_input, applied, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  return MergeRequests(api_).Compare(input, applied.outputs, context);
}

}  // namespace purser::connectors
