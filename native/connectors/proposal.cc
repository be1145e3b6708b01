#include "connectors/proposal.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "connectors/pace.h"
#include "connectors/rest_api.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr Pace kMergePace = {absl::Seconds(30), absl::Minutes(10)};
constexpr size_t kRemovalMark = 8;  // characters that tell removals of one branch apart

}  // namespace

Json ProposalPaths(const Json& input) {
  Json paths = Json::array();
  for (const auto& [path, text] : input["files"].items()) paths.push_back(path);
  return paths;
}

absl::StatusOr<CallResult> WaitForMerge(const Json& input, CallResult result, absl::Time now) {
  const int64_t now_seconds = absl::ToUnixSeconds(now);
  const int64_t since = result.outputs.value("sinceSeconds", now_seconds);
  const std::string url = result.outputs["url"].get<std::string>();
  result.ready = false;
  result.outputs["sinceSeconds"] = since;
  result.poll_after = NextLook(absl::Seconds(now_seconds - since), kMergePace, url);
  result.progress = absl::StrCat("waits for the merge of ", url);
  PURSER_RETURN_IF_ERROR(CheckRestPatience(input, since, now, result.progress));
  return result;
}

std::string RemovalBranch(absl::string_view branch, absl::string_view effect_key) {
  return absl::StrCat(branch, "-removal-", base::Sha256Hex(effect_key).substr(0, kRemovalMark));
}

absl::StatusOr<CallResult> WaitForRemoval(absl::string_view noun, const Json& input,
                                          CallResult proposed, absl::Time now) {
  const std::string state = proposed.outputs["state"].get<std::string>();
  if (state == "closed") return NotMerged(noun, proposed.outputs["url"].get<std::string>());
  proposed.resources.clear();
  if (state == "merged") return proposed;
  return WaitForMerge(input, std::move(proposed), now);
}

absl::StatusOr<Comparison> CompareProposal(absl::string_view noun, const Json& input,
                                           const Json& now, absl::string_view branch,
                                           const LookAtFile& look) {
  const std::string state = now["state"].get<std::string>();
  if (state == "closed") {
    const absl::Status closed = NotMerged(noun, now["url"].get<std::string>());
    return Comparison{Comparison::State::kGone, std::string(closed.message())};
  }
  if (state != "merged") return Comparison{};
  FileComparison comparison(absl::StrCat("what was merged to branch ", branch));
  for (const auto& [file, text] : input["files"].items()) {
    PURSER_ASSIGN_OR_RETURN(const FileFound found, look(file, text.get_ref<const std::string&>()));
    comparison.Note(file, found);
  }
  for (const Json& file : input["delete"]) {
    if (input["files"].contains(file)) continue;
    const std::string& path = file.get_ref<const std::string&>();
    PURSER_ASSIGN_OR_RETURN(const FileFound found, look(path, ""));
    if (found != FileFound::kMissing) comparison.Note(path, FileFound::kOther);
  }
  return comparison.Result();
}

absl::Status NotMerged(absl::string_view noun, absl::string_view url) {
  return absl::FailedPreconditionError(
      absl::StrCat(noun, " ", url, " was closed without being merged"));
}

}  // namespace purser::connectors
