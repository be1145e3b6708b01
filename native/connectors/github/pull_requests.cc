#include "connectors/github/pull_requests.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/github/branch_commit.h"
#include "connectors/github/repository_path.h"
#include "connectors/proposal.h"
#include "git/object.h"
#include "http/url.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxTitle = 256;  // GitHub's own

absl::StatusOr<std::string> NumberOf(const Json& input) {
  return RestNumber(input, "number", "github", "a pull request's number");
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

}  // namespace

absl::StatusOr<std::optional<CallResult>> PullRequests::ProposeIfNew(const Json& input,
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
    CallResult decided = ResultOf(input, pull, "");  // ours, and people have decided already
    decided.outputs["paths"] = ProposalPaths(input);
    return decided;
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
  if (commit.same_as_base && pull.is_null()) return std::nullopt;

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
  result.outputs["paths"] = ProposalPaths(input);
  context.Log(action::LogLevel::kInfo,
              absl::StrCat("pull request ", result.outputs["url"].get<std::string>()));
  result.resources.push_back({result.outputs["url"].get<std::string>(),
                              "pull-request",
                              input["title"].get<std::string>(),
                              {{"url", result.outputs["url"]}}});
  return result;
}

absl::StatusOr<CallResult> PullRequests::Propose(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(std::optional<CallResult> proposed, ProposeIfNew(input, context));
  if (!proposed.has_value()) {
    return absl::FailedPreconditionError(
        "github: the base already holds these files: there is nothing to propose");
  }
  return *std::move(proposed);
}

absl::StatusOr<CallResult> PullRequests::Merged(const Json& input, const Json& previous,
                                                CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string number, NumberOf(input));
  PURSER_ASSIGN_OR_RETURN(
      const RestAnswer answer,
      api_.SendIfChanged({.path = absl::StrCat(RepositoryPath(input), "/pulls/", number),
                          .what = absl::StrCat("read pull request ", number)},
                         RestText(previous, {"etag"}), context));
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
      return NotMerged("pull request", RestText(pull, {"html_url"}));
    }
    result.outputs["etag"] = std::string(http::FindHeader(answer.headers, "ETag"));
    if (previous.contains("sinceSeconds")) {
      result.outputs["sinceSeconds"] = previous["sinceSeconds"];
    }
  }
  return WaitForMerge(input, std::move(result), api_.clock().Now());
}

absl::StatusOr<CallResult> PullRequests::Merge(const Json& input, CallContext& context) const {
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

absl::StatusOr<CallResult> PullRequests::Withdraw(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string number, NumberOf(input));
  PURSER_ASSIGN_OR_RETURN(const Json pull,
                          api_.Json({.path = absl::StrCat(RepositoryPath(input), "/pulls/", number),
                                     .what = absl::StrCat("read pull request ", number)},
                                    context));
  if (!pull.value("merged_at", Json()).is_string()) return Close(input, context);
  CallResult done = ResultOf(input, pull, "");
  const Json paths = input.value("paths", Json::array());
  if (paths.empty()) return done;
  const Json removal = {
      {"repository", input["repository"]},
      {"base", RestText(pull, {"base", "ref"})},
      {"branch", RemovalBranch(RestText(pull, {"head", "ref"}), context.effect_key())},
      {"title", absl::StrCat("Remove: ", RestText(pull, {"title"})).substr(0, kMaxTitle)},
      {"body", absl::StrCat("Takes back what ", RestText(pull, {"html_url"}), " brought.")},
      {"files", Json::object()},
      {"delete", paths},
      {"labels", Json::array()},
      {"reviewers", Json::array()},
      {"teamReviewers", Json::array()},
      {"draft", false}};
  PURSER_ASSIGN_OR_RETURN(std::optional<CallResult> proposed, ProposeIfNew(removal, context));
  if (!proposed.has_value()) return done;  // somebody has removed it all
  return WaitForRemoval("pull request", input, *std::move(proposed), api_.clock().Now());
}

absl::StatusOr<Comparison> PullRequests::Compare(const Json& input, const Json& applied,
                                                 CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string number, NumberOf(applied));
  const std::string path = RepositoryPath(input);
  PURSER_ASSIGN_OR_RETURN(const Json pull,
                          api_.Json({.path = absl::StrCat(path, "/pulls/", number),
                                     .what = absl::StrCat("read pull request ", number)},
                                    context));
  const std::string base = RestText(pull, {"base", "ref"});
  std::optional<std::map<std::string, std::string>> there;  // asked for when it is merged
  return CompareProposal(
      "pull request", input, ResultOf(input, pull, "").outputs, base,
      [&](const std::string& file, const std::string& text) -> absl::StatusOr<FileFound> {
        if (!there.has_value()) {
          PURSER_ASSIGN_OR_RETURN(there, BlobsOf(api_, path, base, context));
        }
        const auto found = there->find(file);
        if (found == there->end()) return FileFound::kMissing;
        return found->second == git::HashObject(git::ObjectType::kBlob, text).ToHex()
                   ? FileFound::kSame
                   : FileFound::kOther;
      });
}

absl::StatusOr<CallResult> PullRequests::Close(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string number, NumberOf(input));
  const std::string path = RepositoryPath(input);
  PURSER_ASSIGN_OR_RETURN(Json pull, api_.Json({.path = absl::StrCat(path, "/pulls/", number),
                                                .what = absl::StrCat("read pull request ", number)},
                                               context));
  if (pull.value("merged_at", Json()).is_string()) {
    context.Log(action::LogLevel::kWarning,
                absl::StrCat("pull request ", number, " is merged: there is nothing to close"));
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

}  // namespace purser::connectors
