// Runs of a repository's workflows that steps begin and wait for.
#ifndef PURSER_CONNECTORS_GITHUB_WORKFLOW_RUNS_H_
#define PURSER_CONNECTORS_GITHUB_WORKFLOW_RUNS_H_

#include <optional>

#include "absl/status/statusor.h"
#include "connectors/connector.h"
#include "connectors/rest_api.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// All take the checked input of the operation "workflow". Thread-safe.
class WorkflowRuns {
 public:
  // `api` must outlive it.
  explicit WorkflowRuns(const RestApi& api) : api_(api) {}

  absl::StatusOr<CallResult> Run(const nlohmann::json& input, CallContext& context) const;
  // Whether a run with this effect key was begun; FAILED_PRECONDITION when nobody can tell.
  absl::StatusOr<std::optional<CallResult>> Probe(const nlohmann::json& input,
                                                  CallContext& context) const;
  absl::StatusOr<CallResult> Observe(const nlohmann::json& input, const CallResult& previous,
                                     CallContext& context) const;

 private:
  const RestApi& api_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_WORKFLOW_RUNS_H_
