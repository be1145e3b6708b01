#include "connectors/github/github_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/github/app_token.h"
#include "connectors/github/branch_commit.h"
#include "connectors/github/github_schemas.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kPollMerge = absl::Seconds(30);
constexpr absl::Duration kPollRun = absl::Seconds(10);
constexpr int64_t kRunSearchSeconds = 3600;  // how far back a run of ours is looked for
constexpr char kRunNotFound[] = "the run has not shown up yet";

std::string OwnerOf(const std::string& repository) {
  return repository.substr(0, repository.find('/'));
}

std::string RepositoryPath(const Json& input) {
  return absl::StrCat("/repos/", input["repository"].get<std::string>());
}

// The number of a step's input, which may come as text from an expression.
absl::StatusOr<std::string> NumberOf(const Json& input) {
  const std::string number = RestText(input, {"number"});
  int64_t value = 0;
  if (!absl::SimpleAtoi(number, &value) || value < 1) {
    return absl::InvalidArgumentError("input of github: /number must be a pull request's number");
  }
  return number;
}

CallResult ResultOf(const Json& input, const Json& pull, const std::string& commit) {
  CallResult result;
  result.outputs = {
      {"repository", input["repository"]},
      {"number", pull.value("number", int64_t{0})},
      {"url", RestText(pull, {"html_url"})},
      {"branch", RestText(pull, {"head", "ref"})},
      {"commit", commit.empty() ? RestText(pull, {"head", "sha"}) : commit},
      {"state",
       pull.value("merged_at", Json()).is_string() ? "merged" : RestText(pull, {"state"})}};
  return result;
}

absl::Status CheckPatience(const Json& input, const Json& outputs, absl::Time now,
                           absl::string_view waiting_for) {
  const int64_t waited = absl::ToUnixSeconds(now) - outputs.value("sinceSeconds", int64_t{0});
  if (static_cast<double>(waited) <= input["timeoutSeconds"].get<double>()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("not done after ", waited, " s (timeoutSeconds): ", waiting_for));
}

}  // namespace

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
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema, json::Schema::Compile(ConfigSchema()));
  const Json config = schema.WithDefaults(raw_config);
  PURSER_RETURN_IF_ERROR(json::ToStatus(schema.Validate(config), absl::StrCat("connector ", name)));
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
  if (operation == "pull-request") return PullRequest(input, context);
  if (operation == "merged") return Merged(input, Json::object(), context);
  if (operation == "merge") return Merge(input, context);
  if (operation == "close") return Close(input, context);
  if (operation == "repository") return MakeRepository(input, context);
  if (operation == "variables") return Variables(input, context);
  return RunWorkflow(input, context);
}

absl::StatusOr<CallResult> GithubConnector::PullRequest(const Json& input,
                                                        CallContext& context) const {
  const std::string path = RepositoryPath(input);
  const std::string branch = input["branch"].get<std::string>();
  const std::string head =
      absl::StrCat(OwnerOf(input["repository"].get<std::string>()), ":", branch);
  const std::string mark = EffectMark(context.effect_key());
  // Found by its head first, merged ones too: this call may have been here before.
  const RestCall find = {
      .path = absl::StrCat(
          path, "/pulls?state=all&sort=created&direction=desc&head=", http::EncodeComponent(head)),
      .what = absl::StrCat("find the pull request of ", head)};
  const auto pick = [&mark](const std::vector<Json>& pulls) {
    Json open;
    for (const Json& pull : pulls) {
      const bool is_open = RestText(pull, {"state"}) == "open";
      if (absl::StrContains(RestText(pull, {"body"}), mark)) return pull;
      if (is_open && open.is_null()) open = pull;
    }
    return open;
  };
  PURSER_ASSIGN_OR_RETURN(const std::vector<Json> pulls, api_.List(find, context));
  Json pull = pick(pulls);
  if (!pull.is_null() && RestText(pull, {"state"}) != "open") {
    return ResultOf(input, pull, "");  // ours, and people have decided already
  }

  std::string base = input.value("base", "");
  if (base.empty()) {
    PURSER_ASSIGN_OR_RETURN(const Json repository,
                            api_.Json({.path = path, .what = "read the repository"}, context));
    base = RestText(repository, {"default_branch"});
  }
  PURSER_ASSIGN_OR_RETURN(
      const BranchCommit commit,
      CommitToBranch(api_,
                     {.repository_path = path,
                      .branch = branch,
                      .base = base,
                      .files = input["files"],
                      .deleted = input["delete"],
                      .message = input.value("message", input["title"].get<std::string>())},
                     context));
  if (commit.same_as_base && pull.is_null()) {
    return absl::FailedPreconditionError(
        absl::StrCat("github: ", base, " already holds these files: there is nothing to propose"));
  }

  const std::string body = absl::StrCat(input["body"].get<std::string>(), "\n\n", mark);
  bool created = false;
  if (pull.is_null()) {
    PURSER_ASSIGN_OR_RETURN(RestAnswer answer, api_.Send({.method = "POST",
                                                          .path = path + "/pulls",
                                                          .body = {{"title", input["title"]},
                                                                   {"head", branch},
                                                                   {"base", base},
                                                                   {"body", body},
                                                                   {"draft", input["draft"]}},
                                                          .accept = {422},
                                                          .what = "open the pull request"},
                                                         context));
    pull = std::move(answer.body);
    created = answer.status == 201;
    if (answer.status == 422) {
      // A read that was behind, or another caller was quicker: then it is there now.
      PURSER_ASSIGN_OR_RETURN(const std::vector<Json> now, api_.List(find, context));
      Json refusal = std::exchange(pull, pick(now));
      if (pull.is_null()) {
        std::string why = RestText(refusal, {"message"});
        for (const Json& error : refusal.value("errors", Json::array())) {
          absl::StrAppend(&why, "; ", RestText(error, {"message"}));
        }
        return absl::InvalidArgumentError(
            absl::StrCat("github: open the pull request: ", base::EscapeForDisplay(why, 1000)));
      }
    }
  } else if (RestText(pull, {"title"}) != input["title"].get<std::string>() ||
             RestText(pull, {"body"}) != body) {
    PURSER_ASSIGN_OR_RETURN(
        pull, api_.Json({.method = "PATCH",
                         .path = absl::StrCat(path, "/pulls/", RestText(pull, {"number"})),
                         .body = {{"title", input["title"]}, {"body", body}},
                         .what = "bring the pull request up to date"},
                        context));
  }
  const std::string number = RestText(pull, {"number"});
  if (number.empty()) {
    return absl::UnavailableError("github: the answer is no pull request");
  }
  if (!input["labels"].empty()) {
    PURSER_RETURN_IF_ERROR(api_.Send({.method = "POST",
                                      .path = absl::StrCat(path, "/issues/", number, "/labels"),
                                      .body = {{"labels", input["labels"]}},
                                      .what = "label the pull request"},
                                     context)
                               .status());
  }
  if (!input["reviewers"].empty() || !input["teamReviewers"].empty()) {
    const absl::StatusOr<RestAnswer> asked = api_.Send(
        {.method = "POST",
         .path = absl::StrCat(path, "/pulls/", number, "/requested_reviewers"),
         .body = {{"reviewers", input["reviewers"]}, {"team_reviewers", input["teamReviewers"]}},
         .what = "ask for reviews"},
        context);
    // The proposal stands; that somebody cannot review it (its author, a stranger) is for people.
    if (absl::IsInvalidArgument(asked.status())) {
      context.Log(action::LogLevel::kWarning, std::string(asked.status().message()));
    } else if (!asked.ok()) {
      return asked.status();
    }
  }
  CallResult result = ResultOf(input, pull, commit.sha);
  result.outputs["created"] = created;
  context.Log(action::LogLevel::kInfo,
              absl::StrCat("pull request ", result.outputs["url"].get<std::string>()));
  result.resources.push_back({result.outputs["url"].get<std::string>(),
                              "pull-request",
                              input["title"].get<std::string>(),
                              {{"url", result.outputs["url"]}}});
  return result;
}

absl::StatusOr<CallResult> GithubConnector::Merged(const Json& input, const Json& previous,
                                                   CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string number, NumberOf(input));
  RestCall call = {.path = absl::StrCat(RepositoryPath(input), "/pulls/", number),
                   .accept = {304},
                   .what = absl::StrCat("read pull request ", number)};
  // An unchanged answer costs nothing of the rate limit.
  const std::string etag = RestText(previous, {"etag"});
  if (!etag.empty()) call.headers = {{"If-None-Match", etag}};
  PURSER_ASSIGN_OR_RETURN(const RestAnswer answer, api_.Send(call, context));
  CallResult result;
  if (answer.status == 304) {
    result.outputs = previous;
  } else {
    const Json& pull = answer.body;
    result = ResultOf(input, pull, "");
    if (result.outputs["state"] == "merged") {
      result.outputs["commit"] = RestText(pull, {"merge_commit_sha"});
      return result;
    }
    if (result.outputs["state"] == "closed") {
      return absl::FailedPreconditionError(absl::StrCat(
          "pull request ", RestText(pull, {"html_url"}), " was closed without being merged"));
    }
    result.outputs["etag"] = std::string(http::FindHeader(answer.headers, "ETag"));
    result.outputs["sinceSeconds"] =
        previous.value("sinceSeconds", absl::ToUnixSeconds(api_.clock().Now()));
  }
  result.ready = false;
  result.poll_after = kPollMerge;
  result.progress =
      absl::StrCat("waits for the merge of ", result.outputs["url"].get<std::string>());
  PURSER_RETURN_IF_ERROR(CheckPatience(input, result.outputs, api_.clock().Now(), result.progress));
  return result;
}

absl::StatusOr<CallResult> GithubConnector::Merge(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string number, NumberOf(input));
  const std::string path = absl::StrCat(RepositoryPath(input), "/pulls/", number);
  const RestCall read = {.path = path, .what = absl::StrCat("read pull request ", number)};
  PURSER_ASSIGN_OR_RETURN(Json pull, api_.Json(read, context));
  if (!pull.value("merged_at", Json()).is_string()) {
    Json body = {{"merge_method", input["method"]}};
    if (input.contains("sha")) body["sha"] = input["sha"];
    PURSER_ASSIGN_OR_RETURN(const RestAnswer answer,
                            api_.Send({.method = "PUT",
                                       .path = path + "/merge",
                                       .body = std::move(body),
                                       .accept = {405, 409},
                                       .what = absl::StrCat("merge pull request ", number)},
                                      context));
    if (answer.status == 405 || answer.status == 409) {
      return absl::FailedPreconditionError(absl::StrCat(
          "github: pull request ", number,
          " cannot be merged: ", base::EscapeForDisplay(RestText(answer.body, {"message"}), 500)));
    }
    PURSER_ASSIGN_OR_RETURN(pull, api_.Json(read, context));
  }
  CallResult result = ResultOf(input, pull, RestText(pull, {"merge_commit_sha"}));
  return result;
}

absl::StatusOr<CallResult> GithubConnector::Close(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string number, NumberOf(input));
  const std::string path = RepositoryPath(input);
  PURSER_ASSIGN_OR_RETURN(Json pull, api_.Json({.path = absl::StrCat(path, "/pulls/", number),
                                                .what = absl::StrCat("read pull request ", number)},
                                               context));
  if (pull.value("merged_at", Json()).is_string()) {
    context.Log(action::LogLevel::kWarning,
                absl::StrCat("pull request ", number,
                             " is merged: what it brought is taken back by another one"));
    return ResultOf(input, pull, "");
  }
  if (RestText(pull, {"state"}) == "open") {
    PURSER_ASSIGN_OR_RETURN(pull, api_.Json({.method = "PATCH",
                                             .path = absl::StrCat(path, "/pulls/", number),
                                             .body = {{"state", "closed"}},
                                             .what = absl::StrCat("close pull request ", number)},
                                            context));
  }
  const std::string branch = RestText(pull, {"head", "ref"});
  const std::string own = input["repository"].get<std::string>();
  // A fork's branch, or the one it goes to, is not ours to delete.
  if (!branch.empty() && branch != RestText(pull, {"base", "ref"}) &&
      absl::EqualsIgnoreCase(RestText(pull, {"head", "repo", "full_name"}), own)) {
    PURSER_RETURN_IF_ERROR(api_.Send({.method = "DELETE",
                                      .path = absl::StrCat(path, "/git/refs/heads/", branch),
                                      .accept = {404, 422},
                                      .what = absl::StrCat("delete branch ", branch)},
                                     context)
                               .status());
  }
  return ResultOf(input, pull, "");
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
    PURSER_ASSIGN_OR_RETURN(made, api_.Json({.path = RepositoryPath(input),
                                             .what = absl::StrCat("read repository ", full)},
                                            context));
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
    PURSER_ASSIGN_OR_RETURN(const RestAnswer changed,
                            api_.Send({.method = "PATCH",
                                       .path = absl::StrCat(path, "/", name),
                                       .body = {{"name", name}, {"value", value}},
                                       .accept = {404},
                                       .what = absl::StrCat("set variable ", name)},
                                      context));
    if (changed.status != 404) continue;
    PURSER_RETURN_IF_ERROR(api_.Send({.method = "POST",
                                      .path = path,
                                      .body = {{"name", name}, {"value", value}},
                                      .accept = {409},
                                      .what = absl::StrCat("make variable ", name)},
                                     context)
                               .status());
  }
  CallResult result;
  result.outputs = {{"repository", input["repository"]}};
  return result;
}

absl::StatusOr<CallResult> GithubConnector::RunWorkflow(const Json& input,
                                                        CallContext& context) const {
  const std::string workflow = http::EncodeComponent(input["workflow"].get<std::string>());
  Json inputs = input["inputs"];
  if (input.contains("keyInput")) {
    inputs[input["keyInput"].get<std::string>()] = context.effect_key();
  }
  RestCall call = {
      .method = "POST",
      .path = absl::StrCat(RepositoryPath(input), "/actions/workflows/", workflow, "/dispatches"),
      .body = {{"ref", input["ref"]}, {"inputs", std::move(inputs)}, {"return_run_details", true}},
      .accept = {400, 422},
      .what = absl::StrCat("run workflow ", workflow)};
  PURSER_ASSIGN_OR_RETURN(RestAnswer answer, api_.Send(call, context));
  if (answer.status == 400 || answer.status == 422) {
    // An older server does not know the wish for the run's number; it did nothing yet.
    call.body.erase("return_run_details");
    call.accept.clear();
    PURSER_ASSIGN_OR_RETURN(answer, api_.Send(call, context));
  }
  CallResult result;
  result.outputs = {{"repository", input["repository"]},
                    {"sinceSeconds", absl::ToUnixSeconds(api_.clock().Now())}};
  const std::string run = RestText(answer.body, {"workflow_run_id"});
  int64_t id = 0;
  if (absl::SimpleAtoi(run, &id)) result.outputs["runId"] = id;
  if (id == 0 && !input.contains("keyInput")) {
    // Which run it is cannot be told from others of the same moment.
    context.Log(
        action::LogLevel::kWarning,
        "the server does not tell the run's number and the step has no keyInput: its end is "
        "not waited for");
    return result;
  }
  result.ready = false;
  result.poll_after = kPollRun;
  result.progress = "the workflow was asked to run";
  return result;
}

absl::StatusOr<std::optional<CallResult>> GithubConnector::Probe(absl::string_view operation,
                                                                 const Json& raw_input,
                                                                 CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation != "workflow") return Connector::Probe(operation, raw_input, context);
  if (!input.contains("keyInput")) {
    return absl::FailedPreconditionError(
        "github/workflow: whether the run was begun cannot be told: give the step a keyInput that "
        "stands in the workflow's run-name");
  }
  CallResult seen;
  seen.outputs = {{"repository", input["repository"]},
                  {"sinceSeconds", absl::ToUnixSeconds(api_.clock().Now())}};
  seen.ready = false;
  seen.poll_after = kPollRun;
  PURSER_ASSIGN_OR_RETURN(CallResult found, ObserveRun(input, seen, context));
  if (found.progress == kRunNotFound) return std::optional<CallResult>();
  return std::optional<CallResult>(std::move(found));
}

absl::StatusOr<CallResult> GithubConnector::ObserveRun(const Json& input,
                                                       const CallResult& previous,
                                                       CallContext& context) const {
  CallResult result = previous;
  const std::string path = RepositoryPath(input);
  Json run;
  if (previous.outputs.contains("runId")) {
    PURSER_ASSIGN_OR_RETURN(
        run, api_.Json({.path = absl::StrCat(path, "/actions/runs/",
                                             previous.outputs["runId"].get<int64_t>()),
                        .what = "read the workflow's run"},
                       context));
  } else {
    const absl::Time from = absl::FromUnixSeconds(
        previous.outputs.value("sinceSeconds", int64_t{0}) - kRunSearchSeconds);
    PURSER_ASSIGN_OR_RETURN(
        const Json list,
        api_.Json({.path = absl::StrCat(path, "/actions/workflows/",
                                        http::EncodeComponent(input["workflow"].get<std::string>()),
                                        "/runs?event=workflow_dispatch&per_page=100&created=",
                                        http::EncodeComponent(absl::StrCat(
                                            ">=", absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", from,
                                                                   absl::UTCTimeZone())))),
                   .what = "find the workflow's run"},
                  context));
    for (const Json& one : list.value("workflow_runs", Json::array())) {
      if (absl::StrContains(RestText(one, {"display_title"}), context.effect_key())) run = one;
    }
  }
  if (run.is_null()) {
    result.ready = false;
    result.progress = kRunNotFound;
    PURSER_RETURN_IF_ERROR(
        CheckPatience(input, result.outputs, api_.clock().Now(), result.progress));
    return result;
  }
  result.outputs["runId"] = run.value("id", int64_t{0});
  result.outputs["url"] = RestText(run, {"html_url"});
  result.outputs["state"] = RestText(run, {"status"});
  result.ready = RestText(run, {"status"}) == "completed";
  result.poll_after = kPollRun;
  if (!result.ready) {
    result.progress =
        absl::StrCat("run ", RestText(run, {"html_url"}), " is ", RestText(run, {"status"}));
    PURSER_RETURN_IF_ERROR(
        CheckPatience(input, result.outputs, api_.clock().Now(), result.progress));
    return result;
  }
  result.outputs["conclusion"] = RestText(run, {"conclusion"});
  result.outputs.erase("sinceSeconds");
  result.progress.clear();
  if (RestText(run, {"conclusion"}) != "success") {
    return absl::FailedPreconditionError(absl::StrCat(
        "run ", RestText(run, {"html_url"}), " ended with ", RestText(run, {"conclusion"})));
  }
  return result;
}

absl::StatusOr<CallResult> GithubConnector::Observe(absl::string_view operation,
                                                    const Json& raw_input,
                                                    const CallResult& previous,
                                                    CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "merged") return Merged(input, previous.outputs, context);
  return ObserveRun(input, previous, context);
}

}  // namespace purser::connectors
