// The life of a merge request that a step proposes: opened or brought up to date, merged, closed,
// and taken back after it was merged.
#ifndef PURSER_CONNECTORS_GITLAB_MERGE_REQUESTS_H_
#define PURSER_CONNECTORS_GITLAB_MERGE_REQUESTS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "connectors/connector.h"
#include "connectors/rest_api.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// All take the checked input of the operation of their name. Thread-safe.
class MergeRequests {
 public:
  // `api` must outlive it.
  explicit MergeRequests(const RestApi& api) : api_(api) {}

  // FAILED_PRECONDITION when the target holds the files already.
  absl::StatusOr<CallResult> Propose(const nlohmann::json& input, CallContext& context) const;
  // `previous`: outputs of the look before; an object without members at first.
  absl::StatusOr<CallResult> Merged(const nlohmann::json& input, const nlohmann::json& previous,
                                    CallContext& context) const;
  absl::StatusOr<CallResult> Close(const nlohmann::json& input, CallContext& context) const;
  // The compensation of Propose: closes what is open; of what was merged another merge request
  // deletes the files, and its merge is waited for as by Merged.
  absl::StatusOr<CallResult> Withdraw(const nlohmann::json& input, CallContext& context) const;
  // Whether what Propose proposed still stands; once it is merged, whether the target holds the
  // files as they were proposed. `applied`: the outputs of Propose.
  absl::StatusOr<Comparison> Compare(const nlohmann::json& input, const nlohmann::json& applied,
                                     CallContext& context) const;

 private:
  // nullopt: the target holds the files already.
  absl::StatusOr<std::optional<CallResult>> ProposeIfNew(const nlohmann::json& input,
                                                         CallContext& context) const;
  // One commit of what differs. False: nothing does, and there is no branch.
  absl::StatusOr<bool> Commit(const nlohmann::json& input, const std::string& target,
                              CallContext& context) const;
  // Status 404: there is no such file on the branch.
  absl::StatusOr<RestAnswer> ReadFile(const std::string& project_path, const std::string& file,
                                      const std::string& branch, CallContext& context) const;
  // The ids of who is asked to review; who is no user is told of and left out.
  absl::StatusOr<nlohmann::json> ReviewersOf(const nlohmann::json& input,
                                             CallContext& context) const;

  const RestApi& api_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITLAB_MERGE_REQUESTS_H_
