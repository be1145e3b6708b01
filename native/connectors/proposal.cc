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

absl::Status NotMerged(absl::string_view noun, absl::string_view url) {
  return absl::FailedPreconditionError(
      absl::StrCat(noun, " ", url, " was closed without being merged"));
}

}  // namespace purser::connectors
