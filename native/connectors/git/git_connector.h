// Commits to git repositories: the GitOps way of provisioning.
//
//   - id: manifests
//     uses: git/commit
//     with: {repository: https://git.example.com/platform/gitops.git, branch: main,
//            path: workspaces/x, files: {notebook.yaml: "…"}, message: Add workspace x}
//
// Class `probe`: each commit carries the effect key in a trailer, so that whether a push that was
// never answered arrived is read from the branch itself. Only repositories of the configured list
// are touched; credentials are secret references there.
#ifndef PURSER_CONNECTORS_GIT_GIT_CONNECTOR_H_
#define PURSER_CONNECTORS_GIT_GIT_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/git/remote_list.h"
#include "git/publish.h"

namespace purser::connectors {

inline constexpr int kMaxCommitFiles = 5000;

// Thread-safe.
class GitConnector final : public Connector {
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
  // Whether the branch holds the files as `commit` wrote them.
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;

 private:
  struct Plan;

  GitConnector(std::string name, const ConnectorDependencies& dependencies)
      : name_(std::move(name)), transport_(dependencies.transport), clock_(dependencies.clock) {}
  absl::StatusOr<Plan> MakePlan(absl::string_view operation, const nlohmann::json& input,
                                CallContext& context) const;
  git::Call NewCall(CallContext& context) const;

  const std::string name_;
  http::Transport& transport_;
  base::Clock& clock_;
  std::vector<AllowedRemote> remotes_;
  git::Person author_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GIT_GIT_CONNECTOR_H_
