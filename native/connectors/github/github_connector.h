// GitHub: pull requests, one for each request and found again by its head branch; files written and
// deleted by the git data interface; merges waited for; repositories, variables and workflow runs.
//
//   - id: proposal
//     uses: github/pull-request
//     with: {repository: org/infra, branch: "request-${{ request.id }}", title: Add workspace x,
//            files: {k8s/x.yaml: "…"}, delete: [k8s/old.yaml], labels: [purser], reviewers: [ada]}
//   - id: merged
//     uses: github/merged
//     with: {repository: org/infra, number: "${{ steps.proposal.outputs.number }}"}
//
// Works for GitHub.com and GitHub Enterprise Server (`api`). The credential is a token or a GitHub
// App's key, from which installation tokens are made. A pull request bears the effect key in its
// text, so that a repeat finds it even when it was merged meanwhile.
#ifndef PURSER_CONNECTORS_GITHUB_GITHUB_CONNECTOR_H_
#define PURSER_CONNECTORS_GITHUB_GITHUB_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/input_check.h"
#include "connectors/rest_api.h"

namespace purser::connectors {

// Thread-safe.
class GithubConnector final : public Connector {
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
  GithubConnector(std::string name, RestApi api, std::vector<std::string> repositories);
  absl::StatusOr<CallResult> MakeRepository(const nlohmann::json& input,
                                            CallContext& context) const;
  absl::StatusOr<CallResult> Variables(const nlohmann::json& input, CallContext& context) const;

  const std::string name_;
  const RestApi api_;
  const std::vector<std::string> repositories_;
  const InputCheck inputs_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_GITHUB_CONNECTOR_H_
