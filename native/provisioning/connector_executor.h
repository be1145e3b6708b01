// Connectors as the workflow engine's executor: renders inputs, checks them, calls.
#ifndef PURSER_PROVISIONING_CONNECTOR_EXECUTOR_H_
#define PURSER_PROVISIONING_CONNECTOR_EXECUTOR_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "connectors/connector.h"
#include "json/json.h"
#include "provisioning/blueprint.h"
#include "provisioning/engine.h"
#include "workflow/executor.h"

namespace purser::provisioning {

// What expressions see: {"parameters", "request", "steps": {id: {"outputs"}}}.
nlohmann::json ExpressionContext(const workflow::RunView& run);

// Thread-safe.
class ConnectorExecutor final : public workflow::StepExecutor {
 public:
  ConnectorExecutor(const connectors::Connectors& connectors, SecretResolver resolve_secret)
      : connectors_(connectors), resolve_secret_(std::move(resolve_secret)) {}

  absl::StatusOr<std::shared_ptr<const workflow::Definition>> Parse(
      absl::string_view hash, absl::string_view body) override;
  absl::StatusOr<workflow::StepTraits> Traits(const workflow::StepDefinition& step,
                                              workflow::Direction direction) override;
  absl::StatusOr<workflow::Prepared> Prepare(const workflow::RunView& run,
                                             const workflow::StepDefinition& step) override;
  absl::StatusOr<workflow::CallResult> Call(const workflow::StepCall& call,
                                            workflow::CallContext& context) override;
  absl::StatusOr<std::optional<workflow::CallResult>> Probe(
      const workflow::StepCall& call, workflow::CallContext& context) override;
  absl::StatusOr<workflow::CallResult> Observe(const workflow::StepCall& call,
                                               const workflow::CallResult& previous,
                                               workflow::CallContext& context) override;
  absl::StatusOr<nlohmann::json> Finish(const workflow::RunView& run) override;

 private:
  struct Target {
    connectors::Connector* connector;
    const connectors::Operation* operation;
    std::string uses;
  };
  absl::StatusOr<Target> Resolve(const workflow::StepDefinition& step,
                                 workflow::Direction direction);
  absl::Status CheckInput(const Target& target, const nlohmann::json& input);
  // The engine's form of a result, with the resources that the blueprint adds.
  absl::StatusOr<workflow::CallResult> Adopt(const workflow::StepCall& call, const Target& target,
                                             connectors::CallResult result);

  const connectors::Connectors& connectors_;
  const SecretResolver resolve_secret_;
  base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const purser::json::Schema>, std::less<>> schemas_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_CONNECTOR_EXECUTOR_H_
