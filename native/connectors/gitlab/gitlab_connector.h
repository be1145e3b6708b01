// GitLab: merge requests, one for each request and found again by its source branch; merges waited
// for; projects, CI variables and pipelines.
//
//   - id: proposal
//     uses: gitlab/merge-request
//     with: {project: platform/infra, branch: "request-${{ request.id }}", title: Add workspace x,
//            files: {k8s/x.yaml: "…"}, delete: [k8s/old.yaml], labels: [purser]}
//
// A merge request bears the effect key in its description, a pipeline in a variable, so that a
// repeat finds what an earlier call made.
#ifndef PURSER_CONNECTORS_GITLAB_GITLAB_CONNECTOR_H_
#define PURSER_CONNECTORS_GITLAB_GITLAB_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/input_check.h"
#include "connectors/rest_api.h"

namespace purser::connectors {

// Thread-safe.
class GitlabConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override;
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  absl::StatusOr<std::optional<CallResult>> Probe(absl::string_view operation,
                                                  const nlohmann::json& input,
                                                  CallContext& context) override;
  absl::StatusOr<CallResult> Observe(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& previous, CallContext& context) override;
  // Of a proposal: whether it stands, and whether what was merged is as it was proposed.
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;

 private:
  GitlabConnector(std::string name, RestApi api, std::vector<std::string> projects);
  absl::StatusOr<CallResult> MakeProject(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Variables(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> RunPipeline(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> JudgePipeline(const nlohmann::json& input,
                                           const nlohmann::json& pipeline, int64_t since,
                                           CallContext& context) const;

  const std::string name_;
  const RestApi api_;
  const std::vector<std::string> projects_;
  const InputCheck inputs_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITLAB_GITLAB_CONNECTOR_H_
