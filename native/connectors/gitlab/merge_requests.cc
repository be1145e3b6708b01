#include "connectors/gitlab/merge_requests.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/gitlab/project_path.h"
#include "connectors/proposal.h"
#include "http/url.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxTitle = 255;  // GitLab's own

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

// Whether a file that was read holds exactly this text.
bool Holds(const RestAnswer& file, const std::string& text) {
  std::string content;
  return file.status != 404 && absl::Base64Unescape(RestText(file.body, {"content"}), &content) &&
         content == text;
}

}  // namespace

absl::StatusOr<RestAnswer> MergeRequests::ReadFile(const std::string& project_path,
                                                   const std::string& file,
                                                   const std::string& branch,
                                                   CallContext& context) const {
  return api_.Send(
      {.path = absl::StrCat(project_path, "/repository/files/", http::EncodeComponent(file),
                            "?ref=", http::EncodeComponent(branch)),
       .accept = {404},
       .what = absl::StrCat("read ", file)},
      context);
}

// What differs from the branch, or from the target where there is no branch yet, in one commit.
absl::StatusOr<bool> MergeRequests::Commit(const Json& input, const std::string& target,
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
  const std::string& ref = there ? branch : target;
  Json actions = Json::array();
  for (const auto& [file, text] : input["files"].items()) {
    PURSER_ASSIGN_OR_RETURN(const RestAnswer old, ReadFile(path, file, ref, context));
    if (Holds(old, text.get_ref<const std::string&>())) continue;
    Json action = {{"action", old.status == 404 ? "create" : "update"},
                   {"file_path", file},
                   {"content", text}};
    // Refused when somebody changed the file since it was read.
    if (old.status != 404) action["last_commit_id"] = RestText(old.body, {"last_commit_id"});
    actions.push_back(std::move(action));
  }
  for (const Json& file : input["delete"]) {
    if (input["files"].contains(file)) continue;
    PURSER_ASSIGN_OR_RETURN(const RestAnswer old,
                            ReadFile(path, file.get<std::string>(), ref, context));
    if (old.status != 404) actions.push_back({{"action", "delete"}, {"file_path", file}});
  }
  if (actions.empty()) return there;
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
  if (answer.status != 400) return true;
  const std::string why = base::EscapeForDisplay(RestText(answer.body, {"message"}), 500);
  // A branch or file that came, went or changed since it was read: look again.
  for (const char* race : {"already exists", "doesn't exist", "has changed", "does not exist"}) {
    if (absl::StrContains(why, race)) {
      return absl::AbortedError(absl::StrCat("gitlab: write the commit: ", why));
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("gitlab: write the commit: ", why));
}

absl::StatusOr<Json> MergeRequests::ReviewersOf(const Json& input, CallContext& context) const {
  Json ids = input["reviewerIds"];
  for (const Json& name : input["reviewers"]) {
    const std::string user = name.get<std::string>();
    PURSER_ASSIGN_OR_RETURN(
        const Json found,
        api_.Json({.path = absl::StrCat("/users?username=", http::EncodeComponent(user)),
                   .what = absl::StrCat("find user ", user)},
                  context));
    // The proposal stands without a stranger's review.
    if (!found.is_array() || found.empty()) {
      context.Log(action::LogLevel::kWarning,
                  absl::StrCat("gitlab: there is no user ", user, " to review"));
      continue;
    }
    ids.push_back(found[0].value("id", int64_t{0}));
  }
  return ids;
}

absl::StatusOr<std::optional<CallResult>> MergeRequests::ProposeIfNew(const Json& input,
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
    CallResult decided = ResultOf(input, request);  // ours, and people have decided already
    decided.outputs["paths"] = ProposalPaths(input);
    return decided;
  }
  std::string target = input.value("target", "");
  if (target.empty()) {
    PURSER_ASSIGN_OR_RETURN(const Json project,
                            api_.Json({.path = path, .what = "read the project"}, context));
    target = RestText(project, {"default_branch"});
  }
  PURSER_ASSIGN_OR_RETURN(const bool differs, Commit(input, target, context));
  if (!differs && request.is_null()) return std::nullopt;
  PURSER_ASSIGN_OR_RETURN(const Json reviewers, ReviewersOf(input, context));
  const std::string description =
      absl::StrCat(input["description"].get<std::string>(), "\n\n", mark);
  Json wanted = {{"title", input["title"]},
                 {"description", description},
                 {"labels", absl::StrJoin(input["labels"].get<std::vector<std::string>>(), ",")},
                 {"reviewer_ids", reviewers}};
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
  result.outputs["paths"] = ProposalPaths(input);
  const std::string url = RestText(request, {"web_url"});
  context.Log(action::LogLevel::kInfo, absl::StrCat("merge request ", url));
  result.resources.push_back(
      {url, "merge-request", input["title"].get<std::string>(), {{"url", url}}});
  return result;
}

absl::StatusOr<CallResult> MergeRequests::Propose(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(std::optional<CallResult> proposed, ProposeIfNew(input, context));
  if (!proposed.has_value()) {
    return absl::FailedPreconditionError(
        "gitlab: the target already holds these files: there is nothing to propose");
  }
  return *std::move(proposed);
}

absl::StatusOr<CallResult> MergeRequests::Merged(const Json& input, const Json& previous,
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
    if (state == "closed") return NotMerged("merge request", RestText(answer.body, {"web_url"}));
    result.outputs["etag"] = std::string(http::FindHeader(answer.headers, "ETag"));
    if (previous.contains("sinceSeconds")) {
      result.outputs["sinceSeconds"] = previous["sinceSeconds"];
    }
  }
  return WaitForMerge(input, std::move(result), api_.clock().Now());
}

absl::StatusOr<CallResult> MergeRequests::Withdraw(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string iid, NumberOf(input));
  PURSER_ASSIGN_OR_RETURN(
      const Json request,
      api_.Json({.path = absl::StrCat(ProjectPath(input), "/merge_requests/", iid),
                 .what = absl::StrCat("read merge request ", iid)},
                context));
  if (RestText(request, {"state"}) != "merged") return Close(input, context);
  CallResult done = ResultOf(input, request);
  const Json paths = input.value("paths", Json::array());
  if (paths.empty()) return done;
  const Json removal = {
      {"project", input["project"]},
      {"target", RestText(request, {"target_branch"})},
      {"branch", RemovalBranch(RestText(request, {"source_branch"}), context.effect_key())},
      {"title", absl::StrCat("Remove: ", RestText(request, {"title"})).substr(0, kMaxTitle)},
      {"description",
       absl::StrCat("Takes back what ", RestText(request, {"web_url"}), " brought.")},
      {"files", Json::object()},
      {"delete", paths},
      {"labels", Json::array()},
      {"reviewers", Json::array()},
      {"reviewerIds", Json::array()},
      {"removeSourceBranch", true}};
  PURSER_ASSIGN_OR_RETURN(std::optional<CallResult> proposed, ProposeIfNew(removal, context));
  if (!proposed.has_value()) return done;  // somebody has removed it all
  return WaitForRemoval("merge request", input, *std::move(proposed), api_.clock().Now());
}

absl::StatusOr<Comparison> MergeRequests::Compare(const Json& input, const Json& applied,
                                                  CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string iid, NumberOf(applied));
  const std::string path = ProjectPath(input);
  PURSER_ASSIGN_OR_RETURN(const Json request,
                          api_.Json({.path = absl::StrCat(path, "/merge_requests/", iid),
                                     .what = absl::StrCat("read merge request ", iid)},
                                    context));
  const std::string target = RestText(request, {"target_branch"});
  return CompareProposal(
      "merge request", input, ResultOf(input, request).outputs, target,
      [&](const std::string& file, const std::string& text) -> absl::StatusOr<FileFound> {
        PURSER_ASSIGN_OR_RETURN(const RestAnswer now, ReadFile(path, file, target, context));
        if (now.status == 404) return FileFound::kMissing;
        return Holds(now, text) ? FileFound::kSame : FileFound::kOther;
      });
}

absl::StatusOr<CallResult> MergeRequests::Close(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const std::string iid, NumberOf(input));
  const std::string path = ProjectPath(input);
  const std::string one = absl::StrCat(path, "/merge_requests/", iid);
  PURSER_ASSIGN_OR_RETURN(
      Json request,
      api_.Json({.path = one, .what = absl::StrCat("read merge request ", iid)}, context));
  if (RestText(request, {"state"}) == "merged") {
    context.Log(action::LogLevel::kWarning,
                absl::StrCat("merge request ", iid, " is merged: there is nothing to close"));
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

}  // namespace purser::connectors
