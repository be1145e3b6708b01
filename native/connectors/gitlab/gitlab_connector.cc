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
#include "connectors/pace.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr Pace kMergePace = {absl::Seconds(30), absl::Minutes(10)};
constexpr absl::Duration kPollPipeline = absl::Seconds(10);
constexpr char kEffectVariable[] = "PURSER_EFFECT_KEY";
// Pipelines of a ref that are looked through for one of ours.
constexpr int kMaxPipelinesSearched = 50;

std::string ProjectPath(const Json& input) {
  return absl::StrCat("/projects/", http::EncodeComponent(input["project"].get<std::string>()));
}

CallResult ResultOf(const Json& input, const Json& request) {
  CallResult result;
  result.outputs = {
      {"project", input["project"]},           {"iid", request.value("iid", int64_t{0})},
      {"url", RestText(request, {"web_url"})}, {"branch", RestText(request, {"source_branch"})},
      {"commit", RestText(request, {"sha"})},  {"state", RestText(request, {"state"})}};
  return result;
}

absl::StatusOr<std::string> NumberOf(const Json& input) {
  return RestNumber(input, "iid", "gitlab", "a merge request's number");
}

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
  if (operation == "merge-request") return MergeRequest(input, context);
  if (operation == "merged") return Merged(input, Json::object(), context);
  if (operation == "close") return Close(input, context);
  if (operation == "project") return MakeProject(input, context);
  if (operation == "variables") return Variables(input, context);
  return RunPipeline(input, context);
}

// What differs from the branch, or from the target where there is no branch yet, in one commit.
absl::Status GitlabConnector::Commit(const Json& input, const std::string& target,
                                     CallContext& context) const {
  const std::string path = ProjectPath(input);
  const std::string branch = input["branch"].get<std::string>();
  PURSER_ASSIGN_OR_RETURN(
      const RestAnswer known,
      api_.Send({.path = absl::StrCat(path, "/repository/branches/", http::EncodeComponent(branch)),
                 .accept = {404},
                 .what = absl::StrCat("read branch ", branch)},
                context));
  const bool there = known.status != 404;
  const std::string ref = http::EncodeComponent(there ? branch : target);
  Json actions = Json::array();
  const auto read = [&](const std::string& file) {
    return api_.Send({.path = absl::StrCat(path, "/repository/files/", http::EncodeComponent(file),
                                           "?ref=", ref),
                      .accept = {404},
                      .what = absl::StrCat("read ", file)},
                     context);
  };
  for (const auto& [file, text] : input["files"].items()) {
    PURSER_ASSIGN_OR_RETURN(const RestAnswer old, read(file));
    std::string content;
    if (old.status != 404 && absl::Base64Unescape(RestText(old.body, {"content"}), &content) &&
        content == text.get_ref<const std::string&>()) {
      continue;
    }
    Json action = {{"action", old.status == 404 ? "create" : "update"},
                   {"file_path", file},
                   {"content", text}};
    // Refused when somebody changed the file since it was read.
    if (old.status != 404) action["last_commit_id"] = RestText(old.body, {"last_commit_id"});
    actions.push_back(std::move(action));
  }
  for (const Json& file : input["delete"]) {
    if (input["files"].contains(file)) continue;
    PURSER_ASSIGN_OR_RETURN(const RestAnswer old, read(file.get<std::string>()));
    if (old.status != 404) actions.push_back({{"action", "delete"}, {"file_path", file}});
  }
  if (actions.empty()) {
    if (there) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "gitlab: ", target, " already holds these files: there is nothing to propose"));
  }
  Json commit = {
      {"branch", branch},
      {"commit_message", absl::StrCat(input.value("message", input["title"].get<std::string>()),
                                      "\n\nPurser-Effect: ", context.effect_key())},
      {"actions", std::move(actions)}};
  if (!there) commit["start_branch"] = target;
  PURSER_ASSIGN_OR_RETURN(const RestAnswer answer, api_.Send({.method = "POST",
                                                              .path = path + "/repository/commits",
                                                              .body = std::move(commit),
                                                              .accept = {400},
                                                              .what = "write the commit"},
                                                             context));
  if (answer.status != 400) return absl::OkStatus();
  const std::string why = base::EscapeForDisplay(RestText(answer.body, {"message"}), 500);
  // A branch or file that came, went or changed since it was read: look again.
  for (const char* race : {"already exists", "doesn't exist", "has changed", "does not exist"}) {
    if (absl::StrContains(why, race)) {
      return absl::AbortedError(absl::StrCat("gitlab: write the commit: ", why));
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("gitlab: write the commit: ", why));
}

absl::StatusOr<CallResult> GitlabConnector::MergeRequest(const Json& input,
                                                         CallContext& context) const {
  const std::string path = ProjectPath(input);
  const std::string branch = input["branch"].get<std::string>();
  const std::string mark = EffectMark(context.effect_key());
  const RestCall find = {
      .path = absl::StrCat(path, "/merge_requests?state=all&order_by=created_at&sort=desc&",
                           "source_branch=", http::EncodeComponent(branch)),
      .what = absl::StrCat("find the merge request of ", branch)};
  const auto pick = [&mark](const std::vector<Json>& requests) {
    Json open;
    for (const Json& one : requests) {
      if (absl::StrContains(RestText(one, {"description"}), mark)) return one;
      if (RestText(one, {"state"}) == "opened" && open.is_null()) open = one;
    }
    return open;
  };
  PURSER_ASSIGN_OR_RETURN(const std::vector<Json> requests, api_.List(find, context));
  Json request = pick(requests);
  if (!request.is_null() && RestText(request, {"state"}) != "opened") {
    return ResultOf(input, request);  // ours, and people have decided already
  }
  std::string target = input.value("target", "");
  if (target.empty()) {
    PURSER_ASSIGN_OR_RETURN(const Json project,
                            api_.Json({.path = path, .what = "read the project"}, context));
    target = RestText(project, {"default_branch"});
  }
  PURSER_RETURN_IF_ERROR(Commit(input, target, context));
  const std::string description =
      absl::StrCat(input["description"].get<std::string>(), "\n\n", mark);
  Json wanted = {{"title", input["title"]},
                 {"description", description},
                 {"labels", absl::StrJoin(input["labels"].get<std::vector<std::string>>(), ",")},
                 {"reviewer_ids", input["reviewerIds"]}};
  bool created = false;
  if (request.is_null()) {
    wanted["source_branch"] = branch;
    wanted["target_branch"] = target;
    wanted["remove_source_branch"] = input["removeSourceBranch"];
    PURSER_ASSIGN_OR_RETURN(RestAnswer answer, api_.Send({.method = "POST",
                                                          .path = path + "/merge_requests",
                                                          .body = std::move(wanted),
                                                          .accept = {409},
                                                          .what = "open the merge request"},
                                                         context));
    created = answer.status == 201;
    request = std::move(answer.body);
    if (answer.status == 409) {
      // A read that was behind, or another caller was quicker: then it is there now.
      PURSER_ASSIGN_OR_RETURN(const std::vector<Json> now, api_.List(find, context));
      request = pick(now);
      if (request.is_null()) {
        return absl::AbortedError(absl::StrCat("gitlab: a merge request of ", branch,
                                               " is said to be there, but cannot be seen yet"));
      }
    }
  } else if (RestText(request, {"description"}) != description ||
             RestText(request, {"title"}) != input["title"].get<std::string>()) {
    PURSER_ASSIGN_OR_RETURN(
        request,
        api_.Json({.method = "PUT",
                   .path = absl::StrCat(path, "/merge_requests/", RestText(request, {"iid"})),
                   .body = std::move(wanted),
                   .what = "bring the merge request up to date"},
                  context));
  }
  CallResult result = ResultOf(input, request);
  result.outputs["created"] = created;
  const std::string url = RestText(request, {"web_url"});
  context.Log(action::LogLevel::kInfo, absl::StrCat("merge request ", url));
  result.resources.push_back(
      {url, "merge-request", input["title"].get<std::string>(), {{"url", url}}});
  return result;
}

absl::StatusOr<CallResult> GitlabConnector::Merged(const Json& input, const Json& previous,
                                                   CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string iid, NumberOf(input));
  PURSER_ASSIGN_OR_RETURN(
      const RestAnswer answer,
      api_.SendIfChanged({.path = absl::StrCat(ProjectPath(input), "/merge_requests/", iid),
                          .what = absl::StrCat("read merge request ", iid)},
                         RestText(previous, {"etag"}), context));
  CallResult result;
  if (answer.status == 304) {
    result.outputs = previous;
  } else {
    result = ResultOf(input, answer.body);
    const std::string state = RestText(answer.body, {"state"});
    if (state == "merged") {
      const std::string commit = RestText(answer.body, {"merge_commit_sha"});
      if (!commit.empty()) result.outputs["commit"] = commit;
      return result;
    }
    if (state == "closed") {
      return absl::FailedPreconditionError(absl::StrCat("merge request ",
                                                        RestText(answer.body, {"web_url"}),
                                                        " was closed without being merged"));
    }
    result.outputs["etag"] = std::string(http::FindHeader(answer.headers, "ETag"));
    result.outputs["sinceSeconds"] =
        previous.value("sinceSeconds", absl::ToUnixSeconds(api_.clock().Now()));
  }
  const int64_t since = result.outputs["sinceSeconds"].get<int64_t>();
  result.ready = false;
  result.poll_after = NextLook(api_.clock().Now() - absl::FromUnixSeconds(since), kMergePace,
                               result.outputs["url"].get<std::string>());
  result.progress =
      absl::StrCat("waits for the merge of ", result.outputs["url"].get<std::string>());
  PURSER_RETURN_IF_ERROR(CheckRestPatience(input, since, api_.clock().Now(), result.progress));
  return result;
}

absl::StatusOr<CallResult> GitlabConnector::Close(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string iid, NumberOf(input));
  const std::string path = ProjectPath(input);
  const std::string one = absl::StrCat(path, "/merge_requests/", iid);
  PURSER_ASSIGN_OR_RETURN(
      Json request,
      api_.Json({.path = one, .what = absl::StrCat("read merge request ", iid)}, context));
  if (RestText(request, {"state"}) == "merged") {
    context.Log(action::LogLevel::kWarning,
                absl::StrCat("merge request ", iid,
                             " is merged: what it brought is taken back by another one"));
    return ResultOf(input, request);
  }
  if (RestText(request, {"state"}) == "opened") {
    PURSER_ASSIGN_OR_RETURN(request, api_.Json({.method = "PUT",
                                                .path = one,
                                                .body = {{"state_event", "close"}},
                                                .what = absl::StrCat("close merge request ", iid)},
                                               context));
  }
  const std::string branch = RestText(request, {"source_branch"});
  if (!branch.empty() && branch != RestText(request, {"target_branch"}) &&
      RestText(request, {"source_project_id"}) == RestText(request, {"target_project_id"})) {
    PURSER_RETURN_IF_ERROR(api_.Send({.method = "DELETE",
                                      .path = absl::StrCat(path, "/repository/branches/",
                                                           http::EncodeComponent(branch)),
                                      .accept = {404},
                                      .what = absl::StrCat("delete branch ", branch)},
                                     context)
                               .status());
  }
  return ResultOf(input, request);
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
  if (operation == "merged") return Merged(input, previous.outputs, context);
  PURSER_ASSIGN_OR_RETURN(
      const Json pipeline,
      api_.Json({.path = absl::StrCat(ProjectPath(input), "/pipelines/",
                                      previous.outputs.value("pipelineId", int64_t{0})),
                 .what = "read the pipeline"},
                context));
  return JudgePipeline(input, pipeline, previous.outputs.value("sinceSeconds", int64_t{0}),
                       context);
}

}  // namespace purser::connectors
