// What pull requests and merge requests have in common.
#ifndef PURSER_CONNECTORS_PROPOSAL_H_
#define PURSER_CONNECTORS_PROPOSAL_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "connectors/connector.h"
#include "connectors/file_comparison.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

// The paths of the input's `files`, as a list: what a proposal brings, for when it is taken back.
nlohmann::json ProposalPaths(const nlohmann::json& input);

// `result`, whose outputs name the proposal's `url`, as one that is not merged yet: when it began
// to wait is kept in its outputs (`sinceSeconds`, since 1970), and the longer it waits the less
// often it is looked at. FAILED_PRECONDITION once it has waited for longer than the input's
// `timeoutSeconds`.
absl::StatusOr<CallResult> WaitForMerge(const nlohmann::json& input, CallResult result,
                                        absl::Time now);

// The branch of the proposal that takes back what one of `branch` brought: of this removal alone,
// since one of an earlier life of the same name may still be there.
std::string RemovalBranch(absl::string_view branch, absl::string_view effect_key);

// What a proposal that takes something back has come to: merged, waiting for it, or an error when
// people closed it. It is not what is kept: it goes as soon as it is merged. `noun`: "pull
// request".
absl::StatusOr<CallResult> WaitForRemoval(absl::string_view noun, const nlohmann::json& input,
                                          CallResult proposed, absl::Time now);

// What has become of a proposal, for Connector::Compare. `now`: its outputs, of which `state` says
// whether people have decided; once it is merged, `look` tells of each of the input's `files` what
// `branch` holds of it, and of each of `delete` (with an empty text) whether it is there again.
using LookAtFile =
    std::function<absl::StatusOr<FileFound>(const std::string& file, const std::string& text)>;
absl::StatusOr<Comparison> CompareProposal(absl::string_view noun, const nlohmann::json& input,
                                           const nlohmann::json& now, absl::string_view branch,
                                           const LookAtFile& look);

// The error of a proposal that people closed.
absl::Status NotMerged(absl::string_view noun, absl::string_view url);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_PROPOSAL_H_
